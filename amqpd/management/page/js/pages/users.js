// Users: who there is, and making more.

import * as api from "../api.js";
import * as format from "../format.js";
import {badge, element, fill, folded} from "../dom.js";
import {field, form} from "../form.js";
import {passwordField, tagsField} from "../admin_fields.js";
import {explaining} from "../reasons.js";
import {link} from "../router.js";
import {listing} from "../table.js";

export const title = "Users";

export async function show(page) {
  let vhostsOf = new Map();
  const list = listing(page, {
    name: "users",
    noun: "user",
    path: "/users",
    rowKey: (user) => user.name,
    sort: {sort: "name", reverse: false},
    select(users) {
      // The permissions come with the next answer, if they are not there yet.
      refreshPermissions();
      return users;
    },
    columns: [
      {key: "name", title: "Name", sort: true, fixed: true, cell: (user) => element("a", {href: link("users", user.name), class: "name"}, user.name)},
      {key: "tags", title: "Tags", cell: (user) => tagsShown(user.tags)},
      {key: "vhosts", title: "May enter", cell: (user) => vhostsShown(vhostsOf.get(user.name) ?? [])},
      {key: "password_hash", title: "Has a password", cell: (user) => (user.password_hash ? "yes" : badge("no", "", "Cannot log in with a password"))},
      {key: "limits", title: "Limits", cell: (user) => limitsShown(user.limits)},
    ],
    empty: "There is no user.",
  });

  async function refreshPermissions() {
    try {
      const permissions = await api.get("/permissions", {columns: "user,vhost"}, {signal: page.signal});
      const found = new Map();
      for (const {user, vhost} of permissions) found.set(user, [...(found.get(user) ?? []), vhost]);
      const isOther = JSON.stringify([...found]) !== JSON.stringify([...vhostsOf]);
      vhostsOf = found;
      if (isOther) list.refresh();
    } catch (error) {
      page.fail(error);
    }
  }

  fill(page.view, list.element, folded("Add a user", addForm(list)));
}

export function tagsShown(tags) {
  if (!tags.length) return element("span", {class: "muted"}, "none");
  return element("span", {class: "badges"}, tags.map((tag) => badge(tag, tag === "administrator" ? "warn" : "")));
}

function vhostsShown(names) {
  if (!names.length) return badge("no virtual host", "warn");
  const shown = names.slice(0, 5).map((name) => badge(name));
  return element("span", {class: "badges"}, shown, names.length > 5 ? badge(`and ${format.number(names.length - 5)} more`) : null);
}

function limitsShown(limits) {
  const given = Object.entries(limits ?? {});
  if (!given.length) return element("span", {class: "muted"}, "none");
  return given.map(([name, value]) => `${name} ${value < 0 ? "unlimited" : value}`).join(", ");
}

function addForm(list) {
  return form({
    label: "Add a user",
    fields: [field({name: "name", label: "Name", required: true}), tagsField(), passwordField()],
    submit: "Add user",
    send: explaining(async ({name, tags, login}) => {
      const known = await api.get("/users", {columns: "name"});
      if (known.some((user) => user.name === name)) throw new api.ApiError(409, "", `There is a user ${name} already.`);
      await api.put(api.path("users", name), {tags, ...login});
      list.refresh();
    }),
    done: ({name}) => `User ${name} is there. It may enter no virtual host yet.`,
  });
}
