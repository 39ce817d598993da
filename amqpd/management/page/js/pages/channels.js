// All channels.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {badge, element} from "../dom.js";
import {channelLink, rateColumn, stateBadge} from "../parts.js";
import {listing, vhostColumn} from "../listing.js";

export const title = "Channels";

export async function show(page) {
  const list = listing(page, {
    name: "channels",
    noun: "channel",
    path: () => (session.chosenVhost() === null ? "/channels" : `${api.path("vhosts", session.chosenVhost())}/channels`),
    rowKey: (item) => item.name,
    empty: "No client has opened a channel.",
    needs: ["name"],
    columns: channelColumns(),
  });
  page.view.append(list.element);
}

/** Columns of a table of channels. */
export function channelColumns() {
  const count = (key, heading, group, more = {}) => ({key, title: heading, group, sort: true, number: true, cell: (item) => format.number(item[key]), ...more});
  return [
    {key: "name", title: "Channel", sort: true, fixed: true, cell: (item) => channelLink(item.name)},
    vhostColumn(),
    {key: "user", title: "User", sort: true, group: "Overview"},
    {key: "mode", title: "Mode", group: "Overview", needs: ["confirm", "transactional"], cell: mode},
    {key: "state", title: "State", sort: true, group: "Overview", cell: (item) => stateBadge(item.state)},
    count("messages_unconfirmed", "Unconfirmed", "Messages"),
    count("prefetch_count", "Prefetch", "Messages"),
    count("global_prefetch_count", "Global prefetch", "Messages", {shown: false}),
    count("messages_unacknowledged", "Unacked", "Messages"),
    count("messages_uncommitted", "Uncommitted", "Messages", {shown: false}),
    count("acks_uncommitted", "Acks uncommitted", "Messages", {shown: false}),
    count("consumer_count", "Consumers", "Messages"),
    rateColumn("publish", "Publish"),
    rateColumn("confirm", "Confirm", {shown: false}),
    rateColumn("return_unroutable", "Unroutable (return)", {shown: false}),
    rateColumn("drop_unroutable", "Unroutable (drop)", {shown: false}),
    rateColumn("deliver_get", "Deliver / get"),
    rateColumn("redeliver", "Redelivered", {shown: false}),
    rateColumn("ack", "Ack"),
  ];
}

/** Confirms and transactions. */
export function mode(item) {
  if (item.confirm) return badge("confirms", "", "the publisher is told what the broker has");
  if (item.transactional) return badge("transactions", "", "transactional");
  return element("span", {class: "muted"}, format.NOTHING);
}
