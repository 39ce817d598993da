// What several pages show: links, states, features, tables of AMQP, rates.

import * as api from "./api.js";
import * as format from "./format.js";
import * as session from "./session.js";
import {badge, element} from "./dom.js";
import {FieldError, field} from "./form.js";
import {LargeInteger} from "./numbers.js";
import {link} from "./router.js";

/** How an exchange is called where people read: the default one has no name. */
export function exchangeLabel(name) {
  return name === "" ? "(default)" : name;
}

/** A link to an exchange. */
export function exchangeLink(vhost, name) {
  return element("a", {class: "name", href: link("exchanges", vhost, api.exchangeName(name))}, exchangeLabel(name));
}

/** A link to a queue. */
export function queueLink(vhost, name) {
  return element("a", {class: "name", href: link("queues", vhost, name)}, name);
}

/** The name of a connection or a channel, such as 127.0.0.1:50100 -> 127.0.0.1:5672; its arrow is never broken in two. */
export function endpoints(name) {
  return name.split(" -> ").map((each, at) => (at === 0 ? each : [" ", element("span", {class: "nowrap"}, "->"), ` ${each}`]));
}

/** A link to the policy that something follows, or null: kind is "policies" or "operator-policies". */
export function policyLink(vhost, name, kind = "policies") {
  return name ? element("a", {class: "name", href: link(kind, vhost, name)}, name) : null;
}

/** A link to a connection. */
export function connectionLink(name) {
  return element("a", {class: "name", href: link("connections", name)}, endpoints(name));
}

/** A link to a channel. */
export function channelLink(name, label = endpoints(name)) {
  return element("a", {class: "name", href: link("channels", name)}, label);
}

/** "running" and other states as a badge. */
export function stateBadge(state) {
  if (state === undefined) return format.NOTHING;
  const kind = {running: "good", flow: "warn", blocked: "bad", blocking: "warn", closing: "warn", down: "bad", crashed: "bad", stopped: "bad"}[state] ?? "";
  return badge(state, kind);
}

const SHORT = {
  "x-message-ttl": "TTL",
  "x-expires": "Exp",
  "x-max-length": "Lim",
  "x-max-length-bytes": "Lim B",
  "x-delivery-limit": "DlL",
  "x-overflow": "Ovfl",
  "x-dead-letter-exchange": "DLX",
  "x-dead-letter-routing-key": "DLK",
  "x-max-priority": "Pri",
  "x-single-active-consumer": "SAC",
  "x-queue-mode": "Mode",
  "alternate-exchange": "AE",
};

/** Features of a queue or an exchange as small badges, as RabbitMQ abbreviates them. */
export function features(item) {
  const shown = [];
  if (item.durable) shown.push(badge("D", "", "durable: true"));
  if (item.auto_delete) shown.push(badge("AD", "", "auto-delete: true"));
  if (item.exclusive) shown.push(badge("Excl", "", "exclusive: true"));
  if (item.internal) shown.push(badge("I", "", "internal: true"));
  const more = [];
  for (const [key, value] of Object.entries(argumentsOf(item))) {
    if (key === "x-queue-type") continue;
    if (SHORT[key]) shown.push(badge(SHORT[key], "", `${key}: ${format.value(value)}`));
    else more.push(`${key}: ${format.value(value)}`);
  }
  if (more.length > 0) shown.push(badge("Args", "", more.join("\n")));
  return shown.length === 0 ? "" : element("span", {class: "badges"}, shown);
}

/** The arguments of an item: an object, as the API gives an empty list for an empty table sometimes. */
export function argumentsOf(item) {
  const found = item?.arguments;
  return found && !Array.isArray(found) ? found : {};
}

/** A table of AMQP, however deep, to be read. */
export function tableOf(value) {
  const entries = Object.entries(value && !Array.isArray(value) ? value : {});
  if (entries.length === 0) return element("span", {class: "muted"}, "none");
  return element(
    "dl",
    {class: "pairs"},
    entries.map(([key, each]) => element(
      "div",
      {},
      element("dt", {}, key),
      element("dd", {}, isTable(each) ? tableOf(each) : format.value(each)),
    )),
  );
}

function isTable(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof LargeInteger);
}

/** A choice of the virtual host that something is made in; first is the one that is looked at, unless another is told. */
export function vhostField(first = session.chosenVhost()) {
  const known = session.knownVhosts();
  const names = first === null || known.includes(first) ? known : [first, ...known];
  const chosen = first ?? (names.includes("/") ? "/" : names[0]);
  const made = field({name: "vhost", label: "Virtual host", type: "select", options: names.map((name, at) => [String(at), name]), value: String(Math.max(0, names.indexOf(chosen)))});
  return {
    ...made,
    value() {
      if (names.length === 0) throw new FieldError("You may enter no virtual host.");
      return names[Number(made.input.value)];
    },
  };
}

/** A statistic's rate column for listings: rateColumn("publish", "Incoming", "Message rates"). */
export function rateColumn(key, title, more = {}) {
  return {
    key: `rate_${key}`,
    title,
    group: "Message rates",
    number: true,
    sort: `message_stats.${key}_details.rate`,
    needs: [`message_stats.${key}_details.rate`],
    cell: (item) => rateOf(item, key),
    ...more,
  };
}

function rateOf(item, key) {
  const details = item.message_stats?.[`${key}_details`];
  return details === undefined ? "" : format.rate(details.rate);
}
