// What clients are told the cluster is called.

import * as api from "../api.js";
import {element, fill, section} from "../dom.js";
import {field, form} from "../form.js";
import {explaining} from "../reasons.js";

export const title = "Cluster";

export async function show(page) {
  const {name} = await api.get("/cluster-name", {}, {signal: page.signal});
  const input = field({name: "name", label: "Name", value: name, required: true, wide: true});
  fill(
    page.view,
    section(
      "Name of the cluster",
      element("p", {class: "muted"}, "Clients are told it when they connect, and it stands on top of this page. Whoever is connected already keeps the name that was."),
      form({
        label: "Name of the cluster",
        fields: [input],
        submit: "Change name",
        keep: true,
        send: explaining(async (values) => {
          await api.put("/cluster-name", {name: values.name});
          const shown = document.querySelector(".cluster");
          if (shown) shown.textContent = values.name;
        }),
        done: ({name: changed}) => `The cluster is called ${changed} now.`,
      }),
    ),
  );
}
