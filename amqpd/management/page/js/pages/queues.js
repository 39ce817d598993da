// All queues, however many: the API gives a page of them at a time.

import * as api from "../api.js";
import * as format from "../format.js";
import {folded} from "../dom.js";
import {argumentsField, field, form} from "../form.js";
import {features, queueLink, policyLink, rateColumn, stateBadge, vhostField} from "../parts.js";
import {listing, vhostColumn} from "../listing.js";

export const title = "Queues";

const CLASSIC = ["classic"];
const DEAD_LETTERING = ["classic", "quorum"];
const ANY = ["classic", "quorum", "stream"];

/** Arguments as RabbitMQ's form offers them: key, label, type, which queue types have it, what it means. */
export const ARGUMENTS = [
  ["x-expires", "Auto expire", "number", DEAD_LETTERING, "ms without use after which the queue is deleted"],
  ["x-message-ttl", "Message TTL", "number", DEAD_LETTERING, "ms that a message lives in the queue"],
  ["x-overflow", "Overflow behaviour", "string", DEAD_LETTERING, "drop-head, reject-publish or reject-publish-dlx"],
  ["x-single-active-consumer", "Single active consumer", "boolean", DEAD_LETTERING, "one consumer at a time; another takes over"],
  ["x-dead-letter-exchange", "Dead letter exchange", "string", DEAD_LETTERING, "gets what is rejected, expires or does not fit"],
  ["x-dead-letter-routing-key", "Dead letter routing key", "string", DEAD_LETTERING, "instead of the message's own"],
  ["x-max-length", "Max length", "number", DEAD_LETTERING, "ready messages, at most"],
  ["x-max-length-bytes", "Max length bytes", "number", ANY, "size of all bodies, at most"],
  ["x-max-priority", "Maximum priority", "number", CLASSIC, "priorities 0 to this one, at most 255"],
  ["x-queue-mode", "Lazy mode", "string", CLASSIC, "lazy or default", "lazy"],
  ["x-queue-version", "Version", "number", CLASSIC, "1 or 2"],
  ["x-delivery-limit", "Delivery limit", "number", ["quorum"], "deliveries after which a message is dropped or dead-lettered"],
  ["x-dead-letter-strategy", "Dead letter strategy", "string", ["quorum"], "at-most-once or at-least-once"],
  ["x-quorum-initial-group-size", "Initial group size", "number", ["quorum"], "members of the queue"],
  ["x-max-age", "Max time retention", "string", ["stream"], "such as 7D: Y, M, D, h, m, s"],
  ["x-stream-max-segment-size-bytes", "Max segment size bytes", "number", ["stream"], "of one file of the stream"],
  ["x-queue-leader-locator", "Leader locator", "string", ["quorum", "stream"], "client-local or balanced"],
];

export async function show(page) {
  const list = listing(page, {
    name: "queues",
    noun: "queue",
    path: () => api.listPath("queues"),
    rowKey: (item) => JSON.stringify([item.vhost, item.name]),
    needs: ["name", "vhost"],
    columns: columns(),
  });
  page.view.append(list.element, folded("Add queue", addForm(list.refresh)));
}

function columns() {
  const count = (key, heading, group, more = {}) => ({key, title: heading, group, sort: true, number: true, cell: (item) => format.number(item[key]), ...more});
  const size = (key, heading, group, more = {}) => count(key, heading, group, {cell: (item) => format.bytes(item[key]), ...more});
  return [
    {key: "name", title: "Name", sort: true, fixed: true, needs: ["name", "vhost"], cell: (item) => queueLink(item.vhost, item.name)},
    vhostColumn(),
    {key: "type", title: "Type", sort: true, group: "Overview"},
    {key: "features", title: "Features", group: "Overview", needs: ["durable", "auto_delete", "exclusive", "arguments"], cell: features},
    {key: "policy", title: "Policy", sort: true, group: "Overview", cell: (item) => policyLink(item.vhost, item.policy), shown: false},
    count("consumers", "Consumers", "Overview", {shown: false}),
    {key: "consumer_utilisation", title: "Consumer utilisation", label: "Consumer utilisation", sort: true, number: true, group: "Overview", cell: (item) => format.percent(item.consumer_utilisation), shown: false},
    {key: "state", title: "State", sort: true, group: "Overview", cell: (item) => stateBadge(item.state)},
    {key: "node", title: "Node", sort: true, group: "Overview", shown: false},
    count("messages_ready", "Ready", "Messages"),
    count("messages_unacknowledged", "Unacked", "Messages"),
    count("messages", "Total", "Messages"),
    count("messages_ram", "In memory", "Messages", {shown: false}),
    count("messages_persistent", "Persistent", "Messages", {shown: false}),
    size("message_bytes", "Total bytes", "Message bytes", {shown: false}),
    size("message_bytes_ready", "Ready bytes", "Message bytes", {shown: false}),
    size("message_bytes_unacknowledged", "Unacked bytes", "Message bytes", {shown: false}),
    size("message_bytes_ram", "Bytes in memory", "Message bytes", {shown: false}),
    size("message_bytes_persistent", "Persistent bytes", "Message bytes", {shown: false}),
    size("memory", "Memory", "Message bytes", {shown: false}),
    rateColumn("publish", "Incoming"),
    rateColumn("deliver_get", "Deliver / get"),
    rateColumn("redeliver", "Redelivered", {shown: false}),
    rateColumn("ack", "Ack"),
  ];
}

function addForm(refresh) {
  const type = field({name: "type", label: "Type", type: "select", options: [["classic", "Classic"], ["quorum", "Quorum"], ["stream", "Stream"]], value: "classic"});
  const durable = field({name: "durable", label: "Durability", type: "select", options: [["true", "Durable"], ["false", "Transient"]]});
  const autoDelete = field({name: "auto_delete", label: "Auto-delete", type: "checkbox", hint: "Goes with its last consumer."});
  const table = argumentsField({});
  const adapt = () => {
    const isClassic = type.value() === "classic";
    table.suggest(ARGUMENTS.filter(([, , , types]) => types.includes(type.value())).map(([key, label, kind, , hint, value]) => ({key, label, type: kind, hint, value})));
    for (const each of [durable, autoDelete]) {
      each.input.disabled = !isClassic;
      if (!isClassic) each.reset();
    }
  };
  type.input.addEventListener("change", adapt);
  adapt();
  return form({
    label: "Add queue",
    submit: "Add queue",
    done: ({name}) => `Queue ${name} is there.`,
    fields: [vhostField(), type, field({name: "name", label: "Name", required: true}), durable, autoDelete, table],
    async send({vhost, type: kind, name, durable: isDurable, auto_delete, arguments: given}) {
      await api.put(api.path("queues", vhost, name), {
        durable: isDurable === "true",
        auto_delete,
        arguments: kind === "classic" ? given : {...given, "x-queue-type": kind},
      });
      refresh();
      queueMicrotask(adapt);
    },
  });
}
