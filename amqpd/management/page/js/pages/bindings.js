// What leads where in a virtual host: a picture, and the same as a table.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {
  ALTERNATE, BINDING, DEAD_LETTER, MOST_BINDINGS, filtered, graphOf, grouped, joinedOnly, linesOf, shapeOf,
} from "../binding_graph.js";
import {button, element, emptyState, fill, section, update} from "../dom.js";
import {graphView} from "../graph_view.js";
import {link, reload} from "../router.js";
import {table} from "../table.js";

export const title = "Bindings";

const QUEUE_COLUMNS = "name,type,arguments,effective_policy_definition,messages_ready,messages_unacknowledged";
const ROWS_AT_FIRST = 50;
const TYPING_PAUSE_MS = 200;
const PAUSE_FACTOR = 10;

export async function show(page) {
  const vhosts = session.knownVhosts();
  const vhost = page.query.get("vhost") ?? session.chosenVhost() ?? (vhosts.includes("/") ? "/" : vhosts[0]);
  if (vhost === undefined) {
    fill(page.view, emptyState("There is no virtual host that you may see."));
    return;
  }
  const state = {
    filter: page.query.get("name") ?? "",
    withDefault: page.query.get("default") === "true",
    withAlone: page.query.get("alone") === "true",
    open: new Set(),
    rows: ROWS_AT_FIRST,
    told: null,
    shape: null,
    fetched_ms: -Infinity,
    took_ms: 0,
  };
  const notes = element("div", {class: "graph-notes", role: "status"});
  const nothing = element("div", {hidden: true});
  const view = graphView({
    vhost: () => vhost,
    description: `What leads where in virtual host ${vhost}`,
    onGroup(id) {
      state.open.add(id);
      draw();
      view.focus(state.groups.find((group) => group.id === id)?.members[0].id);
    },
  });
  page.onLeave(view.end);
  const chosen = session.chosenVhost();
  page.onLeave(() => {
    // Whoever has chosen another one on top of the page wants to see that.
    if (session.chosenVhost() !== chosen) page.setQuery({vhost: null});
  });
  const list = bindingTable(vhost);
  const more = button("Show all rows", () => {
    state.rows = Infinity;
    draw();
  }, {hidden: true});

  function changed() {
    page.setQuery({
      name: state.filter,
      default: state.withDefault ? "true" : null,
      alone: state.withAlone ? "true" : null,
    });
    draw();
  }

  async function load(signal) {
    const started_ms = performance.now();
    const queues = await api.get(api.path("queues", vhost), {columns: QUEUE_COLUMNS, sort: "name"}, {signal});
    // A great many bindings take their time: they are asked for more seldom.
    if (started_ms - state.fetched_ms > state.took_ms * PAUSE_FACTOR) {
      const [exchanges, bindings, policies] = await Promise.all([
        api.get(api.path("exchanges", vhost), {disable_stats: true}, {signal}),
        api.get(api.path("bindings", vhost), {}, {signal}),
        api.get(api.path("policies", vhost), {}, {signal}),
      ]);
      state.fetched_ms = performance.now();
      state.took_ms = state.fetched_ms - started_ms;
      state.told = {exchanges, bindings, policies};
    }
    state.told = {...state.told, queues: listOf(queues)};
    draw();
  }

  function draw() {
    if (state.told === null) return;
    const cut = {...state.told, bindings: state.told.bindings.filter((each) => each.source || state.withDefault)};
    const all = cut.bindings.length;
    cut.bindings = cut.bindings.slice(0, MOST_BINDINGS);
    let graph = filtered(graphOf(cut, state), state.filter);
    const isFiltered = state.filter.trim() !== "";
    const alone = graph.nodes.size;
    if (!state.withAlone && !isFiltered) graph = joinedOnly(graph);
    const left = alone - graph.nodes.size;
    drawRows(graph);
    const together = grouped(graph, state.open);
    const {lines, leftOut} = linesOf(together);
    const shown = new Set(lines.flatMap((line) => [line.from, line.to]));
    const nodes = leftOut ? new Map([...together.nodes].filter(([id]) => shown.has(id))) : together.nodes;
    drawNotes({all, leftOut, left, groups: together.groups, isFiltered});
    const isEmpty = nodes.size === 0;
    view.element.hidden = isEmpty;
    nothing.hidden = !isEmpty;
    update(nothing, isEmpty ? emptyPicture(isFiltered) : []);
    const shape = shapeOf(nodes, lines);
    if (shape === state.shape) view.tell(nodes);
    else view.draw(nodes, lines);
    state.shape = shape;
  }

  function emptyPicture(isFiltered) {
    if (isFiltered) return emptyState(`Nothing has “${state.filter}” in its name or routing key.`);
    return emptyState("Nothing is bound here, but each queue to the default exchange by its name.");
  }

  function drawRows(graph) {
    list.update(graph.links.slice(0, state.rows).map((each) => rowOf(each, graph.nodes)));
    const isMore = graph.links.length > state.rows;
    more.hidden = !isMore;
    if (isMore) update(more, `Show all ${format.number(graph.links.length)} rows`);
  }

  function drawNotes({all, leftOut, left, groups, isFiltered}) {
    const texts = [];
    if (all > MOST_BINDINGS) {
      texts.push(note(`There are ${format.number(all)} bindings; the first ${format.number(MOST_BINDINGS)} are looked at here.`));
    }
    if (leftOut) {
      texts.push(note(`${format.counted(leftOut, "line")} more would not be readable and ${leftOut === 1 ? "is" : "are"} left out. Filter by name to see others.`));
    }
    const closed = groups.filter((group) => !group.isOpen);
    if (closed.length) {
      const count = closed.reduce((sum, group) => sum + group.members.length, 0);
      texts.push(note(`${format.counted(count, "queue")} that are bound alike ${closed.length === 1 ? "stand together as one" : `stand together in ${closed.length} groups`}; press one to take it apart.`));
    }
    groups.forEach((group, at) => {
      if (group.isOpen) {
        texts.push(element("button", {type: "button", class: "small", "data-group": at}, `Put ${format.counted(group.members.length, "queue")} like ${group.members[0].name} together again`));
      }
    });
    if (left && !isFiltered) texts.push(note(`${format.counted(left, "exchange or queue", "exchanges and queues")} that nothing is bound to ${left === 1 ? "is" : "are"} not shown.`));
    state.groups = groups;
    update(notes, texts);
  }

  notes.addEventListener("click", (event) => {
    const pressed = event.target.closest("button[data-group]");
    if (!pressed) return;
    const {id} = state.groups[Number(pressed.dataset.group)];
    state.open.delete(id);
    draw();
    view.focus(id);
  });

  fill(
    page.view,
    element(
      "div",
      {class: "toolbar"},
      vhosts.length > 1 ? vhostChoice(page, vhosts, vhost) : null,
      filterField(state, changed),
      check("Default exchange", state.withDefault, (is) => {
        state.withDefault = is;
        changed();
      }),
      check("What nothing is bound to", state.withAlone, (is) => {
        state.withAlone = is;
        changed();
      }),
    ),
    notes,
    nothing,
    view.element,
    section("As a table", list.element, more),
  );
  page.every(null, load);
}

function listOf(queues) {
  return Array.isArray(queues) ? queues.filter((queue) => !Array.isArray(queue)) : [];
}

function note(text) {
  return element("p", {class: "graph-note"}, text);
}

function vhostChoice(page, vhosts, vhost) {
  const select = element(
    "select",
    {
      "aria-label": "Virtual host of the picture",
      onchange() {
        page.setQuery({vhost: vhosts[Number(select.value)]});
        reload();
      },
    },
    vhosts.map((name, at) => element("option", {value: at, selected: name === vhost}, name)),
  );
  return select;
}

function filterField(state, changed) {
  let typing = null;
  const input = element("input", {
    type: "search",
    "aria-label": "Filter by name or routing key",
    placeholder: "Filter by name or routing key",
    autocomplete: "off",
    spellcheck: "false",
    oninput() {
      clearTimeout(typing);
      typing = setTimeout(() => {
        state.filter = input.value;
        changed();
      }, TYPING_PAUSE_MS);
    },
  });
  input.value = state.filter;
  return element("span", {class: "filter long"}, input);
}

function check(label, is, onChange) {
  const box = element("input", {type: "checkbox", onchange: () => onChange(box.checked)});
  box.checked = is;
  return element("label", {class: "check"}, box, label);
}

const KINDS = {[BINDING]: "binding", [ALTERNATE]: "alternate exchange", [DEAD_LETTER]: "dead letters"};

function rowOf(each, nodes) {
  return {
    key: JSON.stringify([each.kind, each.from, each.to, each.key, each.arguments]),
    from: nodes.get(each.from),
    to: nodes.get(each.to),
    kind: KINDS[each.kind],
    routing_key: each.key,
    arguments: Object.keys(each.arguments).length ? JSON.stringify(each.arguments) : "",
  };
}

function bindingTable(vhost) {
  const object = (node) => [
    element("span", {class: "muted"}, `${node.kind} `),
    node.isMissing
      ? element("span", {}, node.name, " (does not exist)")
      : element("a", {href: link(`${node.kind}s`, vhost, node.name || "amq.default")}, node.name || "(default exchange)"),
  ];
  return table({
    caption: `What leads where in virtual host ${vhost}`,
    rowKey: (row) => row.key,
    columns: [
      {key: "from", title: "From", sort: true, value: (row) => row.from.name, cell: (row) => object(row.from)},
      {key: "kind", title: "Kind", sort: true, cell: (row) => element("span", {class: "nowrap"}, row.kind)},
      {key: "routing_key", title: "Routing key", sort: true, cell: (row) => element("code", {}, row.routing_key)},
      {key: "arguments", title: "Arguments", cell: (row) => element("code", {}, row.arguments)},
      {key: "to", title: "To", sort: true, value: (row) => row.to.name, cell: (row) => object(row.to)},
    ],
    empty: "Nothing leads anywhere.",
  });
}
