// Virtual hosts: which there are, how they do, and making more.

import * as api from "../api.js";
import * as format from "../format.js";
import {badge, element, fill, folded} from "../dom.js";
import {field, form} from "../form.js";
import {QUEUE_TYPES, tagsField} from "../admin_fields.js";
import {explaining} from "../reasons.js";
import {link} from "../router.js";
import {listing} from "../listing.js";

export const title = "Virtual hosts";

const rate = (vhost, key) => vhost.message_stats?.[`${key}_details`]?.rate;

export async function show(page) {
  const list = listing(page, {
    name: "vhosts",
    noun: "virtual host",
    all: (signal) => api.get("/vhosts", {}, {signal}),
    rowKey: (vhost) => vhost.name,
    sort: {sort: "name", reverse: false},
    columns: [
      {key: "name", title: "Name", sort: true, fixed: true, group: "Overview", cell: (vhost) => element("a", {href: link("vhosts", vhost.name), class: "name"}, vhost.name)},
      {key: "description", title: "Description", sort: true, group: "Overview"},
      {key: "tags", title: "Tags", shown: false, group: "Overview", cell: (vhost) => element("span", {class: "badges"}, (vhost.tags ?? []).map((tag) => badge(tag)))},
      {key: "default_queue_type", title: "Default queue type", group: "Overview", cell: (vhost) => typeText(vhost.default_queue_type)},
      {key: "state", title: "State", group: "Overview", cell: stateShown},
      {key: "tracing", title: "Tracing", group: "Overview", cell: (vhost) => (vhost.tracing ? badge("on", "warn") : "off")},
      {key: "messages_ready", title: "Ready", number: true, sort: true, group: "Messages", cell: (vhost) => format.number(vhost.messages_ready ?? 0)},
      {key: "messages_unacknowledged", title: "Unacked", number: true, sort: true, group: "Messages", cell: (vhost) => format.number(vhost.messages_unacknowledged ?? 0)},
      {key: "messages", title: "Total", number: true, sort: true, group: "Messages", cell: (vhost) => format.number(vhost.messages ?? 0)},
      {key: "recv_oct", title: "From clients", number: true, shown: false, group: "Network", cell: (vhost) => format.byteRate(vhost.recv_oct_details?.rate ?? 0)},
      {key: "send_oct", title: "To clients", number: true, shown: false, group: "Network", cell: (vhost) => format.byteRate(vhost.send_oct_details?.rate ?? 0)},
      {key: "publish", title: "Publish", number: true, group: "Rates", cell: (vhost) => format.rate(rate(vhost, "publish") ?? 0)},
      {key: "deliver_get", title: "Deliver / get", number: true, group: "Rates", cell: (vhost) => format.rate(rate(vhost, "deliver_get") ?? 0)},
    ],
    empty: "There is no virtual host.",
  });
  fill(page.view, list.element, folded("Add a virtual host", addForm(list)));
}

export function typeText(type) {
  return !type || type === "undefined" ? element("span", {class: "muted"}, "classic") : type;
}

export function stateShown(vhost) {
  const states = Object.values(vhost.cluster_state ?? {});
  return states.map((state) => badge(state, state === "running" ? "good" : "bad"));
}

function addForm(list) {
  return form({
    label: "Add a virtual host",
    fields: [
      field({name: "name", label: "Name", required: true}),
      field({name: "description", label: "Description"}),
      tagsField({suggestions: []}),
      field({name: "type", label: "Default queue type", type: "select", options: QUEUE_TYPES, hint: "Of queues that are declared without a type."}),
    ],
    submit: "Add virtual host",
    send: explaining(async ({name, description, tags, type}) => {
      const known = await api.get("/vhosts", {columns: "name", disable_stats: true});
      if (known.some((vhost) => vhost.name === name)) throw new api.ApiError(409, "", `There is a virtual host ${name} already.`);
      await api.put(api.path("vhosts", name), {description, tags, ...(type ? {default_queue_type: type} : {})});
      await api.refreshVhosts();
      list.refresh();
    }),
    done: ({name}) => `Virtual host ${name} is there, and you may do everything in it.`,
  });
}
