// One message: a line that opens, with its properties, headers, body, and the way it came.

import * as format from "./format.js";
import {MOST_HEX_BYTES, bytesOf, hexDump, prettyJson, preview, textOf} from "./message_body.js";
import {badge, button, element, facts, fill, notice, update} from "./dom.js";
import {deathTrail} from "./death_trail.js";
import {deathsOf} from "./deaths.js";
import {isNumber} from "./numbers.js";
import {link} from "./router.js";

const PREVIEW_LENGTH = 160;
const SHORT_LENGTH = 90;
const OPENED_BYTES = 50000;
const MODES = {1: "1 (transient)", 2: "2 (persistent)"};

/**
 * A message as a line that opens: {element, update(message), leave(text), isOpen()}.
 *
 * place         {vhost, queue, exchange}: where it is; queue is null for what waits at an exchange
 * load          async (message, bytes) => the same message with so many bytes of its body
 */
export function messageView(message, place, load) {
  const summary = element("summary", {class: "peek-line"});
  const inside = element("div", {class: "peek-inside"});
  const whole = element("details", {class: "peek"}, summary, inside);
  let now = message;
  let drawn = null;
  let left = null;
  let isLoading = false;

  function drawSummary() {
    update(summary, summaryOf(now, place, left));
  }

  // Only what is looked at is made, and nothing is made anew that has not changed.
  function drawInside() {
    const text = JSON.stringify([lasting(now), isLoading]);
    if (!whole.open || text === drawn) return;
    drawn = text;
    fill(inside, insideOf(now, place, isLoading ? null : () => loaded(Infinity)));
  }

  async function loaded(bytes) {
    now = await load(now, bytes);
    drawInside();
  }

  // Lists have the beginnings of bodies; whoever opens a message wants more of it.
  async function open() {
    if (whole.open && now.truncated && bytesOf(now).length < OPENED_BYTES) {
      isLoading = true;
      drawInside();
      try {
        await loaded(OPENED_BYTES);
      } catch {
        // What is there is shown, and all of it can be asked for.
      }
      isLoading = false;
    }
    drawInside();
  }

  whole.addEventListener("toggle", open);
  drawSummary();
  return {
    element: whole,
    isOpen: () => whole.open,
    update(message) {
      // What was loaded of the body stays.
      const {payload, payload_encoding, truncated} = now;
      now = payload.length > message.payload.length ? {...message, payload, payload_encoding, truncated} : message;
      left = null;
      whole.classList.remove("left");
      drawSummary();
      drawInside();
    },
    /** It is no longer where it was. */
    leave(text) {
      if (left === text) return;
      left = text;
      whole.classList.add("left");
      drawSummary();
    },
  };
}

function lasting(message) {
  return {...message, position: undefined};
}

function summaryOf(message, place, left) {
  const died = deathsOf(message.properties?.headers).length;
  return [
    element("span", {class: "peek-position", title: message.position === null ? null : "Its number in the queue"}, message.position === null ? "" : `#${format.number(message.position)}`),
    element(
      "span",
      {class: "peek-address"},
      element("span", {class: "muted"}, message.exchange || "(default exchange)"),
      element("span", {class: "peek-arrow", "aria-label": "with key"}, "→"),
      element("code", {}, message.routing_key),
    ),
    element("span", {class: "peek-preview"}, preview(message, PREVIEW_LENGTH)),
    element(
      "span",
      {class: "peek-marks"},
      left ? badge(left, "warn") : null,
      message.redelivered ? badge("redelivered", "", "It was delivered before, and came back") : null,
      died ? badge("dead letter", "warn") : null,
      message.consumer ? badge(`held by ${message.consumer.consumer_tag || "basic.get"}`, "", "A consumer has it and has not settled it yet") : null,
      timeMark(message),
    ),
    element("span", {class: "peek-size"}, format.bytes(message.payload_bytes)),
  ];
}

function timeMark(message) {
  if (message.due_ms !== null && message.due_ms !== undefined) return badge(`due ${relative(message.due_ms)}`);
  if (message.expires_ms !== null && message.expires_ms !== undefined) return badge(`expires ${relative(message.expires_ms)}`);
  return null;
}

/** A moment as seen from now: "in 5 min", "3 s ago". */
function relative(moment_ms, now_ms = Date.now()) {
  const distance = moment_ms - now_ms;
  if (Math.abs(distance) < 1000) return "now";
  const text = format.duration(Math.abs(distance));
  return distance > 0 ? `in ${text}` : `${text} ago`;
}

function insideOf(message, place, loadAll) {
  const trail = deathTrail(message, place.vhost, place.queue);
  return [
    facts(factsOf(message, place)),
    trail ? [element("h3", {}, "How it came here"), trail] : null,
    properties(message),
    headers(message, trail !== null),
    bodyPart(message, loadAll),
  ];
}

function factsOf(message, place) {
  const exchange = message.exchange
    ? element("a", {href: link("exchanges", place.vhost, message.exchange)}, message.exchange)
    : "(default exchange)";
  return [
    ["Exchange", exchange],
    ["Routing key", element("code", {}, message.routing_key)],
    ["Size", `${format.bytes(message.payload_bytes)}${message.payload_bytes >= 1024 ? ` (${format.number(message.payload_bytes)} bytes)` : ""}`],
    ["Arrived", time(message.arrived_ms)],
    ["Expires", time(message.expires_ms)],
    ["Due", time(message.due_ms)],
    ["Redelivered", message.redelivered === null ? "not known" : message.redelivered ? "yes" : "no"],
    ["Deliveries that failed", message.delivery_count ?? undefined],
    ["Held by", message.consumer ? holder(message.consumer) : undefined],
  ];
}

function time(moment_ms) {
  if (moment_ms === null || moment_ms === undefined) return undefined;
  return element("time", {datetime: new Date(moment_ms).toISOString(), title: relative(moment_ms)}, format.moment(moment_ms));
}

function holder(consumer) {
  const {connection, channel, consumer_tag: tag} = consumer;
  return [
    tag ? ["consumer ", element("code", {}, tag), ", "] : "basic.get, ",
    element("a", {href: link("channels", `${connection} (${channel})`)}, `channel ${channel}`),
    " of ",
    element("a", {href: link("connections", connection)}, connection),
  ];
}

function properties(message) {
  const given = Object.entries(message.properties ?? {}).filter(([name]) => name !== "headers");
  if (!given.length) return null;
  return [element("h3", {}, "Properties"), facts(given.map(([name, value]) => [name, propertyText(name, value)]))];
}

function propertyText(name, value) {
  if (name === "delivery_mode") return MODES[value] ?? String(value);
  if (name === "timestamp" && typeof value === "number") return `${value} (${format.moment(value * 1000)})`;
  return element("code", {}, String(value));
}

function headers(message, isTold) {
  const given = Object.entries(message.properties?.headers ?? {});
  if (!given.length) return null;
  return [
    element("h3", {}, "Headers"),
    element(
      "table",
      {class: "headers"},
      element("caption", {class: "visually-hidden"}, "Headers"),
      element("thead", {}, element("tr", {}, ["Name", "Type", "Value"].map((text) => element("th", {scope: "col"}, text)))),
      element("tbody", {}, given.map(([name, value]) =>
        element(
          "tr",
          {},
          element("th", {scope: "row"}, element("code", {}, name)),
          element("td", {class: "muted"}, typeName(value)),
          element("td", {}, name === "x-death" && isTold ? folded(value) : valueText(value)),
        ))),
    ),
  ];
}

function typeName(value) {
  if (isNumber(value)) return "number";
  if (Array.isArray(value)) return "list";
  return {string: "text", boolean: "boolean", object: "table"}[typeof value] ?? "";
}

// What is told above in words.
function folded(value) {
  return element("details", {}, element("summary", {}, `${format.counted(value.length, "entry", "entries")}, told above`), valueText(value));
}

function valueText(value) {
  if (value !== null && typeof value === "object") {
    const text = JSON.stringify(value);
    return text.length <= SHORT_LENGTH ? element("code", {}, text) : element("pre", {}, JSON.stringify(value, null, 2));
  }
  return element("code", {}, String(value));
}

// The body, in the way that fits it best at first.
function bodyPart(message, loadAll) {
  if (message.payload_bytes === 0) return [element("h3", {}, "Body"), element("p", {class: "muted"}, "It has no body.")];
  const isText = message.payload_encoding !== "base64";
  const text = textOf(message);
  const json = isText ? prettyJson(text) : null;
  const looksLikeJson = json !== null && (/^\s*[[{]/.test(text) || /json/i.test(message.properties?.content_type ?? ""));
  const ways = {
    ...(json === null ? {} : {JSON: () => json}),
    Text: () => text,
    Hex: () => hexDump(bytesOf(message)),
  };
  const place = element("pre", {class: "peek-body", role: "group", tabindex: 0, "aria-label": "Body"});
  const told = element("p", {class: "hint", role: "status"});
  const chooser = element("span", {class: "segments", role: "group", "aria-label": "Show the body as"});
  const choose = (way) => {
    fill(place, ways[way]());
    place.classList.toggle("hex", way === "Hex");
    const isCut = way === "Hex" && bytesOf(message).length > MOST_HEX_BYTES;
    fill(told, isCut ? `The first ${format.bytes(MOST_HEX_BYTES)} are shown.` : "");
    for (const each of chooser.children) each.setAttribute("aria-pressed", String(each.textContent === way));
  };
  chooser.append(...Object.keys(ways).map((way) => button(way, () => choose(way), {class: "small"})));
  choose(looksLikeJson ? "JSON" : isText ? "Text" : "Hex");
  return [
    element(
      "div",
      {class: "peek-body-head"},
      element("h3", {}, "Body"),
      chooser,
      element("span", {class: "spacer"}),
      button("Copy", () => copy(place.textContent), {class: "small"}),
      button("Save as file", () => save(message), {class: "small"}),
    ),
    message.truncated ? cutNote(message, loadAll) : null,
    place,
    told,
  ];
}

function cutNote(message, loadAll) {
  if (loadAll === null) return element("p", {class: "peek-cut"}, "The rest is on its way …");
  const problem = element("span", {class: "field-problem", role: "alert"});
  const press = button("Load all of it", async () => {
    press.disabled = true;
    try {
      await loadAll();
    } catch (error) {
      problem.textContent = error.message;
      press.disabled = false;
    }
  }, {class: "small"});
  return element(
    "p",
    {class: "peek-cut"},
    `Only the first ${format.bytes(bytesOf(message).length)} of ${format.bytes(message.payload_bytes)} are here. `,
    press,
    problem,
  );
}

/** Put a text on the clipboard, also where the page did not come over TLS. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", {class: "visually-hidden", "aria-hidden": "true"});
    area.value = text;
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    focused?.focus();
    if (!isDone) {
      notice("The browser did not let the page copy.", "bad");
      return;
    }
  }
  notice("Copied.");
}

function save(message) {
  saveAs(message.properties?.message_id || "message", new Blob([bytesOf(message)], {type: "application/octet-stream"}));
}

/** Let the browser save something as a file of this name. */
export function saveAs(name, blob) {
  const address = URL.createObjectURL(blob);
  element("a", {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
