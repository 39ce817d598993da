// What can be switched on.

import * as api from "../api.js";
import {badge, element, fill, notice, section} from "../dom.js";
import {table} from "../table.js";

export const title = "Feature flags";

export async function show(page) {
  const list = table({
    caption: "Feature flags",
    rowKey: (flag) => flag.name,
    columns: [
      {key: "name", title: "Name", sort: true, cell: (flag) => element("span", {class: "name"}, flag.name)},
      {key: "state", title: "State", sort: true, cell: (flag) => (flag.state === "enabled" ? badge("enabled", "good") : enableButton(flag))},
      {key: "stability", title: "Stability", sort: true},
      {key: "provided_by", title: "Provided by", sort: true},
      {key: "desc", title: "Description"},
    ],
    empty: "There are none.",
    order: {sort: "name", reverse: false},
  });

  function enableButton(flag) {
    return element("button", {type: "button", class: "small", "data-flag": flag.name}, "Enable");
  }

  list.element.addEventListener("click", async (event) => {
    const name = event.target.closest("button[data-flag]")?.dataset.flag;
    if (name === undefined) return;
    try {
      await api.put(`${api.path("feature-flags", name)}/enable`, {name});
    } catch (error) {
      notice(error.message, "bad");
    }
    repeat.now();
  });
  fill(
    page.view,
    section(
      "Feature flags",
      element("p", {class: "muted"}, "Features that nodes of a RabbitMQ cluster agree on. There is one node here: all are enabled from the beginning."),
      list.element,
    ),
  );
  const repeat = page.every(null, async (signal) => {
    list.update(await api.get("/feature-flags", {}, {signal}));
  });
}
