// One virtual host: how it does, who may enter it, its limits, tracing, and its end.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {badge, button, element, factRows, fill, folded, section, update} from "../dom.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {FieldError, confirmed, field, form} from "../form.js";
import {tagsField} from "../admin_fields.js";
import {explaining} from "../reasons.js";
import {globalRates, lengths} from "../series.js";
import {go, link, reload} from "../router.js";
import {limitPart} from "../limit_parts.js";
import {permissionPart, userNames} from "../permission_parts.js";
import {stateShown, typeText} from "./vhosts.js";

export const title = (page) => `Virtual host ${page.parameters[0]}`;

export const within = {label: "Virtual hosts", href: "#/vhosts"};

export async function show(page) {
  const [name] = page.parameters;
  const path = api.path("vhosts", name);
  const [first, users] = await Promise.all([api.get(path, {}, {signal: page.signal}), userNames(page.signal)]);
  const changed = () => repeat.now();
  const described = element("dl", {class: "facts"});
  const queued = chart({title: "Queued messages", kind: "length", series: lengths((answer) => answer)});
  const rates = chart({title: "Message rates", kind: "rate", series: globalRates()});
  const permissions = permissionPart("permissions", {vhost: name}, users, changed);
  const topics = permissionPart("topic-permissions", {vhost: name}, users, changed);
  const limits = limitPart("vhost", [name], changed, {isSingle: true});
  const tracing = tracingPart(name, changed);
  fill(
    page.view,
    section("What is known", described),
    chartsCard("Messages", [queued, rates], changed),
    permissions.element,
    topics.element,
    limits.element,
    tracing.element,
    folded("Change description and tags", changeForm(first)),
    section("Delete", element("p", {class: "muted"}, "With it go all its queues, messages, exchanges, bindings, policies and permissions."), button("Delete this virtual host", () => removeVhost(name), {class: "danger"})),
  );
  const repeat = page.every(null, async (signal) => {
    const [vhost, given, topicsGiven, limitsGiven] = await Promise.all([
      api.get(path, rangeQuery("lengths", "msg_rates"), {signal}),
      api.get(`${path}/permissions`, {}, {signal}),
      api.get(`${path}/topic-permissions`, {}, {signal}),
      api.get(api.path("vhost-limits", name), {}, {signal}),
    ]);
    update(described, factRows([
      ["State", stateShown(vhost)],
      ["Description", vhost.description],
      ["Tags", vhost.tags?.length ? element("span", {class: "badges"}, vhost.tags.map((tag) => badge(tag))) : null],
      ["Default queue type", typeText(vhost.default_queue_type)],
      ["Objects", element("a", {href: link("bindings") + `?${new URLSearchParams({vhost: name})}`}, "What leads where")],
    ]));
    queued.poll(vhost);
    rates.poll(vhost);
    permissions.update(given);
    topics.update(topicsGiven);
    limits.update(limitsGiven);
    tracing.update(vhost);
  });
}

// The API takes all of it together: what shall stay has to be said again.
async function changeVhost(name, changes) {
  const now = await api.get(api.path("vhosts", name), {disable_stats: true});
  await api.put(api.path("vhosts", name), {
    description: now.description ?? "",
    tags: (now.tags ?? []).join(","),
    tracing: now.tracing,
    ...(now.default_queue_type && now.default_queue_type !== "undefined" ? {default_queue_type: now.default_queue_type} : {}),
    ...changes,
  });
}

function changeForm(vhost) {
  return form({
    label: "Change description and tags",
    fields: [
      field({name: "description", label: "Description", value: vhost.description ?? ""}),
      tagsField({value: (vhost.tags ?? []).join(", "), suggestions: []}),
    ],
    submit: "Change virtual host",
    keep: true,
    send: explaining(async ({description, tags}) => {
      await changeVhost(vhost.name, {description, tags});
      reload();
    }),
    done: `Virtual host ${vhost.name} is changed.`,
  });
}

function tracingPart(name, changed) {
  const state = element("p", {role: "status"});
  const problem = element("p", {class: "form-problem", role: "alert", hidden: true});
  let isOn = false;
  const press = button("Start tracing", async () => {
    press.disabled = true;
    problem.hidden = true;
    try {
      await changeVhost(name, {tracing: !isOn});
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
    press.disabled = false;
    changed();
  });
  return {
    element: section(
      "Tracing",
      element("p", {class: "muted"}, "A copy of every message that is published or delivered goes to the exchange ", element("a", {href: link("exchanges", name, "amq.rabbitmq.trace")}, "amq.rabbitmq.trace"), ". That takes time: switch it off again."),
      state,
      problem,
      press,
    ),
    update(vhost) {
      isOn = vhost.tracing === true;
      update(state, isOn ? badge("on", "warn") : badge("off"));
      press.textContent = isOn ? "Stop tracing" : "Start tracing";
    },
  };
}

async function removeVhost(name) {
  const [vhost, queues, exchanges, policies, permissions, connections] = await Promise.all([
    api.get(api.path("vhosts", name)),
    api.get(api.path("queues", name), {columns: "name", disable_stats: true}),
    api.get(api.path("exchanges", name), {columns: "name", disable_stats: true}),
    api.get(api.path("policies", name)),
    api.get(`${api.path("vhosts", name)}/permissions`),
    api.get(`${api.path("vhosts", name)}/connections`, {columns: "name"}),
  ]);
  const own = exchanges.filter((exchange) => exchange.name && !exchange.name.startsWith("amq."));
  const goes = [
    [queues.length, "queue"],
    [vhost.messages ?? 0, "message"],
    [own.length, "exchange"],
    [policies.length, "policy", "policies"],
    [permissions.length, "user's permissions", "users' permissions"],
    [connections.length, "open connection"],
  ].filter(([count]) => count);
  const isFull = queues.length > 0;
  const isDone = await confirmed({
    title: `Delete virtual host ${name}?`,
    text: goes.length ? "This goes with it, and can't be brought back:" : "There is nothing in it.",
    fields: [
      element("ul", {class: "goes"}, goes.map(([count, ...nouns]) => element("li", {}, format.counted(count, ...nouns)))),
      ...(isFull ? [field({name: "typed", label: `Type ${name} to delete it`, wide: true})] : []),
    ],
    action: "Delete virtual host",
    act: async (values) => {
      if (isFull && values.typed !== name) throw new FieldError(`That is not ${name}.`);
      await api.remove(api.path("vhosts", name));
      await api.refreshVhosts();
    },
  });
  if (!isDone) return;
  go(link("vhosts"));
  if (session.chosenVhost() === name) session.chooseVhost(null);
}
