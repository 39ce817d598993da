// What is written in the picture of what leads where, and how much of it fits.

import * as format from "./format.js";
import {linkText} from "./binding_graph.js";

const TITLE_LINES = 20;

/** A function (text, size, isBold) that says how wide a text is in this page's font, without touching the page. */
export function measurer() {
  const context = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  return (text, size, isBold = false) => {
    context.font = `${isBold ? "600 " : ""}${size}px ${family}`;
    return context.measureText(text).width;
  };
}

/** As much of a text as fits, with an ellipsis for the rest. */
export function shortened(measure, text, size, width, isBold = false) {
  if (measure(text, size, isBold) <= width) return text;
  const letters = Array.from(text);
  let [fits, tooMany] = [0, letters.length];
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (measure(`${letters.slice(0, middle).join("")}…`, size, isBold) <= width) fits = middle;
    else tooMany = middle;
  }
  return `${letters.slice(0, fits).join("")}…`;
}

/** What a node is called. */
export function nameText(node) {
  if (node.kind === "group") return format.counted(node.members.length, "queue");
  return node.name || "(default exchange)";
}

/** What else is known of it: the type of an exchange, how many messages a queue has. */
export function smallText(node) {
  if (node.isMissing) return "does not exist";
  if (node.kind === "exchange") return node.internal ? `${node.type}, internal` : node.type;
  const queues = node.kind === "group" ? node.members.map((member) => member.queue) : [node.queue];
  const sum = (key) => queues.reduce((total, queue) => total + (queue[key] ?? 0), 0);
  const unacked = sum("messages_unacknowledged");
  const ready = `${format.number(sum("messages_ready"))} ready`;
  const counts = unacked ? `${ready}, ${format.number(unacked)} unacked` : ready;
  return node.kind === "group" ? `${node.members[0].name} … · ${counts}` : counts;
}

/** All keys of a line, one below the other, or as many as can be read. */
export function titleOf(line) {
  const texts = [...new Set(line.links.map((each) => linkText(each) || "(no routing key)"))];
  const shown = texts.slice(0, TITLE_LINES);
  return [...shown, ...(texts.length > shown.length ? [`and ${texts.length - shown.length} more`] : [])].join("\n");
}
