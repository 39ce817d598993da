// One user: how it logs in, what it may do, and how much of it.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {badge, button, element, factRows, fill, folded, section, update} from "../dom.js";
import {confirmed, form} from "../form.js";
import {passwordField, tagsField} from "../admin_fields.js";
import {explaining} from "../reasons.js";
import {go, link, reload} from "../router.js";
import {limitPart} from "../limit_parts.js";
import {permissionPart} from "../permission_parts.js";
import {tagsShown} from "./users.js";

export const title = (page) => `User ${page.parameters[0]}`;

export const within = {label: "Users", href: "#/users"};

export async function show(page) {
  const [name] = page.parameters;
  const path = api.path("users", name);
  const first = await api.get(path, {}, {signal: page.signal});
  const described = element("dl", {class: "facts"});
  const vhosts = session.knownVhosts();
  const changed = () => repeat.now();
  const permissions = permissionPart("permissions", {user: name}, vhosts, changed);
  const topics = permissionPart("topic-permissions", {user: name}, vhosts, changed);
  const limits = limitPart("user", [name], changed, {isSingle: true});
  fill(
    page.view,
    section("What is known", described),
    permissions.element,
    topics.element,
    limits.element,
    folded("Change tags and login", changeForm(first)),
    section("Delete", element("p", {class: "muted"}, "A deleted user's connections are closed."), button("Delete this user", () => removeUser(name), {class: "danger"})),
  );
  if (session.currentUser()?.name === name) page.heading.append(badge("you"));
  const repeat = page.every(null, async (signal) => {
    const [user, given, topicsGiven] = await Promise.all([
      api.get(path, {}, {signal}),
      api.get(`${path}/permissions`, {}, {signal}),
      api.get(`${path}/topic-permissions`, {}, {signal}),
    ]);
    update(described, factRows([
      ["Tags", tagsShown(user.tags)],
      ["Logs in with", user.password_hash ? "a password" : "no password"],
      ["Hashing algorithm", user.password_hash ? element("code", {}, user.hashing_algorithm) : undefined],
    ]));
    permissions.update(given);
    topics.update(topicsGiven);
    limits.update(Object.keys(user.limits).length ? [{user: name, value: user.limits}] : []);
  });
}

// The API takes tags and login together: what shall stay has to be said again.
function changeForm(user) {
  const kept = {password_hash: user.password_hash, hashing_algorithm: user.hashing_algorithm};
  return form({
    label: "Change tags and login",
    fields: [tagsField({value: user.tags.join(", ")}), passwordField({kept})],
    submit: "Change user",
    keep: true,
    send: explaining(async ({tags, login}) => {
      const isKept = login === kept;
      const now = isKept ? await api.get(api.path("users", user.name)) : null;
      await api.put(api.path("users", user.name), {
        tags,
        ...(isKept ? {password_hash: now.password_hash, hashing_algorithm: now.hashing_algorithm} : login),
      });
      reload();
    }),
    done: `User ${user.name} is changed.`,
  });
}

async function removeUser(name) {
  const [permissions, connections] = await Promise.all([
    api.get(`${api.path("users", name)}/permissions`),
    api.get("/connections", {columns: "user"}),
  ]);
  const open = connections.filter((connection) => connection.user === name).length;
  const isMe = session.currentUser()?.name === name;
  const goes = [
    isMe ? "You are this user: you will be logged out." : null,
    permissions.length ? `Its permissions in ${format.counted(permissions.length, "virtual host")} go too.` : null,
    open ? `${format.counted(open, "open connection")} will be closed.` : "It has no open connection.",
  ];
  const isDone = await confirmed({
    title: `Delete user ${name}?`,
    text: goes.filter(Boolean).join(" "),
    action: "Delete user",
    act: () => api.remove(api.path("users", name)),
  });
  if (isDone) go(link("users"));
}
