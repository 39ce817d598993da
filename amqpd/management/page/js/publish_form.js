// Publishing a message by hand, for the pages of exchanges and queues.

import * as api from "./api.js";
import {element, folded, notice} from "./dom.js";
import {FieldError, argumentsField, field, form} from "./form.js";

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
