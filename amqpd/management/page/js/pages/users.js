// Users: who there is, and making more.

import * as api from "../api.js";
import * as format from "../format.js";
import {badge, element, fill, folded} from "../dom.js";
import {field, form} from "../form.js";
import {passwordField, tagsField} from "../admin_fields.js";
import {explaining} from "../reasons.js";
import {link} from "../router.js";
import {listing} from "../listing.js";

export const title = "Users";

export async function show(page) {
  const list = listing(page, {
    name: "users",
    noun: "user",
    all: usersWithVhosts,
    rowKey: (user) => user.name,
    sort: {sort: "name", reverse: false},
    columns: [
      {key: "name", title: "Name", sort: true, fixed: true, cell: (user) => element("a", {href: link("users", user.name), class: "name"}, user.name)},
      {key: "tags", title: "Tags", cell: (user) => tagsShown(user.tags)},
      {key: "vhosts", title: "May enter", cell: (user) => vhostsShown(user.vhosts)},
      {key: "password_hash", title: "Has a password", cell: (user) => (user.password_hash ? "yes" : badge("no", "", "Cannot log in with a password"))},
      {key: "limits", title: "Limits", cell: (user) => limitsShown(user.limits)},
    ],
    empty: "There is no user.",
  });

  fill(page.view, list.element, folded("Add a user", addForm(list)));
}

async function usersWithVhosts(signal) {
  const [users, permissions] = await Promise.all([
    api.get("/users", {}, {signal}),
    api.get("/permissions", {columns: "user,vhost"}, {signal}),
  ]);
  const vhostsOf = new Map(users.map((user) => [user.name, []]));
  for (const {user, vhost} of permissions) vhostsOf.get(user)?.push(vhost);
  return users.map((user) => ({...user, vhosts: vhostsOf.get(user.name)}));
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
