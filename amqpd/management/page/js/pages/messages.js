// What is in a queue, or waits at an x-delayed-message exchange: looked at, and left as it is.

import * as api from "../api.js";
import * as format from "../format.js";
import {button, element, emptyState, fill, update} from "../dom.js";
import {link} from "../router.js";
import {keyOf, messageList} from "../message_list.js";

const COUNTS = [20, 50, 100, 200, 500];
const COUNT = 50;
const TYPING_PAUSE_MS = 400;
const SHOWN_BYTES = 1000;
const MOST_BYTES = 16777216;
const ATTEMPTS = 3;
const STATES = {
  queues: [["ready", "Ready"], ["unacked", "Unacked"]],
  exchanges: [["delayed", "Delayed"]],
};
const PARTS = [["any", "anywhere"], ["body", "in the body"], ["headers", "in properties and headers"], ["routing_key", "in the routing key"]];
const NOTHING = {
  ready: "No message is ready.",
  unacked: "No consumer holds a message.",
  delayed: "No message is delayed.",
};
const GONE = {ready: "no longer ready", unacked: "no longer held", delayed: "no longer delayed"};

const kindOf = () => (location.hash.startsWith("#/exchanges/") ? "exchanges" : "queues");

export const title = "Messages";

export function within(page) {
  const [vhost, name] = page.parameters;
  const kind = kindOf() === "queues" ? "Queue" : "Exchange";
  return {label: `${kind} ${name}`, href: link(kindOf(), vhost, name)};
}

export async function show(page) {
  const [vhost, name] = page.parameters;
  const kind = kindOf();
  const path = api.path(kind, vhost, kind === "exchanges" ? api.exchangeName(name) : name);
  const place = {vhost, exchange: kind === "exchanges" ? name : null, queue: kind === "queues" ? name : null};
  const states = STATES[kind].map(([state]) => state);
  const asked = {
    state: states.includes(page.query.get("state")) ? page.query.get("state") : states[0],
    search: page.query.get("search") ?? "",
    in: PARTS.some(([part]) => part === page.query.get("in")) ? page.query.get("in") : "any",
    isRegex: page.query.get("use_regex") === "true",
    count: Number(page.query.get("count")) || COUNT,
  };
  let cursors = [null];
  let answer = null;
  let isOther = false;

  const list = messageList(place, loaded);
  const nothing = element("div", {hidden: true});
  const told = element("p", {class: "peek-told", role: "status"});
  const problem = element("span", {class: "field-problem", role: "alert"});
  const head = element("div", {class: "peek-head"}, told, element("span", {class: "spacer"}), button("Look again", () => repeat.now(), {class: "small"}));
  const pager = element("nav", {class: "pager", "aria-label": "Pages of messages"});
  const tabs = element("div", {class: "segments", role: "group", "aria-label": "State of the messages"});

  function query() {
    return {
      state: asked.state,
      count: asked.count,
      search: asked.search || null,
      in: asked.search ? asked.in : null,
      use_regex: asked.search && asked.isRegex ? "true" : null,
    };
  }

  async function load(signal) {
    const before = JSON.stringify([asked, cursors.length]);
    const from = cursors.at(-1);
    const [found, object] = await Promise.all([
      api.get(`${path}/messages`, {...query(), from, truncate: SHOWN_BYTES}, {signal}).catch(refused),
      kind === "queues" ? api.get(path, {columns: "messages_ready,messages_unacknowledged,type"}, {signal}) : null,
    ]);
    if (JSON.stringify([asked, cursors.length]) !== before || found === null) return;
    problem.textContent = "";
    answer = found;
    const isMoved = isOther;
    drawTabs(object);
    drawList();
    drawTold();
    drawPager();
    if (isMoved) head.scrollIntoView({block: "nearest"});
  }

  // What is wrong with the search stands beside it; everything else above the page.
  function refused(error) {
    if (error.status !== 400 || !asked.search) throw error;
    problem.textContent = error.message;
    return null;
  }

  function drawTabs(object) {
    const counts = object
      ? {ready: object.messages_ready, unacked: object.messages_unacknowledged}
      : {delayed: answer.total};
    update(tabs, STATES[kind].map(([state, label]) =>
      element(
        "button",
        {type: "button", "data-state": state, "aria-pressed": String(state === asked.state)},
        label,
        element("span", {class: "count-in-tab"}, format.number(counts[state])),
      )));
  }

  function drawList() {
    list.update(answer.messages, isOther, GONE[asked.state]);
    isOther = false;
    nothing.hidden = !list.isEmpty();
    if (list.isEmpty()) update(nothing, emptyText());
  }

  function emptyText() {
    if (!asked.search) return emptyState(cursors.length > 1 ? "No message is left on this page." : NOTHING[asked.state]);
    return emptyState(answer.next === null
      ? `No ${cursors.length > 1 ? "further " : ""}message has “${asked.search}” ${partText(asked.in)}.`
      : `None of the ${format.counted(answer.looked_at, "message")} looked at so far has “${asked.search}” ${partText(asked.in)}.`);
  }

  function drawTold() {
    const total = format.counted(answer.total, "message");
    const shown = answer.messages.length;
    let text = `${total} ${asked.state}`;
    if (asked.search) {
      text = `${format.number(shown)} found; ${format.number(answer.looked_at)} of ${total} ${asked.state} looked at`;
    } else if (shown && shown < answer.total) {
      text = `${format.number(shown)} of ${total} ${asked.state} on this page`;
    }
    if (told.textContent !== text) told.textContent = text;
  }

  function drawPager() {
    const isMore = answer.next !== null;
    pager.hidden = cursors.length === 1 && !isMore;
    update(
      pager,
      element("button", {type: "button", "data-move": "first", disabled: cursors.length === 1}, "First"),
      element("button", {type: "button", "data-move": "previous", disabled: cursors.length === 1}, "Previous"),
      element("span", {class: "page-number"}, `Page ${format.number(cursors.length)}`),
      element("button", {type: "button", "data-move": "next", disabled: !isMore}, asked.search ? "Search on" : "Next"),
    );
  }

  // Others are wanted: what is there stays until they come.
  function begin() {
    isOther = true;
    repeat.now();
  }

  function changed() {
    cursors = [null];
    page.setQuery({
      state: asked.state === states[0] ? null : asked.state,
      search: asked.search,
      in: asked.search && asked.in !== "any" ? asked.in : null,
      use_regex: asked.search && asked.isRegex ? "true" : null,
      count: asked.count === COUNT ? null : asked.count,
    });
    begin();
  }

  // Steps to just before it without bodies, and then asks for that one alone. Others may have gone meanwhile: then again.
  async function loaded(message, bytes) {
    const ask = (more) => api.get(`${path}/messages`, {...query(), from: cursors.at(-1), ...more}, {signal: page.signal});
    const key = keyOf(message);
    let now = answer.messages;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const index = now.findIndex((each) => each === message || keyOf(each) === key);
      if (index < 0) break;
      const from = index > 0 ? (await ask({count: index, truncate: 0})).next : cursors.at(-1);
      const [whole] = (await ask({from, count: 1, truncate: Math.min(bytes, MOST_BYTES)})).messages;
      if (whole && keyOf(whole) === key) return whole;
      now = (await ask({truncate: 0})).messages;
    }
    throw new api.ApiError(404, "", "It is no longer there.");
  }

  tabs.addEventListener("click", (event) => {
    const state = event.target.closest("button[data-state]")?.dataset.state;
    if (state && state !== asked.state) {
      asked.state = state;
      changed();
    }
  });
  pager.addEventListener("click", (event) => {
    const move = event.target.closest("button[data-move]")?.dataset.move;
    if (move === "first") cursors = [null];
    else if (move === "previous") cursors = cursors.slice(0, -1);
    else if (move === "next") cursors = [...cursors, answer.next];
    else return;
    begin();
  });

  fill(
    page.view,
    element("p", {class: "muted peek-note"}, "Looking at messages takes none and changes nothing: neither their order nor whether they count as redelivered."),
    element(
      "div",
      {class: "toolbar"},
      tabs,
      element("span", {class: "spacer"}),
      problem,
      searchFields(asked, changed),
      countField(asked, changed),
    ),
    element("h2", {class: "visually-hidden"}, "What is there"),
    head,
    list.element,
    nothing,
    pager,
  );
  const repeat = page.every(null, load);
}

function partText(part) {
  return PARTS.find(([each]) => each === part)[1];
}

function searchFields(asked, changed) {
  let typing = null;
  const later = () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      if (asked.search === input.value) return;
      asked.search = input.value;
      changed();
    }, TYPING_PAUSE_MS);
  };
  const input = element("input", {type: "search", "aria-label": "Search messages", placeholder: "Search messages", autocomplete: "off", spellcheck: "false", oninput: later});
  input.value = asked.search;
  const changedIfSearching = () => {
    if (asked.search) changed();
  };
  const part = element(
    "select",
    {
      "aria-label": "Where to search",
      onchange() {
        asked.in = part.value;
        changedIfSearching();
      },
    },
    PARTS.map(([value, label]) => element("option", {value}, label)),
  );
  part.value = asked.in;
  const regex = element("input", {
    type: "checkbox",
    onchange() {
      asked.isRegex = regex.checked;
      changedIfSearching();
    },
  });
  regex.checked = asked.isRegex;
  return element("span", {class: "filter", role: "search"}, input, part, element("label", {class: "check"}, regex, "Regex"));
}

function countField(asked, changed) {
  const select = element(
    "select",
    {
      "aria-label": "Messages per page",
      onchange() {
        asked.count = Number(select.value);
        changed();
      },
    },
    [...new Set([...COUNTS, asked.count])].sort((one, other) => one - other).map((count) => element("option", {value: count}, `${count} a page`)),
  );
  select.value = String(asked.count);
  return select;
}
