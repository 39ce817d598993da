// Moving the ready messages of a queue elsewhere, where RabbitMQ's page makes a shovel for it.

import * as api from "./api.js";
import * as format from "./format.js";
import {element, folded, notice, update} from "./dom.js";
import {confirmed, field, form} from "./form.js";
import {vhostField} from "./parts.js";

const WAYS = [["queue", "Into a queue"], ["exchange", "Through an exchange"]];

/** A form that moves messages of a queue; ready() is how many there were when it was last asked for. */
export function moveForm({vhost, queue, ready, after}) {
  const told = element("span", {class: "muted", hidden: true});
  const way = field({name: "way", label: "Where to", type: "select", options: WAYS});
  const other = field({name: "to_queue", label: "Queue", required: true});
  const exchange = field({name: "exchange", label: "Exchange", required: true, hint: "The default one is amq.default."});
  const routingKey = field({name: "routing_key", label: "Routing key"});

  function drawWay() {
    const isQueue = way.value() === "queue";
    for (const [each, isShown] of [[other, isQueue], [exchange, !isQueue], [routingKey, !isQueue]]) {
      each.element.hidden = !isShown;
      each.input.disabled = !isShown;
    }
  }
  way.input.addEventListener("change", drawWay);
  drawWay();

  const made = form({
    label: "Move messages",
    submit: "Move messages",
    keep: true,
    more: told,
    fields: [
      way,
      vhostField(vhost),
      other,
      exchange,
      routingKey,
      field({name: "count", label: "How many", type: "number", hint: "All that are ready, unless told.", attributes: {min: 1, step: 1}}),
    ],
    async send(values) {
      told.hidden = true;
      const target = targetOf(values);
      await confirmed({
        title: `Move messages out of ${queue}?`,
        text: explained(target, vhost, ready()),
        action: "Move messages",
        danger: false,
        act: async () => tell(target, await api.post(`${api.path("queues", vhost, queue)}/move`, target)),
      });
      after();
    },
  });

  function tell(target, {moved, stopped}) {
    const text = `${messages(moved)} moved to ${place(target)}.${stopped === undefined ? "" : ` The others stay: ${stopped}.`}`;
    notice(text, stopped === undefined ? "good" : "bad");
    update(told, text);
    told.hidden = false;
  }

  return folded("Move messages", made);
}

function targetOf({way, vhost, to_queue, exchange, routing_key, count}) {
  const where = way === "queue" ? {to_queue} : {exchange, routing_key};
  return {...where, to_vhost: vhost, ...(count === null ? {} : {count})};
}

function place({to_queue, exchange}) {
  return to_queue === undefined ? `exchange “${exchange}”` : `queue “${to_queue}”`;
}

function explained(target, from, ready) {
  const {to_queue, to_vhost, routing_key, count} = target;
  const which = count === undefined ? `All ready messages (${format.number(ready)} now)` : count === 1 ? "The first ready message" : `The first ${format.number(count)} ready messages`;
  const verb = count === 1 ? "goes" : "go";
  const there = `${place(target)}${to_vhost === from ? "" : ` in virtual host “${to_vhost}”`}`;
  const told = to_queue === undefined
    ? [`${which} ${verb}, in order, through ${there} with routing key “${routing_key}”, to wherever that leads.`, "One that leads nowhere, or to a full queue, stays here, and so does what is behind it."]
    : [`${which} ${verb}, in order, to ${there}.`, "If that is full, the others stay here."];
  return [...told, "What is unacknowledged stays, and a time to live begins again."].join(" ");
}

function messages(count) {
  return count === 1 ? "1 message" : `${format.number(count)} messages`;
}
