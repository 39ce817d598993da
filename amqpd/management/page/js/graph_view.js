// The picture of what leads where, in SVG: one link for each node, which arrow keys go to and fro between.

import * as format from "./format.js";
import {ALTERNATE, BINDING, DEAD_LETTER} from "./binding_graph.js";
import {button, element, fill, svg, uniqueId} from "./dom.js";
import {measurer, nameText, shortened, smallText, titleOf} from "./graph_text.js";
import {layeredLayout} from "./layered_layout.js";
import {link} from "./router.js";

const NODE_HEIGHT = 44;
const NODE_WIDTH_MIN = 108;
const NODE_WIDTH_MAX = 230;
const NODE_PADDING = 12;
const LABEL_WIDTH_MAX = 190;
const LABEL_LINE_HEIGHT = 15;
const LABEL_PADDING = 5;
const NAME_SIZE = 13;
const SMALL_SIZE = 11.5;
const SMALLEST_FIT = 0.7;
const ZOOMS = [0.4, 0.55, 0.7, 0.85, 1, 1.25, 1.5, 2];

/**
 * A picture: {element, draw(nodes, lines), tell(nodes), focus(id), end()}; onGroup(id) is called when a group of queues is
 * pressed.
 *
 * vhost() is the virtual host that the links lead into.
 */
export function graphView({vhost, onGroup, description}) {
  const ids = {hint: uniqueId("hint"), marker: uniqueId("arrow")};
  const layers = {lines: svg("g", {"aria-hidden": "true"}), labels: svg("g", {"aria-hidden": "true"}), nodes: svg("g", {})};
  const picture = svg(
    "svg",
    {class: "graph", role: "group", "aria-label": description, "aria-describedby": ids.hint},
    svg("defs", {}, [BINDING, ALTERNATE, DEAD_LETTER].map((kind) => arrow(markerId(kind), kind))),
    layers.lines,
    layers.labels,
    layers.nodes,
  );
  const scroller = element("div", {class: "graph-scroll"}, picture);
  const size = element("span", {class: "graph-size", "aria-live": "polite"});
  const whole = element(
    "div",
    {class: "graph-frame"},
    element("p", {class: "visually-hidden", id: ids.hint}, "Arrow keys go from one to the next, Enter opens it. The same is in the table below."),
    scroller,
    element(
      "div",
      {class: "graph-foot"},
      legend(),
      element("span", {class: "spacer"}),
      element(
        "span",
        {class: "graph-zoom", role: "group", "aria-label": "Size of the picture"},
        size,
        button("−", () => step(-1), {class: "small", "aria-label": "Smaller"}),
        button("+", () => step(1), {class: "small", "aria-label": "Larger"}),
        button("Fit", () => setZoom(null), {class: "small"}),
      ),
    ),
  );
  const measure = measurer();
  let zoom = null;
  let layout = null;
  let drawnNodes = new Map();
  let drawnLines = [];
  let current = null;

  function markerId(kind) {
    return `${ids.marker}-${kind.replace(" ", "-")}`;
  }

  function scale() {
    if (zoom !== null) return zoom;
    const room = scroller.clientWidth - 2;
    return layout && room > 0 ? Math.max(SMALLEST_FIT, Math.min(1, room / layout.width)) : 1;
  }

  function applyZoom() {
    if (layout === null) return;
    const by = scale();
    picture.setAttribute("viewBox", `0 0 ${layout.width} ${layout.height}`);
    picture.setAttribute("width", Math.round(layout.width * by));
    picture.setAttribute("height", Math.round(layout.height * by));
    const text = format.percent(by);
    if (size.textContent !== text) size.textContent = text;
  }

  function setZoom(value) {
    zoom = value;
    applyZoom();
  }

  function step(direction) {
    const now = scale();
    const next = direction > 0 ? ZOOMS.find((each) => each > now + 0.01) : ZOOMS.findLast((each) => each < now - 0.01);
    if (next !== undefined) setZoom(next);
  }

  /** Shows these nodes and lines; what stays keeps its place as well as may be, and the focus. */
  function draw(nodes, lines) {
    const before = new Map(layout ? [...layout.nodes].map(([id, place]) => [id, place.y]) : []);
    const anchor = anchorOf();
    const sizes = new Map([...nodes.values()].map((node) => [node.id, nodeWidth(node)]));
    layout = layeredLayout(
      [...nodes.values()].map((node) => ({
        id: node.id,
        width: sizes.get(node.id),
        height: NODE_HEIGHT,
        isLast: node.kind !== "exchange",
      })),
      lines.map((line) => ({id: line.id, from: line.from, to: line.to, label: labelSize(line)})),
      before,
    );
    drawLines(lines);
    drawNodes(nodes, sizes);
    drawnLines = lines;
    drawnNodes = nodes;
    applyZoom();
    scrollTo(anchor);
    if (!nodes.has(current)) current = [...nodes.keys()][0] ?? null;
    rove();
  }

  function nodeWidth(node) {
    const wanted = Math.max(measure(node.name, NAME_SIZE, true), measure(smallText(node), SMALL_SIZE)) + NODE_PADDING * 2;
    return Math.round(Math.min(NODE_WIDTH_MAX, Math.max(NODE_WIDTH_MIN, wanted)));
  }

  function labelSize(line) {
    if (!line.texts.length) return null;
    const widest = Math.max(...line.texts.map((text) => measure(text, SMALL_SIZE)));
    return {
      width: Math.ceil(Math.min(LABEL_WIDTH_MAX, widest)) + LABEL_PADDING * 2,
      height: line.texts.length * LABEL_LINE_HEIGHT + 2,
    };
  }

  function drawNodes(nodes, sizes) {
    const there = new Map([...layers.nodes.children].map((each) => [each.dataset.id, each]));
    for (const node of nodes.values()) {
      const shown = there.get(node.id) ?? layers.nodes.appendChild(madeNode(node));
      there.delete(node.id);
      furnish(shown, node, sizes.get(node.id));
    }
    for (const gone of there.values()) gone.remove();
  }

  function madeNode(node) {
    return svg(
      "a",
      {"data-id": node.id, class: `graph-node ${node.kind}`},
      svg("title"),
      svg("rect", {class: "box", height: NODE_HEIGHT, rx: node.kind === "exchange" ? NODE_HEIGHT / 2 : 5}),
      node.kind === "group" ? svg("rect", {class: "behind", height: NODE_HEIGHT, rx: 5}) : null,
      svg("text", {class: "name", y: -3, "text-anchor": "middle"}),
      svg("text", {class: "small", y: 13, "text-anchor": "middle"}),
    );
  }

  function furnish(shown, node, width) {
    const place = layout.nodes.get(node.id);
    set(shown, "transform", `translate(${place.x} ${place.y})`);
    shown.classList.toggle("missing", Boolean(node.isMissing));
    if (node.kind === "group") {
      set(shown, "role", "button");
      set(shown, "href", "#");
    } else if (node.isMissing) {
      set(shown, "role", "img");
      shown.removeAttribute("href");
    } else {
      shown.removeAttribute("role");
      set(shown, "href", link(`${node.kind}s`, vhost(), node.name || "amq.default"));
    }
    for (const box of shown.querySelectorAll("rect")) {
      const shift = box.classList.contains("behind") ? 4 : 0;
      set(box, "width", width);
      set(box, "x", -width / 2 + shift);
      set(box, "y", -NODE_HEIGHT / 2 + shift);
    }
    write(shown.querySelector(".name"), shortened(measure, nameText(node), NAME_SIZE, width - NODE_PADDING * 2 + 6, true));
    tell(shown, node, width);
  }

  // What changes while the picture stays the same.
  function tell(shown, node, width) {
    write(shown.querySelector(".small"), shortened(measure, smallText(node), SMALL_SIZE, width - NODE_PADDING * 2 + 6));
    write(shown.querySelector("title"), nameText(node));
    set(shown, "aria-label", spoken(node));
  }

  function spoken(node) {
    const count = drawnLines.filter((line) => line.from === node.id).length;
    const kind = node.kind === "exchange" ? "Exchange" : node.kind === "queue" ? "Queue" : "Group of queues";
    const leads = count ? `, leads to ${count}` : "";
    // The words that are seen are in what is said, in their order.
    return `${kind} ${nameText(node)} ${smallText(node)}${leads}`;
  }

  function drawLines(lines) {
    const paths = new Map([...layers.lines.children].map((each) => [each.dataset.id, each]));
    const labels = new Map([...layers.labels.children].map((each) => [each.dataset.id, each]));
    for (const line of lines) {
      const drawn = layout.edges.get(line.id) ?? loopOf(line);
      const path = paths.get(line.id) ?? layers.lines.appendChild(madeLine(line));
      paths.delete(line.id);
      set(path, "d", curve(drawn.points));
      if (drawn.label) {
        labels.get(line.id)?.remove();
        layers.labels.append(labelOf(line, drawn.label));
      }
      if (drawn.label) labels.delete(line.id);
    }
    for (const gone of [...paths.values(), ...labels.values()]) gone.remove();
  }

  function madeLine(line) {
    return svg("path", {
      "data-id": line.id,
      class: `graph-line ${line.kind.replace(" ", "-")}`,
      "marker-end": `url(#${markerId(line.kind)})`,
    });
  }

  function labelOf(line, place) {
    const {width, height} = labelSize(line);
    const top = -height / 2;
    return svg(
      "g",
      {"data-id": line.id, class: "graph-label", transform: `translate(${place.x} ${place.y})`},
      svg("title", {}, titleOf(line)),
      svg("rect", {x: -width / 2, y: top, width, height, rx: 3}),
      line.texts.map((text, index) =>
        svg(
          "text",
          {y: top + LABEL_LINE_HEIGHT * (index + 1) - 3, "text-anchor": "middle"},
          shortened(measure, text, SMALL_SIZE, LABEL_WIDTH_MAX),
        ),
      ),
    );
  }

  function loopOf(line) {
    const place = layout.nodes.get(line.from);
    const half = nodeWidth(drawnNodes.get(line.from) ?? {name: "", kind: "exchange", type: ""}) / 2;
    return {
      points: [
        {x: place.x + half - 20, y: place.y - NODE_HEIGHT / 2},
        {x: place.x + half + 14, y: place.y - NODE_HEIGHT / 2 - 6},
        {x: place.x + half + 14, y: place.y - NODE_HEIGHT / 2 - 6},
        {x: place.x + half, y: place.y - 6},
      ],
      label: null,
    };
  }

  // What is looked at stays where it is on the screen, wherever it is in the new picture.
  function anchorOf() {
    if (layout === null) return null;
    const by = scale();
    const middle = {x: (scroller.scrollLeft + scroller.clientWidth / 2) / by, y: (scroller.scrollTop + scroller.clientHeight / 2) / by};
    const focused = layers.nodes.querySelector(":focus")?.dataset.id;
    let nearest = focused && layout.nodes.has(focused) ? focused : null;
    if (nearest === null) {
      let least = Infinity;
      for (const [id, place] of layout.nodes) {
        const distance = (place.x - middle.x) ** 2 + (place.y - middle.y) ** 2;
        if (distance < least) [least, nearest] = [distance, id];
      }
    }
    return nearest === null ? null : {id: nearest, ...layout.nodes.get(nearest), by};
  }

  function scrollTo(anchor) {
    const place = anchor && layout.nodes.get(anchor.id);
    if (!place) return;
    scroller.scrollLeft += place.x * scale() - anchor.x * anchor.by;
    scroller.scrollTop += place.y * scale() - anchor.y * anchor.by;
  }

  function rove() {
    for (const each of layers.nodes.children) set(each, "tabindex", each.dataset.id === current ? 0 : -1);
  }

  function elementOf(id) {
    return [...layers.nodes.children].find((each) => each.dataset.id === id);
  }

  function mark(id) {
    const near = new Set(id === null ? [] : [id]);
    const nearLines = new Set();
    for (const line of drawnLines) {
      if (line.from !== id && line.to !== id) continue;
      near.add(line.from).add(line.to);
      nearLines.add(line.id);
    }
    picture.classList.toggle("has-mark", id !== null);
    for (const each of layers.nodes.children) each.classList.toggle("near", near.has(each.dataset.id));
    for (const each of [...layers.lines.children, ...layers.labels.children]) {
      each.classList.toggle("near", nearLines.has(each.dataset.id));
    }
  }

  function nextOf(id, key) {
    const here = layout.nodes.get(id);
    const places = [...layout.nodes].filter(([other]) => other !== id);
    const joined = new Set(
      drawnLines.flatMap((line) => (line.from === id ? [line.to] : line.to === id ? [line.from] : [])),
    );
    const fits = {
      ArrowRight: ([, place]) => place.x > here.x,
      ArrowLeft: ([, place]) => place.x < here.x,
      ArrowDown: ([, place]) => place.x === here.x && place.y > here.y,
      ArrowUp: ([, place]) => place.x === here.x && place.y < here.y,
    }[key];
    const far = ([other, place]) =>
      (joined.has(other) ? 0 : 1e6) + Math.abs(place.x - here.x) * 2 + Math.abs(place.y - here.y);
    const found = places.filter(fits).sort((one, other) => far(one) - far(other));
    return found[0]?.[0] ?? null;
  }

  layers.nodes.addEventListener("keydown", (event) => {
    const at = event.target.closest?.(".graph-node");
    if (!at) return;
    if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      const next = nextOf(at.dataset.id, event.key);
      if (next !== null) {
        current = next;
        rove();
        elementOf(next).focus();
      }
    } else if (event.key === " " && at.getAttribute("role") === "button") {
      event.preventDefault();
      at.dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true}));
    }
  });
  layers.nodes.addEventListener("click", (event) => {
    const at = event.target.closest(".graph-node");
    if (at?.getAttribute("role") === "button") {
      event.preventDefault();
      onGroup(at.dataset.id);
    }
  });
  layers.nodes.addEventListener("focusin", (event) => {
    current = event.target.closest(".graph-node")?.dataset.id ?? current;
    rove();
    mark(current);
  });
  layers.nodes.addEventListener("focusout", () => mark(null));
  layers.nodes.addEventListener("pointerover", (event) => mark(event.target.closest(".graph-node")?.dataset.id ?? null));
  layers.nodes.addEventListener("pointerout", () => mark(layers.nodes.querySelector(":focus")?.dataset.id ?? null));
  // Not at once: another size of what is inside changes that of the frame again.
  const observer = new ResizeObserver(() => requestAnimationFrame(() => {
    if (zoom === null) applyZoom();
  }));
  observer.observe(scroller);

  return {
    element: whole,
    draw,
    /** Numbers of the same nodes have changed. */
    tell(nodes) {
      drawnNodes = nodes;
      for (const shown of layers.nodes.children) {
        const node = nodes.get(shown.dataset.id);
        if (node) tell(shown, node, Number(shown.querySelector(".box").getAttribute("width")));
      }
    },
    /** Let this node have the focus. */
    focus: (id) => elementOf(id)?.focus(),
    end: () => observer.disconnect(),
  };
}

// What the kinds of lines look like.
function legend() {
  const entry = (kind, text) =>
    element(
      "span",
      {class: "graph-legend-entry"},
      svg("svg", {width: 34, height: 10, "aria-hidden": "true"}, svg("path", {class: `graph-line ${kind}`, d: "M 1 5 H 33"})),
      text,
    );
  return element(
    "p",
    {class: "graph-legend"},
    entry("binding", "binding"),
    entry("dead-letter", "dead letters"),
    entry("alternate", "what is unrouted (alternate exchange)"),
  );
}

function arrow(id, kind) {
  return svg(
    "marker",
    {id, class: `graph-arrow ${kind.replace(" ", "-")}`, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse"},
    svg("path", {d: "M 0 1 L 10 5 L 0 9 z"}),
  );
}

function curve(points) {
  const [first, ...rest] = points;
  let path = `M ${first.x} ${first.y}`;
  let here = first;
  rest.forEach((point, index) => {
    const middle = (here.x + point.x) / 2;
    const isStraight = index % 2 === 1;
    path += isStraight ? ` L ${point.x} ${point.y}` : ` C ${middle} ${here.y} ${middle} ${point.y} ${point.x} ${point.y}`;
    here = point;
  });
  return path;
}

function set(target, name, value) {
  const text = String(value);
  if (target.getAttribute(name) !== text) target.setAttribute(name, text);
}

function write(target, text) {
  if (target.textContent !== text) fill(target, text);
}
