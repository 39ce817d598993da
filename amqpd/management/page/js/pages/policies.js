// Policies and operator policies: the lists of both, and one of either.

import * as api from "../api.js";
import * as session from "../session.js";
import {button, element, factRows, fill, folded, section, update} from "../dom.js";
import {confirmed} from "../form.js";
import {listing, vhostColumn} from "../listing.js";
import {go, link, reload} from "../router.js";
import {POLICIES, policyForm} from "../policy_form.js";
import {TARGETS} from "../policy_keys.js";
import {table} from "../table.js";

const kindOf = () => (location.hash.startsWith("#/operator-policies") ? "operator-policies" : "policies");

export function title(page) {
  const [, name] = page.parameters;
  if (name === undefined) return "Policies";
  return kindOf() === "policies" ? `Policy ${name}` : `Operator policy ${name}`;
}

export function within(page) {
  return page.parameters.length ? {label: "Policies", href: link(kindOf())} : null;
}

export async function show(page) {
  if (page.parameters.length) await showOne(page);
  else await showLists(page);
}

async function showLists(page) {
  const parts = Object.keys(POLICIES).map((kind) => policiesPart(page, kind));
  fill(page.view, parts);
  if (kindOf() === "operator-policies") parts[1].scrollIntoView();
}

function policiesPart(page, kind) {
  const {plural, isOperator} = POLICIES[kind];
  const list = policyList(page, kind);
  const mayChange = isOperator ? session.isAdministrator() : session.isPolicymaker();
  const vhosts = session.knownVhosts();
  const vhost = session.chosenVhost() ?? (vhosts.includes("/") ? "/" : vhosts[0]);
  const part = section(
    plural[0].toUpperCase() + plural.slice(1),
    element("p", {class: "muted"}, isOperator
      ? "Limits that hold beside the policies above: of two numbers the smaller one counts."
      : "What is asked of all queues or exchanges with certain names. One policy applies to each: the one of the highest priority."),
    list.element,
    mayChange && vhosts.length > 0
      ? element("details", {class: "inner"}, element("summary", {}, `Add or change ${isOperator ? "an operator" : "a"} policy`), policyForm(page, {kind, vhosts, vhost, done: list.refresh}))
      : null,
  );
  part.id = `part-${kind}`;
  return part;
}

function policyList(page, kind) {
  const {noun, plural, isOperator} = POLICIES[kind];
  return listing(page, {
    name: kind,
    noun,
    plural,
    prefix: isOperator ? "operator_" : "",
    all: (signal) => api.get(api.listPath(kind), {}, {signal}),
    rowKey: (policy) => JSON.stringify([policy.vhost, policy.name]),
    sort: {sort: "name", reverse: false},
    columns: [
      {key: "name", title: "Name", sort: true, fixed: true, cell: (policy) => element("a", {href: link(kind, policy.vhost, policy.name), class: "name"}, policy.name)},
      vhostColumn(),
      {key: "pattern", title: "Pattern", group: "Overview", sort: true, cell: (policy) => element("code", {}, policy.pattern)},
      {key: "apply-to", title: "Applies to", group: "Overview", sort: true, cell: (policy) => TARGETS[policy["apply-to"]] ?? policy["apply-to"]},
      {key: "definition", title: "Definition", group: "Overview", cell: (policy) => definitionShown(policy.definition)},
      {key: "priority", title: "Priority", group: "Overview", number: true, sort: true},
    ],
    empty: `There are no ${plural}.`,
  });
}

function definitionShown(definition) {
  return Object.entries(definition).map(([key, value]) =>
    element("div", {}, element("span", {class: "muted"}, `${key}: `), element("code", {}, typeof value === "string" ? value : JSON.stringify(value))));
}

async function showOne(page) {
  const kind = kindOf();
  const {noun, key, isOperator} = POLICIES[kind];
  const [vhost, name] = page.parameters;
  const path = api.path(kind, vhost, name);
  const first = await api.get(path, {}, {signal: page.signal});
  const described = element("dl", {class: "facts"});
  const applied = appliedTable(vhost, noun);
  const mayChange = isOperator ? session.isAdministrator() : session.isPolicymaker();
  fill(
    page.view,
    section("What it says", described),
    section("Where it applies", applied.element),
    mayChange ? folded(`Change this ${noun}`, policyForm(page, {kind, vhosts: [vhost], policy: first, done: reload})) : null,
    mayChange ? section("Delete", button(`Delete this ${noun}`, remove, {class: "danger"})) : null,
  );
  let count = 0;

  async function remove() {
    const isDone = await confirmed({
      title: `Delete ${noun} ${name}?`,
      text: count ? `It applies to ${count === 1 ? "one queue or exchange" : `${count} queues and exchanges`} in virtual host ${vhost}, which then follow another one, or none.` : `It applies to nothing in virtual host ${vhost}.`,
      action: `Delete ${noun}`,
      act: () => api.remove(path),
    });
    if (isDone) go(link(kind));
  }

  page.every(null, async (signal) => {
    const [policy, queues, exchanges] = await Promise.all([
      api.get(path, {}, {signal}),
      api.get(api.path("queues", vhost), {columns: `name,type,${key}`}, {signal}),
      api.get(api.path("exchanges", vhost), {columns: `name,type,${key}`}, {signal}),
    ]);
    update(described, factRows([
      ["Virtual host", vhost],
      ["Pattern", element("code", {}, policy.pattern)],
      ["Applies to", TARGETS[policy["apply-to"]] ?? policy["apply-to"]],
      ["Priority", String(policy.priority)],
      ["Definition", definitionShown(policy.definition)],
    ]));
    const found = [
      ...exchanges.filter((each) => each[key] === name).map((each) => ({...each, page: "exchanges"})),
      ...queues.filter((each) => each[key] === name).map((each) => ({...each, page: "queues"})),
    ];
    count = found.length;
    applied.update(found);
  });
}

function appliedTable(vhost, noun) {
  return table({
    caption: `What the ${noun} applies to`,
    rowKey: (each) => `${each.page} ${each.name}`,
    order: {sort: "name", reverse: false},
    columns: [
      {key: "name", title: "Name", sort: true, cell: (each) => element("a", {href: link(each.page, vhost, each.name || "amq.default")}, each.name || "(default exchange)")},
      {key: "page", title: "Kind", sort: true, cell: (each) => (each.page === "queues" ? "queue" : "exchange")},
      {key: "type", title: "Type", sort: true},
    ],
    empty: "It applies to nothing: no name is matched, or another one of higher priority wins.",
  });
}
