// The broker at a glance.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {badge, button, element, emptyState, section, update} from "../dom.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {confirmed} from "../form.js";
import {gauge} from "../gauge.js";
import {link} from "../router.js";
import {CHURN, globalRates, lengths} from "../series.js";
import {table} from "../table.js";

export const title = "Overview";

const COUNTS = [
  ["connections", "Connections"],
  ["channels", "Channels"],
  ["exchanges", "Exchanges"],
  ["queues", "Queues"],
  ["consumers", "Consumers"],
];

export async function show(page) {
  const tiles = element("nav", {class: "tiles", "aria-label": "What there is"});
  const alarms = element("div", {role: "status"});
  const queued = chart({title: "Queued messages", kind: "length", series: lengths((answer) => answer.queue_totals)});
  const rates = chart({title: "Message rates", kind: "rate", series: globalRates()});
  const churn = [
    chart({title: "Connections", kind: "rate", series: CHURN.connections}),
    chart({title: "Channels", kind: "rate", series: CHURN.channels}),
    chart({title: "Queues", kind: "rate", series: CHURN.queues}),
  ];
  const nodes = session.isMonitor() ? nodesTable() : null;
  const ports = element("div", {class: "columns"});
  const versions = element("span", {class: "badges"});
  page.heading.append(versions);
  const churnSection = session.isMonitor()
    ? foldedCharts("Churn: how often they come and go", churn)
    : null;
  page.view.append(
    alarms,
    tiles,
    chartsCard("Totals", [queued, rates], () => repeat.now(), "global"),
    ...(nodes ? [section("Nodes", nodes.element), churnSection, ports] : []),
    ...(session.isAdministrator() ? [element("div", {class: "columns"}, definitions(), statistics())] : []),
  );
  const repeat = page.every(null, load);

  async function load(signal) {
    const [overview, described] = await Promise.all([
      api.get("/overview", rangeQuery("lengths", "msg_rates"), {signal}),
      nodes ? api.get("/nodes", {}, {signal}) : [],
    ]);
    update(versions, shownVersions(overview, described).map((version) => badge(version)));
    update(tiles, COUNTS.map(([key, label]) => tile(key, label, overview.object_totals?.[key] ?? 0)));
    queued.poll(overview);
    rates.poll(overview);
    for (const each of churn) each.poll(overview);
    if (!nodes) return;
    nodes.update(described);
    update(alarms, described.flatMap(raised));
    update(
      ports,
      section("Ports", listeners(overview.listeners ?? [])),
      section("Web contexts", contexts(overview.contexts ?? [])),
    );
  }
}

/** What it is, and what it says that it is: those differ unless somebody wanted it otherwise. */
function shownVersions(overview, nodes) {
  const own = nodes.flatMap((node) => node.applications ?? []).find((each) => each.name === "amqpd");
  const told = `${overview.product_name} ${overview.product_version}`;
  return own ? [`amqpd ${own.version}`, `as ${told}`] : [told];
}

function tile(key, label, count) {
  const inside = [element("div", {class: "tile-label"}, label), element("div", {class: "tile-value", "data-count": key}, format.number(count))];
  return key === "consumers" ? element("div", {class: "tile"}, inside) : element("a", {class: "tile", href: link(key)}, inside);
}

function raised(node) {
  return [
    node.mem_alarm ? element("p", {class: "problem"}, `${node.name} uses more memory than its limit: publishers are blocked.`) : null,
    node.disk_free_alarm ? element("p", {class: "problem"}, `${node.name} has less free disk space than its limit: publishers are blocked.`) : null,
  ].filter(Boolean);
}

function nodesTable() {
  return table({
    caption: "Nodes",
    rowKey: (node) => node.name,
    columns: [
      {key: "name", title: "Name", cell: (node) => element("a", {href: link("nodes", node.name), class: "name"}, node.name)},
      {key: "running", title: "State", cell: (node) => (node.running ? badge("running", "good") : badge("down", "bad"))},
      {key: "mem_used", title: "Memory", cell: (node) => gauge(node.mem_used, node.mem_limit, format.bytes, {limitLabel: "high watermark", isRaised: node.mem_alarm})},
      {key: "disk_free", title: "Disk space free", cell: (node) => gauge(node.disk_free, node.disk_free_limit, format.bytes, {isFloor: true, limitLabel: "low watermark", isRaised: node.disk_free_alarm})},
      {key: "fd_used", title: "File descriptors", cell: (node) => gauge(node.fd_used, node.fd_total, format.number)},
      {key: "sockets_used", title: "Sockets", cell: (node) => gauge(node.sockets_used, node.sockets_total, format.number)},
      {key: "uptime", title: "Uptime", number: true, cell: (node) => format.duration(node.uptime)},
    ],
  });
}

function foldedCharts(title, charts) {
  return element(
    "details",
    {class: "card folded", "data-part": "churn"},
    element("summary", {}, element("h2", {}, title)),
    element("div", {class: "folded-body charts"}, charts.map((each) => each.element)),
  );
}

function listeners(found) {
  if (found.length === 0) return emptyState("Nothing is listened on.");
  return simple("Ports", ["Protocol", "Bound to", "Port"], found.map((each) => [each.protocol, each.ip_address, each.port]));
}

function contexts(found) {
  if (found.length === 0) return emptyState("There are none.");
  return simple("Web contexts", ["Context", "Bound to", "Port", "Path"], found.map((each) => [each.description, each.ip ?? "all", each.port, each.path]));
}

function simple(caption, headings, rows) {
  return element(
    "div",
    {class: "table-scroll", tabindex: 0, role: "group", "aria-label": caption},
    element(
      "table",
      {},
      element("caption", {class: "visually-hidden"}, caption),
      element("thead", {}, element("tr", {}, headings.map((each) => element("th", {scope: "col", class: each === "Port" ? "number" : null}, each)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map((each, at) => element("td", {class: headings[at] === "Port" ? "number" : null}, each))))),
    ),
  );
}

function definitions() {
  return section(
    "Definitions",
    element("p", {class: "muted"}, "Users, virtual hosts, permissions, policies, exchanges, queues and bindings as one JSON file; no messages."),
    element("div", {class: "actions"}, element("a", {class: "button", href: link("definitions")}, "Export or import definitions")),
  );
}

function statistics() {
  const reset = () => confirmed({
    title: "Reset statistics?",
    text: "The history of lengths and rates is forgotten. Messages and counters stay as they are.",
    action: "Reset",
    act: () => api.remove("/reset"),
  });
  return section(
    "Statistics",
    element("p", {class: "muted"}, "Forget how lengths and rates have been; what was counted stays."),
    element("div", {class: "actions"}, button("Reset statistics", reset)),
  );
}
