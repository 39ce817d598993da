// Bindings as the pages of exchanges and queues have them: tables of them, making and deleting one.

import * as api from "./api.js";
import {button, element} from "./dom.js";
import {argumentsField, confirmed, field, form} from "./form.js";
import {argumentsOf, exchangeLabel, exchangeLink, queueLink, tableOf} from "./parts.js";

/** Delete a binding after a question. */
function unbind(vhost, binding, after) {
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
