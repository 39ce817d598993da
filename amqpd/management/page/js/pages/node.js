// A node: what it uses of the machine.

import * as api from "../api.js";
import * as format from "../format.js";
import {badge, element, factRows, facts, section, update} from "../dom.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {gauge} from "../gauge.js";
import {CHURN} from "../series.js";
import {table} from "../table.js";

export const title = ({parameters: [name]}) => `Node ${name}`;
export const within = {label: "Overview", href: "#/"};

const line = (key, label) => ({key, label, details: (node) => node[`${key}_details`], value: (node) => node[key]});

export async function show(page) {
  const [name] = page.parameters;
  const state = element("span");
  const overview = facts([]);
  const gauges = facts([]);
  const charts = [
    chart({title: "Memory", kind: "length", unit: format.bytes, series: [line("mem_used", "Used")], limit: {label: "High watermark", value: (node) => node.mem_limit}}),
    chart({title: "Disk space", kind: "length", unit: format.bytes, series: [line("disk_free", "Free")], limit: {label: "Low watermark", value: (node) => node.disk_free_limit}}),
    chart({title: "File descriptors and sockets", kind: "length", series: [line("fd_used", "File descriptors"), line("sockets_used", "Sockets")]}),
    chart({title: "Connections", kind: "rate", series: node(CHURN.connections)}),
    chart({title: "Channels", kind: "rate", series: node(CHURN.channels)}),
    chart({title: "Queues", kind: "rate", series: node(CHURN.queues)}),
  ];
  const applications = table({
    caption: "What runs in this node",
    rowKey: (each) => each.name,
    columns: [{key: "name", title: "Name"}, {key: "description", title: "What it is"}, {key: "version", title: "Version"}],
  });
  const mechanisms = table({
    caption: "How clients log in",
    rowKey: (each) => each.name,
    columns: [{key: "name", title: "Mechanism"}, {key: "description", title: "What it is"}],
  });
  page.heading.append(state);
  page.view.append(
    section("Overview", overview),
    section("Limits", gauges),
    chartsCard("Over time", charts, () => repeat.now(), "global"),
    element("div", {class: "columns"}, section("Software", applications.element), section("Authentication", mechanisms.element)),
  );
  const repeat = page.every(null, async (signal) => {
    const found = await api.get(api.path("nodes", name), rangeQuery("node_stats"), {signal});
    update(state, found.running ? badge("running", "good") : badge("down", "bad"));
    update(overview, factRows(described(found)));
    update(gauges, factRows(used(found)));
    for (const each of charts) each.poll(found);
    applications.update(found.applications ?? []);
    mechanisms.update(found.auth_mechanisms ?? []);
  });
}

/** Churn as a node tells it: beside everything else. */
function node(series) {
  return series.map((each) => ({...each, details: (found) => each.details({churn_rates: found})}));
}

function used(found) {
  return [
    ["Memory", gauge(found.mem_used, found.mem_limit, format.bytes, {limitLabel: "high watermark", isRaised: found.mem_alarm})],
    ["Disk space free", gauge(found.disk_free, found.disk_free_limit, format.bytes, {isFloor: true, limitLabel: "low watermark", isRaised: found.disk_free_alarm})],
    ["File descriptors", gauge(found.fd_used, found.fd_total, format.number)],
    ["Sockets", gauge(found.sockets_used, found.sockets_total, format.number)],
  ];
}

function described(found) {
  const list = (values) => (values?.length ? values.map((each) => element("div", {}, each)) : null);
  return [
    ["Uptime", format.duration(found.uptime)],
    ["Process", found.os_pid],
    ["Processors", format.number(found.processors)],
    ["Rates", found.rates_mode],
    ["Data directory", found.db_dir || null],
    ["Configuration files", list(found.config_files)],
    ["Logs", list(found.log_files)],
    ["Plugins", list(found.enabled_plugins)],
  ];
}
