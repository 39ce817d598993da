// Who may do what in which virtual host: tables and forms, for the page of a user and that of a virtual host.

import * as api from "./api.js";
import {element, section} from "./dom.js";
import {choiceField, patternFields} from "./admin_fields.js";
import {confirmed, field, form} from "./form.js";
import {explaining} from "./reasons.js";
import {link} from "./router.js";
import {table} from "./table.js";

const KINDS = {
  permissions: {
    heading: "Permissions",
    patterns: ["configure", "write", "read"],
    empty: {user: "This user may enter no virtual host.", vhost: "Nobody may enter this virtual host."},
    explained: "A pattern is searched in the names of exchanges and queues.",
  },
  "topic-permissions": {
    heading: "Topic permissions",
    patterns: ["write", "read"],
    empty: {user: "All routing keys are allowed.", vhost: "All routing keys are allowed to everybody."},
    explained: "Restrict routing keys on a topic exchange; a pattern is searched in the key. In it, {username} and {vhost} stand for the user's and the virtual host's name.",
  },
};

/**
 * A section with the permissions of a user or in a virtual host: {element, update(items)}.
 *
 * kind: "permissions" or "topic-permissions"; of: {user} or {vhost}; others: names of the other kind, to choose from;
 * changed() is called after each change.
 */
export function permissionPart(kind, of, others, changed) {
  const {heading, patterns, empty, explained} = KINDS[kind];
  const isOfUser = of.user !== undefined;
  const isTopic = kind === "topic-permissions";
  const other = isOfUser ? "vhost" : "user";
  const where = (item) => api.path(kind, item.vhost, item.user, ...(isTopic ? [item.exchange] : []));
  const list = table({
    caption: `${heading} ${isOfUser ? `of user ${of.user}` : `in virtual host ${of.vhost}`}`,
    rowKey: (item) => JSON.stringify([item.vhost, item.user, item.exchange]),
    columns: [
      {
        key: other,
        title: isOfUser ? "Virtual host" : "User",
        sort: true,
        cell: (item) => element("a", {href: link(isOfUser ? "vhosts" : "users", item[other])}, item[other]),
      },
      ...(isTopic ? [{key: "exchange", title: "Exchange", sort: true, cell: (item) => item.exchange || "(all)"}] : []),
      ...patterns.map((pattern) => ({
        key: pattern,
        title: `${pattern[0].toUpperCase()}${pattern.slice(1)}`,
        cell: (item) => element("code", {}, item[pattern] === "" ? "(nothing)" : item[pattern]),
      })),
      {key: "clear", number: true, title: element("span", {class: "visually-hidden"}, "Clear"), cell: (item) => element("button", {type: "button", class: "small danger", "data-at": item.at}, "Clear")},
    ],
    empty: empty[isOfUser ? "user" : "vhost"],
  });

  let shown = [];
  list.element.addEventListener("click", (event) => {
    const item = shown[Number(event.target.closest("button[data-at]")?.dataset.at ?? -1)];
    if (item) clear(item);
  });

  async function clear(item) {
    const exchange = isTopic && item.exchange ? ` on exchange ${item.exchange}` : "";
    await confirmed({
      title: `Clear ${isTopic ? "topic permissions" : "permissions"}?`,
      text: isTopic
        ? `User ${item.user} may use every routing key${exchange} in virtual host ${item.vhost} again.`
        : `User ${item.user} may no longer enter virtual host ${item.vhost}; open connections stay, and may do nothing more.`,
      action: "Clear",
      act: () => api.remove(where(item)),
    });
    changed();
  }

  const chooser = choiceField({name: other, label: isOfUser ? "Virtual host" : "User", names: others});
  const setForm = form({
    label: `Set ${heading.toLowerCase()}`,
    fields: [
      chooser,
      ...(isTopic ? [field({name: "exchange", label: "Exchange", value: "amq.topic", hint: "Nothing: every topic exchange."})] : []),
      ...patternFields(patterns),
    ],
    submit: isTopic ? "Set topic permission" : "Set permission",
    keep: true,
    send: explaining(async (values) => {
      const item = {...of, [other]: values[other]};
      const body = Object.fromEntries([...(isTopic ? ["exchange"] : []), ...patterns].map((name) => [name, values[name]]));
      await api.put(api.path(kind, item.vhost, item.user), body);
      changed();
    }),
    done: (values) => `${heading} of ${of.user ?? values.user} in ${of.vhost ?? values.vhost} are set.`,
  });
  return {
    element: section(
      heading,
      element("p", {class: "muted"}, explained),
      list.element,
      others.length ? element("details", {class: "inner"}, element("summary", {}, `Set ${heading.toLowerCase()}`), setForm) : null,
    ),
    update(items) {
      shown = items.map((item, at) => ({...item, at}));
      list.update(shown);
    },
  };
}

/** Names of everybody. Only administrators may ask. */
export async function userNames(signal) {
  const users = await api.get("/users", {columns: "name"}, {signal});
  return users.map((user) => user.name);
}
