// How a dead-lettered message came to where it is: as a path, and in sentences.

import * as format from "./format.js";
import {pathOf, storyOf, verbOf} from "./deaths.js";
import {element} from "./dom.js";
import {link} from "./router.js";

/** The trail of a message that is in this queue (null: it waits at its exchange), or null if it has never died. */
export function deathTrail(message, vhost, queue) {
  const story = storyOf(message);
  if (story.length === 0) return null;
  const isRepeated = story.some(({death}) => death.count > 1);
  return element(
    "div",
    {class: "death-trail"},
    element("ol", {class: "trail-path", "aria-label": "Its way"}, pathOf(message, queue).map((step) => pathStep(step, vhost))),
    element("ol", {class: "trail-story"}, story.map(({sentence}) => element("li", {}, sentence.map((piece) => shown(piece, vhost))))),
    isRepeated
      ? element("p", {class: "hint"}, "Each queue and reason stands here once, with how often it happened: the message went round.")
      : null,
  );
}

function pathStep(step, vhost) {
  if (step.queue === undefined) {
    return element(
      "li",
      {class: "trail-exchange"},
      exchange(step.exchange, vhost),
      step.keys.map((key) => element("code", {class: "trail-key"}, key || "(no key)")),
    );
  }
  const isHere = step.death === null && !step.isAgain;
  const times = step.death && step.death.count > 1 ? ` ${format.number(step.death.count)}×` : "";
  return element(
    "li",
    {class: isHere ? "trail-queue here" : "trail-queue"},
    queueLink(step.queue, vhost),
    element("span", {class: isHere ? "badge good" : "badge warn"}, isHere ? "is here" : step.isAgain ? "again" : `${verbOf(step.death)}${times}`),
  );
}

function shown(piece, vhost) {
  if (typeof piece === "string") return piece;
  if (piece.queue !== undefined) return queueLink(piece.queue, vhost);
  if (piece.exchange !== undefined) return exchange(piece.exchange, vhost, true);
  if (piece.time_ms !== undefined) return element("time", {datetime: new Date(piece.time_ms).toISOString()}, format.moment(piece.time_ms));
  return element("code", {}, piece.key || "(no key)");
}

function queueLink(name, vhost) {
  return element("a", {href: link("queues", vhost, name)}, name);
}

function exchange(name, vhost, isInSentence = false) {
  if (name === "") return isInSentence ? "the default exchange" : element("span", {class: "muted"}, "default exchange");
  const made = element("a", {href: link("exchanges", vhost, name)}, name);
  return isInSentence ? ["exchange ", made] : made;
}
