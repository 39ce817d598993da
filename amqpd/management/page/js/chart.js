// Numbers over time as lines, in SVG: with a legend that hides lines, a cursor for mouse and keyboard, and a table.

import * as format from "./format.js";
import * as session from "./session.js";
import {element, svg, uniqueId, update} from "./dom.js";

/** What can be looked back at: label, length and step in seconds, as RabbitMQ offers it. */
const RANGES = [
  ["Last minute", 60, 5],
  ["Last ten minutes", 600, 5],
  ["Last hour", 3600, 60],
  ["Last eight hours", 28800, 600],
  ["Last day", 86400, 1800],
];
/** How many of those there are samples for: of the broker and its node, and of everything else. */
const KEPT = {global: 5, basic: 3};
let offered = KEPT.global;

const HEIGHT = 190;
const MARGIN = {top: 10, right: 12, bottom: 22, left: 62};
const HALF_A_TIME = 24;
const MOST_POINTS = 2000;

/** The range that the user has chosen: {label, age_s, step_s}. */
function range() {
  const [label, age_s, step_s] = RANGES[chosenRange()];
  return {label, age_s, step_s};
}

function chosenRange() {
  const chosen = session.preference("range", 0);
  return Number.isInteger(chosen) && chosen >= 0 ? Math.min(chosen, offered - 1) : 0;
}

/** The query for samples of the chosen range: rangeQuery("lengths", "msg_rates"); also "data_rates", "node_stats". */
export function rangeQuery(...kinds) {
  const {age_s, step_s} = range();
  // A minute has room for two steps more, so that lines begin at the edge; longer ranges are all that is kept.
  const age = age_s > 60 ? age_s : age_s + 2 * step_s;
  return Object.fromEntries(kinds.flatMap((kind) => [[`${kind}_age`, age], [`${kind}_incr`, step_s]]));
}

/**
 * A card with charts and the choice of their range; onChange when there is another. One per page, and made before
 * anything is asked for, as it limits what can be: kept is "basic" or "global" (broker and node).
 */
export function chartsCard(heading, charts, onChange, kept = "basic") {
  const id = uniqueId("charts");
  return element(
    "section",
    {class: "card", "aria-labelledby": id},
    element("div", {class: "head"}, element("h2", {id}, heading), element("span", {class: "spacer"}), rangeChoice(onChange, kept)),
    element("div", {class: "charts"}, charts.map((each) => each.element)),
  );
}

function rangeChoice(onChange, kept) {
  offered = KEPT[kept];
  const select = element(
    "select",
    {
      "aria-label": "Charts show",
      class: "range",
      onchange() {
        session.setPreference("range", Number(select.value));
        onChange();
      },
    },
    RANGES.slice(0, offered).map(([label], at) => element("option", {value: at}, label)),
  );
  select.value = chosenRange();
  return select;
}

/**
 * A chart: {element, poll(answer)}. Every answer of the API adds a point; if it has samples, they are what came before.
 *
 * title    heading and accessible name
 * kind     "length": how many there are; "rate": how fast it grows
 * unit     format of a number: format.number, format.rate, format.bytes, format.byteRate
 * series   [{key, label, details(answer), value(answer), hint}]
 *   details  the `*_details` object, or undefined: nothing is known (drawn as 0)
 *   value    the number now; a "rate" takes details.rate without it
 * limit    optional {label, value(answer)}: a line that should not be crossed
 * headingLevel  "h3" unless said otherwise
 */
export function chart({title, kind, unit = kind === "rate" ? format.rate : format.number, series, limit = null, headingLevel = "h3"}) {
  const id = uniqueId("chart");
  const lines = series.map((each, at) => ({...each, points: [], isHidden: false, colour: at % 8 + 1}));
  const plot = svg("svg", {class: "plot", role: "img", tabindex: 0, "aria-labelledby": `${id}-title ${id}-text`, height: HEIGHT});
  const description = element("p", {class: "visually-hidden", id: `${id}-text`});
  const legend = element("ul", {class: "legend"});
  const tip = element("div", {class: "chart-tip", hidden: true, "aria-live": "off"});
  const spoken = element("span", {class: "visually-hidden", "aria-live": "polite"});
  const numbers = element("div", {class: "table-scroll", tabindex: 0, role: "group", "aria-label": `${title}, as a table`});
  const asTable = element("details", {class: "chart-table", ontoggle: drawTable}, element("summary", {}, "As a table"), numbers);
  const frame = element("div", {class: "plot-frame"}, plot, tip);
  const whole = element(
    "figure",
    {class: "chart", "data-chart": title},
    element(headingLevel, {id: `${id}-title`}, title),
    description,
    frame,
    legend,
    asTable,
    spoken,
  );
  let width = 0;
  let edge = 0;
  let limitValue = null;
  let cursor = null;

  for (const line of lines) {
    const swatch = svg("svg", {class: `swatch series-${line.colour}`, width: 14, height: 10, "aria-hidden": "true"}, svg("line", {x1: 0, y1: 5, x2: 14, y2: 5}));
    line.shown = element("span", {class: "legend-value"}, format.NOTHING);
    line.button = element(
      "button",
      {
        type: "button",
        "aria-pressed": "true",
        title: line.hint,
        onclick() {
          line.isHidden = !line.isHidden;
          line.button.setAttribute("aria-pressed", String(!line.isHidden));
          draw();
        },
      },
      swatch,
      element("span", {}, line.label),
      line.shown,
    );
    legend.append(element("li", {}, line.button));
  }

  function poll(answer) {
    const now = Date.now();
    for (const line of lines) {
      const details = line.details(answer);
      const current = line.value ? line.value(answer) : details?.rate;
      // The API's newest sample bears the end of its step, which is still to come.
      const past = history(details, kind).filter(([time]) => time <= now);
      if (past.length > 0) line.points = past;
      const last = line.points.at(-1);
      if (last === undefined || now > last[0]) line.points.push([now, typeof current === "number" ? current : 0]);
      const since = now - range().age_s * 1000 - 60000;
      const first = line.points.findIndex(([time]) => time >= since);
      if (first > 0 || line.points.length > MOST_POINTS) line.points.splice(0, Math.max(first, line.points.length - MOST_POINTS));
      const text = unit(typeof current === "number" ? current : 0);
      if (line.shown.textContent !== text) line.shown.textContent = text;
    }
    limitValue = limit ? limit.value(answer) ?? null : null;
    edge = now;
    draw();
  }

  function visible() {
    const since = edge - range().age_s * 1000;
    return lines.filter((line) => !line.isHidden)
      .map((line) => ({line, points: line.points.filter(([time], at) => time >= since || line.points[at + 1]?.[0] >= since)}));
  }

  function scales(shown) {
    const span = range().age_s * 1000;
    const highest = Math.max(0, ...shown.flatMap(({points}) => points.map(([, value]) => value)));
    const ticks = niceTicks(limitValue !== null && highest > limitValue / 2 ? Math.max(highest, limitValue) : highest, unit);
    const top = ticks.at(-1);
    const right = Math.max(MARGIN.left + 10, width - MARGIN.right);
    return {
      ticks,
      top,
      right,
      x: (time) => right - ((edge - time) / span) * (right - MARGIN.left),
      y: (value) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.bottom - MARGIN.top),
    };
  }

  function draw() {
    if (width <= 0 || edge === 0) return;
    const shown = visible();
    const at = scales(shown);
    plot.setAttribute("width", width);
    plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const grid = at.ticks.map((tick) => [
      svg("line", {class: tick === 0 ? "axis" : "grid", x1: MARGIN.left, x2: at.right, y1: at.y(tick), y2: at.y(tick)}),
      svg("text", {class: "tick", x: MARGIN.left - 8, y: at.y(tick) + 4, "text-anchor": "end"}, tickText(tick, unit)),
    ]);
    const times = timeTicks(edge, range().age_s, at.right - MARGIN.left).map((time) => svg(
      "text",
      {class: "tick", x: Math.min(at.x(time), at.right + MARGIN.right - HALF_A_TIME), y: HEIGHT - 5, "text-anchor": "middle"},
      timeText(time, range().age_s),
    ));
    const drawn = [...shown].reverse().map(({line, points}) => svg("path", {
      class: `line series-${line.colour}`,
      "clip-path": `url(#${id}-clip)`,
      d: pathOf(points, at),
    }));
    const border = limitValue !== null && limitValue <= at.top
      ? [svg("line", {class: "limit", x1: MARGIN.left, x2: at.right, y1: at.y(limitValue), y2: at.y(limitValue)}),
          svg("text", {class: "tick limit-label", x: at.right, y: at.y(limitValue) - 5, "text-anchor": "end"}, `${limit.label} ${unit(limitValue)}`)]
      : [];
    const clip = svg("clipPath", {id: `${id}-clip`}, svg("rect", {x: MARGIN.left, y: 0, width: Math.max(0, at.right - MARGIN.left), height: HEIGHT}));
    update(plot, clip, grid, times, border, drawn, cursorMarks(shown, at));
    describe();
    if (asTable.open) drawTable();
  }

  function describe() {
    const text = `${range().label}. ` + lines.map((line) => {
      const values = line.points.map(([, value]) => value);
      if (values.length === 0) return `${line.label}: nothing known`;
      return `${line.label}: now ${unit(values.at(-1))}, at most ${unit(Math.max(...values))}`;
    }).join("; ") + ".";
    if (description.textContent !== text) description.textContent = text;
  }

  // The cursor

  function moments() {
    const longest = visible().reduce((most, {points}) => (points.length > most.length ? points : most), []);
    return longest.map(([time]) => time).filter((time) => time >= edge - range().age_s * 1000);
  }

  function cursorMarks(shown, at) {
    if (cursor === null) {
      tip.hidden = true;
      return [];
    }
    const x = at.x(cursor);
    const marks = [svg("line", {class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom})];
    const rows = [];
    for (const {line, points} of shown) {
      const point = nearest(points, cursor);
      if (point === null) continue;
      marks.push(svg("circle", {class: `dot series-${line.colour}`, cx: at.x(point[0]), cy: at.y(point[1]), r: 3.5}));
      rows.push([line.label, unit(point[1]), line.colour]);
    }
    tip.hidden = false;
    update(
      tip,
      element("div", {class: "tip-time"}, format.moment(cursor).slice(11)),
      rows.map(([label, value, colour]) => element("div", {class: `tip-row series-${colour}`}, element("span", {}, label), element("b", {}, value))),
    );
    tip.classList.toggle("left", x > width / 2);
    tip.style.setProperty("--x", `${x}px`);
    return marks;
  }

  function point(time) {
    cursor = time;
    draw();
  }

  plot.addEventListener("pointermove", (event) => {
    const all = moments();
    if (all.length === 0) return;
    const box = plot.getBoundingClientRect();
    const at = scales(visible());
    const time = edge - ((at.right - (event.clientX - box.left)) / (at.right - MARGIN.left)) * range().age_s * 1000;
    point(all.reduce((best, each) => (Math.abs(each - time) < Math.abs(best - time) ? each : best)));
  });
  plot.addEventListener("pointerleave", () => point(null));
  plot.addEventListener("blur", () => point(null));
  plot.addEventListener("keydown", (event) => {
    const all = moments();
    const steps = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity};
    if (event.key === "Escape") point(null);
    if (!(event.key in steps) || all.length === 0) return;
    event.preventDefault();
    const from = cursor === null ? all.length : all.findIndex((time) => time >= cursor);
    const to = Math.min(all.length - 1, Math.max(0, (from < 0 ? all.length : from) + steps[event.key]));
    point(all[to]);
    spoken.textContent = tip.textContent === "" ? "" : [...tip.children].map((row) => [...row.childNodes].map((each) => each.textContent).join(" ")).join(", ");
  });

  // The table

  function drawTable() {
    if (!asTable.open) return;
    const times = moments().reverse().slice(0, 120);
    update(
      numbers,
      element(
        "table",
        {},
        element("caption", {class: "visually-hidden"}, title),
        element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "Time"), lines.map((line) => element("th", {scope: "col", class: "number"}, line.label)))),
        element("tbody", {}, times.map((time) => element(
          "tr",
          {},
          element("td", {}, format.moment(time).slice(11)),
          lines.map((line) => element("td", {class: "number"}, unit(nearest(line.points, time)?.[1] ?? NaN))),
        ))),
      ),
    );
  }

  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width) return;
    width = Math.floor(entry.contentRect.width);
    draw();
  }).observe(frame);

  return {element: whole, poll};
}

/** [[unix ms, number]], oldest first, of what the API tells in `samples`: newest first, and of a rate what was counted. */
export function history(details, kind) {
  const samples = Array.isArray(details?.samples) ? [...details.samples].sort((one, other) => one.timestamp - other.timestamp) : [];
  if (kind !== "rate") return samples.map(({sample, timestamp}) => [timestamp, sample]);
  const points = [];
  for (let at = 1; at < samples.length; at += 1) {
    const seconds = (samples[at].timestamp - samples[at - 1].timestamp) / 1000;
    if (seconds > 0) points.push([samples[at].timestamp, Math.max(0, samples[at].sample - samples[at - 1].sample) / seconds]);
  }
  return points;
}

function nearest(points, time) {
  let best = null;
  for (const point of points) if (best === null || Math.abs(point[0] - time) < Math.abs(best[0] - time)) best = point;
  return best;
}

function pathOf(points, at) {
  return points.map(([time, value], index) => `${index === 0 ? "M" : "L"}${at.x(time).toFixed(1)} ${at.y(value).toFixed(1)}`).join("");
}

function niceTicks(highest, unit) {
  const isBinary = unit === format.bytes || unit === format.byteRate;
  if (highest <= 0) return [0, 1];
  const wanted = 4;
  const rough = highest / wanted;
  const scale = isBinary ? 1024 ** Math.floor(Math.log(rough) / Math.log(1024)) : 1;
  const power = scale * 10 ** Math.floor(Math.log10(rough / scale));
  const fitting = power * [1, 2, 2.5, 5, 10].find((each) => each * power >= rough);
  const step = unit === format.number ? Math.ceil(fitting) : fitting;
  const ticks = [];
  for (let at = 0; at <= Math.ceil(highest / step - 1e-9); at += 1) ticks.push(at * step);
  return ticks;
}

function tickText(value, unit) {
  if (unit === format.bytes || unit === format.byteRate) return unit(value).replace(".0 ", " ");
  const short = new Intl.NumberFormat("en", {notation: "compact", maximumFractionDigits: 2}).format(value);
  return unit === format.rate ? `${short}/s` : short;
}

function timeTicks(edge, age_s, width) {
  const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600];
  const most = Math.max(2, Math.floor(width / 90));
  const step = steps.find((each) => age_s / each <= most) ?? 43200;
  const offset = new Date(edge).getTimezoneOffset() * 60000;
  const ticks = [];
  for (let time = Math.floor((edge - offset) / (step * 1000)) * step * 1000 + offset; time > edge - age_s * 1000; time -= step * 1000) ticks.unshift(time);
  return ticks;
}

function timeText(time, age_s) {
  const text = format.moment(time).slice(11);
  return age_s >= 3600 || (age_s > 60 && text.endsWith(":00")) ? text.slice(0, 5) : text;
}
