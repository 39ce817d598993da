// Getting messages of a queue, as a consumer does.

import * as api from "./api.js";
import * as format from "./format.js";
import {badge, element, emptyState, folded} from "./dom.js";
import {field, form} from "./form.js";
import {exchangeLabel, tableOf} from "./parts.js";

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
function messageShown(message, at) {
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
