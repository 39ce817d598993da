// Messages as a list that changes in place: what is looked at stays open, and stays also when it has left the queue.

import {element} from "./dom.js";
import {messageView} from "./message_view.js";

/**
 * A list of messages: {element, update(messages, isOther, gone), isEmpty()}.
 *
 * place, load   as of `messageView`
 * isOther       the messages are of another question: none of those that were there stays
 * gone          what is said of one that has left, such as "no longer ready"
 */
export function messageList(place, load) {
  const list = element("ol", {class: "peeks", "aria-label": "Messages"});
  const views = new Map();

  function update(messages, isOther, gone) {
    const seen = new Map();
    const keys = messages.map((message) => keyOf(message, seen));
    leave(new Set(isOther ? [] : keys), isOther, gone);
    let after = null;
    messages.forEach((message, at) => {
      const item = shown(keys[at], message);
      const there = after === null ? list.firstChild : after.nextSibling;
      if (there !== item && !(there && item.parentNode === list && stands(item, after))) list.insertBefore(item, there);
      after = item;
    });
    list.hidden = views.size === 0;
  }

  function leave(staying, isOther, gone) {
    for (const [key, view] of views) {
      if (staying.has(key)) continue;
      if (view.isOpen() && !isOther) {
        view.leave(gone);
      } else {
        view.element.parentNode.remove();
        views.delete(key);
      }
    }
  }

  function shown(key, message) {
    const known = views.get(key);
    if (known) {
      known.update(message);
      return known.element.parentNode;
    }
    const view = messageView(message, place, load);
    views.set(key, view);
    return element("li", {}, view.element);
  }

  return {element: list, update, isEmpty: () => views.size === 0};
}

// Whether only what has left is between them: that stays where it is.
function stands(item, after) {
  let before = item.previousSibling;
  while (before !== null && before !== after && before.firstChild.classList.contains("left")) before = before.previousSibling;
  return before === after;
}

/**
 * What makes a message the same the next time: its number, and all that does not change. In a priority queue two can have
 * the same number, and what is delayed has none: `seen` are those before it.
 */
export function keyOf(message, seen = new Map()) {
  const told = [
    message.position, message.properties?.priority, message.due_ms, message.exchange, message.routing_key,
    message.payload_bytes, message.properties?.message_id,
  ];
  const key = JSON.stringify(told);
  const count = seen.get(key) ?? 0;
  seen.set(key, count + 1);
  return count ? `${key} ${count}` : key;
}
