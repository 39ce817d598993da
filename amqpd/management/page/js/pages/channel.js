// One channel.

import * as api from "../api.js";
import * as format from "../format.js";
import {element, factRows, facts, section, update} from "../dom.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {consumerColumns, consumerKey} from "../consumer_parts.js";
import {connectionLink, endpoints, stateBadge} from "../parts.js";
import {globalRates} from "../series.js";
import {table} from "../table.js";
import {mode} from "./channels.js";

export const title = ({parameters: [name]}) => name;
export const within = {label: "Channels", href: "#/channels"};

export async function show(page) {
  const [name] = page.parameters;
  const state = element("span");
  const overview = facts([]);
  const rates = chart({title: "Message rates", kind: "rate", series: globalRates()});
  const consumers = table({
    caption: "Consumers on this channel",
    rowKey: consumerKey,
    empty: "Nothing is consumed on this channel.",
    columns: consumerColumns("channel"),
  });
  page.heading.replaceChildren(element("span", {}, endpoints(name)), state);
  page.view.append(
    section("Overview", overview),
    chartsCard("Traffic", [rates], () => repeat.now()),
    section("Consumers", consumers.element),
  );
  const repeat = page.every(null, async (signal) => {
    const channel = await api.get(api.path("channels", name), rangeQuery("msg_rates"), {signal});
    update(state, stateBadge(channel.state));
    update(overview, factRows(described(channel)));
    rates.poll(channel);
    consumers.update(channel.consumer_details ?? []);
  });
}

function described(channel) {
  return [
    ["Connection", channel.connection_details?.name ? connectionLink(channel.connection_details.name) : undefined],
    ["Virtual host", channel.vhost],
    ["User", channel.user],
    ["Mode", mode(channel)],
    ["Consumers", format.number(channel.consumer_count)],
    ["Prefetch, each consumer", channel.prefetch_count ? format.number(channel.prefetch_count) : "no limit"],
    ["Prefetch, all of them", channel.global_prefetch_count ? format.number(channel.global_prefetch_count) : "no limit"],
    ["Messages unacknowledged", format.number(channel.messages_unacknowledged)],
    ["Messages unconfirmed", format.number(channel.messages_unconfirmed)],
    ["Messages uncommitted", format.number(channel.messages_uncommitted)],
    ["Acks uncommitted", format.number(channel.acks_uncommitted)],
    ["Node", channel.node],
  ];
}
