// All exchanges, and making one.

import * as api from "../api.js";
import {folded} from "../dom.js";
import {argumentsField, field, form} from "../form.js";
import {exchangeLink, features, policyLink, rateColumn, vhostField} from "../parts.js";
import {listing, vhostColumn} from "../listing.js";

export const title = "Exchanges";

const TYPES = ["direct", "fanout", "headers", "topic"];
const SUGGESTIONS = [
  {key: "alternate-exchange", label: "Alternate exchange", type: "string", hint: "gets what this exchange can't route"},
];

export async function show(page) {
  const list = listing(page, {
    name: "exchanges",
    noun: "exchange",
    path: () => api.listPath("exchanges"),
    rowKey: (item) => JSON.stringify([item.vhost, item.name]),
    needs: ["name", "vhost"],
    columns: [
      {key: "name", title: "Name", sort: true, fixed: true, needs: ["name", "vhost"], cell: (item) => exchangeLink(item.vhost, item.name)},
      vhostColumn(),
      {key: "type", title: "Type", sort: true, group: "Overview"},
      {key: "features", title: "Features", group: "Overview", needs: ["durable", "auto_delete", "internal", "arguments"], cell: features},
      {key: "policy", title: "Policy", sort: true, group: "Overview", cell: (item) => policyLink(item.vhost, item.policy)},
      rateColumn("publish_in", "Rate in"),
      rateColumn("publish_out", "Rate out"),
    ],
  });
  page.view.append(list.element, folded("Add exchange", await addForm(page, list.refresh)));
}

async function addForm(page, refresh) {
  const overview = await api.get("/overview", {columns: "exchange_types"}, {signal: page.signal}).catch(() => ({}));
  const types = (overview.exchange_types ?? []).map((each) => each.name);
  return form({
    label: "Add exchange",
    submit: "Add exchange",
    done: ({name}) => `Exchange ${name} is there.`,
    fields: [
      vhostField(),
      field({name: "name", label: "Name", required: true}),
      field({name: "type", label: "Type", type: "select", options: types.length > 0 ? types : TYPES}),
      field({name: "durable", label: "Durability", type: "select", options: [["true", "Durable"], ["false", "Transient"]]}),
      field({name: "auto_delete", label: "Auto-delete", type: "checkbox", hint: "Goes with its last binding."}),
      field({name: "internal", label: "Internal", type: "checkbox", hint: "Only other exchanges publish to it."}),
      argumentsField({suggestions: SUGGESTIONS}),
    ],
    async send({vhost, name, type, durable, auto_delete, internal, arguments: table}) {
      await api.put(api.path("exchanges", vhost, name), {type, durable: durable === "true", auto_delete, internal, arguments: table});
      refresh();
    },
  });
}
