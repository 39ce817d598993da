// All connections.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {badge, element} from "../dom.js";
import {link} from "../router.js";
import {connectionLink, stateBadge} from "../parts.js";
import {listing, vhostColumn} from "../listing.js";

export const title = "Connections";

export async function show(page) {
  const byteRate = (key, heading) => ({
    key: `${key}_rate`,
    title: heading,
    group: "Network",
    number: true,
    sort: `${key}_details.rate`,
    needs: [`${key}_details.rate`],
    cell: (item) => format.byteRate(item[`${key}_details`]?.rate),
  });
  const list = listing(page, {
    name: "connections",
    noun: "connection",
    path: () => (session.chosenVhost() === null ? "/connections" : `${api.path("vhosts", session.chosenVhost())}/connections`),
    rowKey: (item) => item.name,
    empty: "No client is connected.",
    needs: ["name"],
    columns: [
      {
        key: "name",
        title: "Name",
        sort: true,
        fixed: true,
        needs: ["name", "user_provided_name", "client_properties.connection_name"],
        cell: (item) => {
          const given = item.user_provided_name ?? item.client_properties?.connection_name;
          return [connectionLink(item.name), given ? element("div", {class: "muted small"}, given) : null];
        },
      },
      vhostColumn(),
      {key: "user", title: "User", sort: true, group: "Overview", cell: (item) => (session.isAdministrator() && item.user ? element("a", {href: link("users", item.user)}, item.user) : item.user ?? format.NOTHING)},
      {key: "state", title: "State", sort: true, group: "Overview", cell: (item) => stateBadge(item.state)},
      {key: "node", title: "Node", sort: true, group: "Overview", shown: false},
      {key: "ssl", title: "TLS", sort: true, group: "Details", cell: (item) => (item.ssl ? badge("TLS", "good") : "no"), shown: false},
      {key: "protocol", title: "Protocol", sort: true, group: "Details", cell: (item) => element("span", {class: "nowrap"}, item.protocol ?? format.NOTHING)},
      {key: "channels", title: "Channels", sort: true, number: true, group: "Details", cell: (item) => format.number(item.channels)},
      {key: "frame_max", title: "Frame max", sort: true, number: true, group: "Details", cell: (item) => format.number(item.frame_max), shown: false},
      {key: "timeout", title: "Heartbeat", sort: true, number: true, group: "Details", cell: (item) => `${format.number(item.timeout)} s`, shown: false},
      {key: "connected_at", title: "Connected at", sort: true, group: "Details", cell: (item) => format.moment(item.connected_at), shown: false},
      {key: "client", title: "Client", group: "Details", needs: ["client_properties.product", "client_properties.version", "client_properties.platform"], cell: client, shown: false},
      byteRate("recv_oct", "From client"),
      byteRate("send_oct", "To client"),
      {key: "recv_oct", title: "Received", sort: true, number: true, group: "Network", cell: (item) => format.bytes(item.recv_oct), shown: false},
      {key: "send_oct", title: "Sent", sort: true, number: true, group: "Network", cell: (item) => format.bytes(item.send_oct), shown: false},
    ],
  });
  page.view.append(list.element);
}

function client(item) {
  const properties = item.client_properties ?? {};
  return [properties.product, properties.version].filter((each) => typeof each === "string").join(" ") || format.NOTHING;
}
