// What several pages show: features, publishing, bindings, consumers, messages.

import * as api from "./api.js";
import * as format from "./format.js";
import * as session from "./session.js";
import {badge, button, element, emptyState, folded, notice} from "./dom.js";
import {argumentsField, confirmed, field, form, FieldError} from "./form.js";
import {link} from "./router.js";

/** How an exchange is called where people read: the default one has no name. */
export function exchangeLabel(name) {
  return name === "" ? "(default)" : name;
}

/** A link to an exchange. */
export function exchangeLink(vhost, name) {
  return element("a", {class: "name", href: link("exchanges", vhost, api.exchangeName(name))}, exchangeLabel(name));
}

/** A link to a queue. */
export function queueLink(vhost, name) {
  return element("a", {class: "name", href: link("queues", vhost, name)}, name);
}

/** The name of a connection or a channel, such as 127.0.0.1:50100 -> 127.0.0.1:5672; its arrow is never broken in two. */
export function endpoints(name) {
  return name.split(" -> ").map((each, at) => (at === 0 ? each : [" ", element("span", {class: "nowrap"}, "->"), ` ${each}`]));
}

/** A link to a connection. */
export function connectionLink(name) {
  return element("a", {class: "name", href: link("connections", name)}, endpoints(name));
}

/** A link to a channel. */
export function channelLink(name, label = endpoints(name)) {
  return element("a", {class: "name", href: link("channels", name)}, label);
}

/** "running" and other states as a badge. */
export function stateBadge(state) {
  if (state === undefined) return format.NOTHING;
  const kind = {running: "good", flow: "warn", blocked: "bad", blocking: "warn", closing: "warn", down: "bad", crashed: "bad", stopped: "bad"}[state] ?? "";
  return badge(state, kind);
}

const SHORT = {
  "x-message-ttl": "TTL",
  "x-expires": "Exp",
  "x-max-length": "Lim",
  "x-max-length-bytes": "Lim B",
  "x-delivery-limit": "DlL",
  "x-overflow": "Ovfl",
  "x-dead-letter-exchange": "DLX",
  "x-dead-letter-routing-key": "DLK",
  "x-max-priority": "Pri",
  "x-single-active-consumer": "SAC",
  "x-queue-mode": "Mode",
  "alternate-exchange": "AE",
};

/** Features of a queue or an exchange as small badges, as RabbitMQ abbreviates them. */
export function features(item) {
  const shown = [];
  if (item.durable) shown.push(badge("D", "", "durable: true"));
  if (item.auto_delete) shown.push(badge("AD", "", "auto-delete: true"));
  if (item.exclusive) shown.push(badge("Excl", "", "exclusive: true"));
  if (item.internal) shown.push(badge("I", "", "internal: true"));
  const more = [];
  for (const [key, value] of Object.entries(argumentsOf(item))) {
    if (key === "x-queue-type") continue;
    if (SHORT[key]) shown.push(badge(SHORT[key], "", `${key}: ${format.value(value)}`));
    else more.push(`${key}: ${format.value(value)}`);
  }
  if (more.length > 0) shown.push(badge("Args", "", more.join("\n")));
  return shown.length === 0 ? "" : element("span", {class: "badges"}, shown);
}

/** The arguments of an item: an object, as the API gives an empty list for an empty table sometimes. */
export function argumentsOf(item) {
  const found = item?.arguments;
  return found && !Array.isArray(found) ? found : {};
}

/** A table of AMQP, however deep, to be read. */
export function tableOf(value) {
  const entries = Object.entries(value && !Array.isArray(value) ? value : {});
  if (entries.length === 0) return element("span", {class: "muted"}, "none");
  return element(
    "dl",
    {class: "pairs"},
    entries.map(([key, each]) => element(
      "div",
      {},
      element("dt", {}, key),
      element("dd", {}, each !== null && typeof each === "object" && !Array.isArray(each) ? tableOf(each) : format.value(each)),
    )),
  );
}

/** A choice of the virtual host that something is made in; first is the one that is looked at, unless another is told. */
export function vhostField(first = session.chosenVhost()) {
  const known = session.knownVhosts();
  const names = first === null || known.includes(first) ? known : [first, ...known];
  const chosen = first ?? (names.includes("/") ? "/" : names[0]);
  const made = field({name: "vhost", label: "Virtual host", type: "select", options: names.map((name, at) => [String(at), name]), value: String(Math.max(0, names.indexOf(chosen)))});
  return {...made, value: () => names[Number(made.input.value)]};
}

/** A statistic's rate column for listings: rateColumn("publish", "Incoming", "Message rates"). */
export function rateColumn(key, title, more = {}) {
  return {
    key: `rate_${key}`,
    title,
    group: "Message rates",
    number: true,
    sort: `message_stats.${key}_details.rate`,
    needs: [`message_stats.${key}_details.rate`],
    cell: (item) => rateOf(item, key),
    ...more,
  };
}

function rateOf(item, key) {
  const details = item.message_stats?.[`${key}_details`];
  return details === undefined ? "" : format.rate(details.rate);
}

// Publishing

const PROPERTIES = [
  ["content_type", "content_type", "string"],
  ["content_encoding", "content_encoding", "string"],
  ["priority", "priority", "number"],
  ["correlation_id", "correlation_id", "string"],
  ["reply_to", "reply_to", "string"],
  ["expiration", "expiration", "string", "ms, as text"],
  ["message_id", "message_id", "string"],
  ["timestamp", "timestamp", "number", "seconds since 1970"],
  ["type", "type", "string"],
  ["user_id", "user_id", "string"],
  ["app_id", "app_id", "string"],
  ["cluster_id", "cluster_id", "string"],
];

/** A form that publishes to an exchange; for a queue, to the default one with its name. */
export function publishForm({vhost, exchange, queue = null, after = () => {}}) {
  const made = form({
    label: "Publish a message",
    submit: "Publish message",
    keep: true,
    fields: [
      queue === null ? field({name: "routing_key", label: "Routing key"}) : element("p", {class: "field wide muted"}, `Through the default exchange, with the routing key ${queue}.`),
      field({name: "delivery_mode", label: "Delivery mode", type: "select", options: [["1", "1: not persistent"], ["2", "2: persistent"]], value: "2"}),
      field({name: "payload_encoding", label: "Payload is", type: "select", options: [["string", "text"], ["base64", "Base64"]]}),
      argumentsField({name: "headers", label: "Headers"}),
      argumentsField({name: "properties", label: "Properties", suggestions: PROPERTIES.map(([key, label, type, hint]) => ({key, label, type, hint}))}),
      field({name: "payload", label: "Payload", type: "textarea", wide: true, attributes: {rows: 5}}),
    ],
    async send({routing_key, delivery_mode, headers, properties, payload, payload_encoding}) {
      const known = PROPERTIES.map(([key]) => key);
      const unknown = Object.keys(properties).find((key) => !known.includes(key));
      if (unknown !== undefined) throw new FieldError(`There is no property ${unknown}; did you mean a header?`);
      const answer = await api.post(`${api.path("exchanges", vhost, api.exchangeName(exchange))}/publish`, {
        routing_key: queue ?? routing_key,
        properties: {delivery_mode: Number(delivery_mode), ...(Object.keys(headers).length > 0 ? {headers} : {}), ...properties},
        payload,
        payload_encoding,
      });
      if (answer.routed) notice("Message published.");
      else notice("Message published, but not routed: no queue wanted it.", "bad");
      after();
    },
  });
  return folded("Publish message", made);
}

// Bindings

/** Delete a binding after a question. */
export function unbind(vhost, binding, after) {
  const kind = binding.destination_type === "queue" ? "q" : "e";
  return confirmed({
    title: "Delete binding?",
    text: `${exchangeLabel(binding.source)} no longer routes to ${binding.destination_type} ${exchangeLabel(binding.destination)} by “${binding.routing_key}”.`,
    action: "Unbind",
    act: () => api.remove(api.path("bindings", vhost, "e", api.exchangeName(binding.source), kind, binding.destination, binding.properties_key)),
  }).then((isDone) => isDone && after());
}

/** Columns of a table of bindings; side is the end to show, "source" or "destination". */
export function bindingColumns(vhost, side, after) {
  return [
    side === "source"
      ? {key: "source", title: "From", cell: (binding) => (binding.source === "" ? "(default)" : exchangeLink(vhost, binding.source))}
      : {key: "destination", title: "To", cell: (binding) => (binding.destination_type === "queue" ? queueLink(vhost, binding.destination) : exchangeLink(vhost, binding.destination))},
    ...(side === "destination" ? [{key: "destination_type", title: "Type"}] : []),
    {key: "routing_key", title: "Routing key", cell: (binding) => element("code", {}, binding.routing_key)},
    {key: "arguments", title: "Arguments", cell: (binding) => (Object.keys(argumentsOf(binding)).length ? tableOf(argumentsOf(binding)) : "")},
    {key: "unbind", title: "Action", cell: (binding) => (binding.source === "" ? "" : button("Unbind", () => unbind(vhost, binding, after), {class: "small"}))},
  ];
}

/** What makes a binding that binding. */
export function bindingKey(binding) {
  return JSON.stringify([binding.source, binding.destination_type, binding.destination, binding.properties_key]);
}

/** A form that binds: end is {queue} or {exchange}. */
export function bindForm({vhost, queue = null, exchange = null, after}) {
  const made = form({
    label: "Add a binding",
    submit: "Bind",
    done: "Binding added.",
    fields: [
      queue === null
        ? field({name: "kind", label: "Binding", type: "select", options: [["q", "to queue"], ["e", "to exchange"], ["from", "from exchange"]]})
        : null,
      field({name: "other", label: queue === null ? "Name" : "From exchange", required: true}),
      field({name: "routing_key", label: "Routing key"}),
      argumentsField({}),
    ].filter(Boolean),
    async send({kind, other, routing_key, arguments: table}) {
      const where = queue !== null
        ? api.path("bindings", vhost, "e", other, "q", queue)
        : kind === "from"
          ? api.path("bindings", vhost, "e", other, "e", exchange)
          : api.path("bindings", vhost, "e", api.exchangeName(exchange), kind, other);
      await api.post(where, {routing_key, arguments: table});
      after();
    },
  });
  return element("div", {class: "below"}, element("h3", {}, queue === null ? "Add a binding" : "Bind this queue to an exchange"), made);
}

// Consumers

/** Columns of a table of consumers: of a queue's, or of a channel's. */
export function consumerColumns(of) {
  return [
    of === "queue"
      ? {key: "channel", title: "Channel", cell: ({channel_details: channel}) => (channel?.name ? channelLink(channel.name) : format.NOTHING)}
      : {key: "queue", title: "Queue", cell: ({queue}) => queueLink(queue.vhost, queue.name)},
    {key: "consumer_tag", title: "Consumer tag", cell: (consumer) => element("code", {}, consumer.consumer_tag)},
    {key: "ack_required", title: "Ack", cell: (consumer) => (consumer.ack_required ? "manual" : "automatic")},
    {key: "exclusive", title: "Exclusive", cell: (consumer) => (consumer.exclusive ? "yes" : "no")},
    {key: "prefetch_count", title: "Prefetch", number: true, cell: (consumer) => format.number(consumer.prefetch_count)},
    {key: "active", title: "Active", cell: (consumer) => badge((consumer.activity_status ?? (consumer.active ? "up" : "waiting")).replaceAll("_", " "), consumer.active === false ? "" : "good")},
    {key: "arguments", title: "Arguments", cell: (consumer) => (Object.keys(argumentsOf(consumer)).length ? tableOf(argumentsOf(consumer)) : "")},
  ];
}

/** What makes a consumer that consumer. */
export function consumerKey(consumer) {
  return JSON.stringify([consumer.channel_details?.name, consumer.consumer_tag, consumer.queue]);
}

// Messages

const ACKMODES = [
  ["ack_requeue_true", "Look, and put it back"],
  ["reject_requeue_true", "Reject, and put it back"],
  ["ack_requeue_false", "Take it out (acknowledge)"],
  ["reject_requeue_false", "Reject (dead-letter or drop)"],
];

/** A form that gets messages of a queue, and shows them. */
export function getForm({vhost, queue, after = () => {}}) {
  const got = element("div", {"aria-live": "polite"});
  const made = form({
    label: "Get messages",
    submit: "Get messages",
    keep: true,
    fields: [
      field({name: "ackmode", label: "What happens to them", type: "select", options: ACKMODES, hint: "Getting is what a consumer does: a message put back is marked as redelivered."}),
      field({name: "encoding", label: "Payload as", type: "select", options: [["auto", "text, or else Base64"], ["base64", "Base64"]]}),
      field({name: "count", label: "How many", type: "number", value: 1, attributes: {min: 1, step: 1}}),
    ],
    async send({ackmode, encoding, count}) {
      const messages = await api.post(`${api.path("queues", vhost, queue)}/get`, {ackmode, encoding, count: count ?? 1, truncate: 50000});
      got.replaceChildren(...(messages.length === 0 ? [emptyState("The queue is empty.")] : messages.map(messageShown)));
      after();
    },
  });
  return folded("Get messages", made, got);
}

/** A message as POST …/get gives it. */
export function messageShown(message, at) {
  const {headers, ...properties} = message.properties && !Array.isArray(message.properties) ? message.properties : {};
  return element(
    "article",
    {class: "message", "aria-label": `Message ${at + 1}`},
    element(
      "div",
      {class: "message-head"},
      element("b", {}, `Message ${at + 1}`),
      element("span", {}, "from ", element("b", {}, exchangeLabel(message.exchange))),
      element("span", {}, "routing key ", element("code", {}, message.routing_key)),
      message.redelivered ? badge("redelivered", "warn") : null,
      element("span", {class: "spacer"}),
      element("span", {class: "muted"}, `${format.bytes(message.payload_bytes)}, ${message.payload_encoding}`),
      message.message_count === undefined ? null : element("span", {class: "muted"}, `${format.number(message.message_count)} left behind it`),
    ),
    element(
      "div",
      {class: "message-body"},
      Object.keys(properties).length > 0 ? element("div", {}, element("h3", {}, "Properties"), tableOf(properties)) : null,
      headers && Object.keys(headers).length > 0 ? element("div", {}, element("h3", {}, "Headers"), tableOf(headers)) : null,
      element("pre", {class: "payload", tabindex: 0, role: "group", "aria-label": "Payload"}, message.payload),
    ),
  );
}
