// One queue: how long it is, who consumes it, what is in it.

import * as api from "../api.js";
import * as format from "../format.js";
import {badge, button, element, factRows, facts, notice, section, update} from "../dom.js";
import {bindForm, bindingColumns, bindingKey} from "../binding_parts.js";
import {chart, chartsCard, rangeQuery} from "../chart.js";
import {consumerColumns, consumerKey} from "../consumer_parts.js";
import {confirmed, field} from "../form.js";
import {getForm} from "../get_form.js";
import {moveForm} from "../move_form.js";
import {go, link} from "../router.js";
import {argumentsOf, connectionLink, features, policyLink, stateBadge, tableOf} from "../parts.js";
import {publishForm} from "../publish_form.js";
import {lengths, queueRates} from "../series.js";
import {table} from "../table.js";

export const title = ({parameters: [, name]}) => name;
export const within = {label: "Queues", href: "#/queues"};

export async function show(page) {
  const [vhost, name] = page.parameters;
  const where = api.path("queues", vhost, name);
  const badges = element("span", {class: "badges"});
  const overview = facts([]);
  const contents = element("div");
  const length = chart({title: "Queued messages", kind: "length", series: lengths((queue) => queue)});
  const rates = chart({title: "Message rates", kind: "rate", series: queueRates()});
  page.heading.append(badges);
  const after = () => repeat.now();
  let ready = 0;
  const moving = moveForm({vhost, queue: name, ready: () => ready, after});
  moving.hidden = true;
  const consumers = table({caption: "Consumers of this queue", rowKey: consumerKey, empty: "Nobody consumes this queue.", columns: consumerColumns("queue")});
  const bindings = table({caption: "Bindings of this queue", rowKey: bindingKey, empty: "It is bound to no exchange.", columns: bindingColumns(vhost, "source", after)});

  page.view.append(
    chartsCard("Overview", [length, rates], after),
    element("div", {class: "columns"}, section("Details", overview), section("Messages", contents, element(
      "div",
      {class: "actions below"},
      element("a", {class: "button", href: link("queues", vhost, name, "messages")}, "Look at messages"),
      button("Purge messages", () => purge(where, name, after), {class: "danger"}),
    ))),
    section("Consumers", consumers.element),
    section("Bindings", bindings.element, bindForm({vhost, queue: name, after})),
    publishForm({vhost, exchange: "", queue: name, after}),
    getForm({vhost, queue: name, after}),
    moving,
    section(
      "Delete this queue",
      element("p", {class: "muted"}, "Its messages and bindings go with it."),
      button("Delete queue", () => remove(where, name), {class: "danger"}),
    ),
  );
  const repeat = page.every(null, load);

  async function load(signal) {
    const [queue, bound] = await Promise.all([
      api.get(where, rangeQuery("lengths", "msg_rates"), {signal}),
      api.get(`${where}/bindings`, {}, {signal}),
    ]);
    update(badges, badge(queue.type), stateBadge(queue.state));
    length.poll(queue);
    rates.poll(queue);
    update(overview, factRows(described(queue)));
    update(contents, messageTable(queue));
    ready = queue.messages_ready ?? 0;
    moving.hidden = queue.type === "stream";
    consumers.update(queue.consumer_details ?? []);
    bindings.update(bound);
  }
}

function described(queue) {
  const definition = queue.effective_policy_definition;
  return [
    ["Virtual host", queue.vhost],
    ["Features", features(queue)],
    ["Policy", policyLink(queue.vhost, queue.policy)],
    ["Operator policy", policyLink(queue.vhost, queue.operator_policy, "operator-policies")],
    ["Effective policy definition", definition && Object.keys(definition).length > 0 ? tableOf(definition) : null],
    ["Arguments", tableOf(argumentsOf(queue))],
    ["Exclusive to", queue.owner_pid_details?.name ? connectionLink(queue.owner_pid_details.name) : undefined],
    ["Consumers", format.number(queue.consumers)],
    ["Consumer utilisation", queue.consumers ? format.percent(queue.consumer_utilisation) : undefined],
    ["Single active consumer", queue.single_active_consumer_tag || queue.single_active_consumer_ctag || undefined],
    ["Idle since", queue.idle_since === undefined ? undefined : format.moment(queue.idle_since)],
    ["Members", queue.members?.join(", ")],
    ["Leader", queue.leader],
    ["Node", queue.node],
    ["Memory", format.bytes(queue.memory)],
  ];
}

function messageTable(queue) {
  const rows = [
    ["Ready", queue.messages_ready, queue.message_bytes_ready],
    ["Unacknowledged", queue.messages_unacknowledged, queue.message_bytes_unacknowledged],
    ["In memory", queue.messages_ram, queue.message_bytes_ram],
    ["Persistent", queue.messages_persistent, queue.message_bytes_persistent],
    ["Dead-lettered, not confirmed", queue.messages_dlx, queue.message_bytes_dlx],
    ["Total", queue.messages, queue.message_bytes],
  ].filter(([, count]) => count !== undefined);
  return element(
    "div",
    {class: "table-scroll", tabindex: 0, role: "group", "aria-label": "Messages in this queue"},
    element(
      "table",
      {},
      element("caption", {class: "visually-hidden"}, "Messages in this queue"),
      element("thead", {}, element("tr", {}, ["Which", "Messages", "Size"].map((each, at) => element("th", {scope: "col", class: at > 0 ? "number" : null}, each)))),
      element("tbody", {}, rows.map(([label, count, bytes]) => element(
        "tr",
        {},
        element("td", {}, label),
        element("td", {class: "number", "data-messages": label}, format.number(count)),
        element("td", {class: "number"}, format.bytes(bytes)),
      ))),
    ),
  );
}

async function purge(where, name, after) {
  const isDone = await confirmed({
    title: `Purge queue ${name}?`,
    text: "All ready messages are lost; those that consumers have stay with them.",
    action: "Purge messages",
    act: () => api.remove(`${where}/contents`),
  });
  if (!isDone) return;
  notice("Queue purged.");
  after();
}

async function remove(where, name) {
  const isDone = await confirmed({
    title: `Delete queue ${name}?`,
    text: "Its messages are lost, and its consumers cancelled.",
    action: "Delete queue",
    fields: [
      field({name: "isEmpty", label: "Only if it is empty", type: "checkbox"}),
      field({name: "isUnused", label: "Only if nobody consumes it", type: "checkbox"}),
    ],
    act: ({isEmpty, isUnused}) => api.remove(where, {query: {"if-empty": isEmpty ? "true" : null, "if-unused": isUnused ? "true" : null}}),
  });
  if (isDone) go("#/queues");
}
