// One connection.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {badge, button, element, factRows, facts, section, update} from "../dom.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {confirmed, field} from "../form.js";
import {go, link} from "../router.js";
import {channelLink, endpoints, stateBadge, tableOf} from "../parts.js";
import {BYTES} from "../series.js";
import {table} from "../table.js";
import {channelColumns} from "./channels.js";

export const title = ({parameters: [name]}) => name;
export const within = {label: "Connections", href: "#/connections"};

export async function show(page) {
  const [name] = page.parameters;
  const where = api.path("connections", name);
  const state = element("span");
  const overview = facts([]);
  const properties = element("div");
  const bytes = chart({title: "Data rates", kind: "rate", unit: format.byteRate, series: BYTES});
  const channels = table({
    caption: "Channels of this connection",
    rowKey: (item) => item.name,
    empty: "There are no channels.",
    columns: [
      {key: "number", title: "Channel", sort: true, cell: (item) => channelLink(item.name, `Channel ${item.number}`)},
      ...channelColumns().filter((each) => !["name", "vhost", "user"].includes(each.key) && each.shown !== false),
    ],
    order: {sort: "number", reverse: false},
  });
  page.heading.replaceChildren(element("span", {}, endpoints(name)), state);
  page.view.append(
    section("Overview", overview),
    chartsCard("Traffic", [bytes], () => repeat.now()),
    section("Channels", channels.element),
    section("Client properties", properties),
    section(
      "Close this connection",
      element("p", {class: "muted"}, "The client is told why, and may well connect again."),
      button("Force close", () => close(where, name), {class: "danger"}),
    ),
  );
  const repeat = page.every(null, async (signal) => {
    const [connection, found] = await Promise.all([
      api.get(where, rangeQuery("data_rates"), {signal}),
      api.get(`${where}/channels`, {}, {signal}),
    ]);
    update(state, stateBadge(connection.state));
    update(overview, factRows(described(connection)));
    update(properties, tableOf(connection.client_properties));
    bytes.poll(connection);
    channels.update(found);
  });
}

function described(connection) {
  return [
    ["Virtual host", connection.vhost],
    ["User", session.isAdministrator() && connection.user ? element("a", {href: link("users", connection.user)}, connection.user) : connection.user],
    ["Name given by the client", connection.user_provided_name],
    ["Protocol", connection.protocol],
    ["Client", `${connection.peer_host}:${connection.peer_port}`],
    ["Listener", `${connection.host}:${connection.port}`],
    ["Encryption", connection.ssl ? encryption(connection) : "none"],
    ["Certificate of the client", connection.peer_cert_subject ?? undefined],
    ["Issued by", connection.peer_cert_issuer ?? undefined],
    ["Valid", connection.peer_cert_validity ?? undefined],
    ["Authentication", connection.auth_mechanism],
    ["Connected at", format.moment(connection.connected_at)],
    ["Heartbeat", connection.timeout ? `${connection.timeout} s` : "off"],
    ["Frame size, at most", format.bytes(connection.frame_max)],
    ["Channels", `${format.number(connection.channels)} of ${connection.channel_max ? format.number(connection.channel_max) : "any number"}`],
    ["Received", format.bytes(connection.recv_oct)],
    ["Sent", format.bytes(connection.send_oct)],
    ["Waiting to be sent", format.bytes(connection.send_pend)],
    ["Node", connection.node],
  ];
}

function encryption({ssl_protocol, ssl_key_exchange, ssl_cipher, ssl_hash}) {
  const suite = [ssl_key_exchange, ssl_cipher, ssl_hash].filter(Boolean).join(", ");
  return element("span", {}, badge(ssl_protocol ?? "TLS", "good"), ` ${suite}`);
}

async function close(where, name) {
  const isDone = await confirmed({
    title: "Close connection?",
    text: `${name} is closed, with all of its channels; what they have not acknowledged is delivered again.`,
    action: "Force close",
    fields: [field({name: "reason", label: "Reason", value: "Closed via management plugin", wide: true})],
    // A header carries Latin-1 only.
    act: ({reason}) => api.remove(where, {headers: reason ? {"x-reason": reason.replaceAll(/[^\x20-\xff]/g, "?")} : {}}),
  });
  if (isDone) go("#/connections");
}
