// Limits of virtual hosts and users: what is set, and forms to set and lift them.

import * as api from "./api.js";
import {element, section} from "./dom.js";
import {FieldError, confirmed, field, form} from "./form.js";
import {choiceField} from "./admin_fields.js";
import {number} from "./numbers.js";
import {explaining} from "./reasons.js";
import {link} from "./router.js";
import {table} from "./table.js";

const LIMITS = {
  vhost: {path: "vhost-limits", noun: "virtual host", page: "vhosts", names: {"max-connections": "Connections", "max-queues": "Queues"}},
  user: {path: "user-limits", noun: "user", page: "users", names: {"max-connections": "Connections", "max-channels": "Channels"}},
};

/**
 * A section with limits: {element, update(items)}, items as the API lists them.
 *
 * kind: "vhost" or "user"; names: of which one can be chosen for a new limit, or the only one; changed() after changes.
 */
export function limitPart(kind, names, changed, {heading = "Limits", isSingle = false} = {}) {
  const {path, noun, page, names: limits} = LIMITS[kind];
  let shown = [];
  const list = table({
    caption: heading,
    rowKey: (row) => JSON.stringify([row.of, row.limit]),
    columns: [
      ...(isSingle ? [] : [{key: "of", title: noun === "user" ? "User" : "Virtual host", sort: true, cell: (row) => element("a", {href: link(page, row.of)}, row.of)}]),
      {key: "limit", title: "Limit", cell: (row) => element("span", {}, limits[row.limit] ?? row.limit, " ", element("code", {class: "muted"}, row.limit))},
      {key: "value", title: "At most", number: true, cell: (row) => valueText(row.value)},
      {key: "lift", number: true, title: element("span", {class: "visually-hidden"}, "Lift"), cell: (row) => element("button", {type: "button", class: "small danger", "data-at": row.at}, "Lift")},
    ],
    empty: isSingle ? "No limits." : `No ${noun} has a limit.`,
  });
  list.element.addEventListener("click", async (event) => {
    const row = shown[Number(event.target.closest("button[data-at]")?.dataset.at ?? -1)];
    if (!row) return;
    await confirmed({
      title: "Lift the limit?",
      text: `The limit ${row.limit} (${row.value}) of ${noun} ${row.of} holds no longer.`,
      action: "Lift",
      act: () => api.remove(api.path(path, row.of, row.limit)),
    });
    changed();
  });
  const setForm = form({
    label: `Set a limit of a ${noun}`,
    fields: [
      ...(isSingle ? [] : [choiceField({name: "of", label: noun === "user" ? "User" : "Virtual host", names})]),
      field({name: "limit", label: "Limit", type: "select", options: Object.entries(limits)}),
      field({name: "value", label: "At most", required: true, attributes: {inputmode: "numeric"}, hint: "A whole number; a negative one is no limit."}),
    ],
    submit: "Set limit",
    send: explaining(async ({of = names[0], limit, value}) => {
      await api.put(api.path(path, of, limit), {value: whole(value)});
      changed();
    }),
    done: ({of = names[0], limit}) => `The limit ${limit} of ${of} is set.`,
  });
  return {
    element: section(heading, list.element, names.length ? element("details", {class: "inner"}, element("summary", {}, "Set a limit"), setForm) : null),
    update(items) {
      shown = items
        .flatMap((item) => Object.entries(item.value).map(([limit, value]) => ({of: item[kind], limit, value})))
        .map((row, at) => ({...row, at}));
      list.update(shown);
    },
  };
}

function valueText(value) {
  return value < 0 ? "no limit" : String(value);
}

// A number as JSON has it; what is none is left to the API to refuse, unless JSON can't say it.
function whole(text) {
  if (text.trim() === "") throw new FieldError("At most how many?");
  return number(text) ?? text;
}
