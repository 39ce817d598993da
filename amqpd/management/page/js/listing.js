// Lists of objects with filter, pages, sorting and a choice of columns.

import * as api from "./api.js";
import * as format from "./format.js";
import * as session from "./session.js";
import {element, emptyState, uniqueId, update} from "./dom.js";
import {ordered, sortName, table} from "./table.js";

const PAGE_SIZES = [50, 100, 200, 500];
const TYPING_PAUSE_MS = 250;

/**
 * A list of objects of the API, asked for again and again as long as the page is shown: {element, refresh()}.
 *
 * page          the page it is on; the filter, the order and the page's number are kept in its query
 * name          "queues": what preferences are kept under
 * noun          "queue": for "12 queues"
 * path()        path of the API below /api, where it gives pages of them: queues, connections, channels, exchanges
 * all(signal)   instead, where it gives none: async, all of them
 * columns       as of `table`, and besides
 *   group       heading in the choice of columns
 *   shown       whether it is shown at first: true unless said otherwise; may be a function
 *   fixed       can't be hidden
 *   needs       the keys of the API's items that the cell is made of, [key] unless said otherwise: with a path
 *               nothing else is asked for
 * needs         keys that are always asked for
 * rowKey, empty as of `table`
 * sort          order at first: {sort, reverse}
 * prefix        of the names in the page's query, where a page has two lists
 */
export function listing(page, {
  name, noun, plural = `${noun}s`, path, all, columns, needs = [], rowKey, empty, sort, prefix = "",
}) {
  const state = stateOf(page.query, sort, prefix);
  const count = element("span", {class: "count", "aria-live": "polite"});
  const filterProblem = element("span", {class: "field-problem", role: "alert"});
  const isChosen = (column) => session.preference(`columns.${name}`, {})[column.key] ?? initially(column);
  const chosen = () => columns.filter((column) => column.fixed || isChosen(column));
  const list = table({
    columns: chosen(),
    rowKey,
    caption: capital(plural),
    order: {sort: state.sort, reverse: state.reverse},
    onOrder: changed,
    empty: nothing,
  });
  const pager = pagerOf(state, plural, (number) => changed({number}));
  const whole = element(
    "div",
    {class: "listing", "data-listing": name},
    element(
      "div",
      {class: "toolbar"},
      count,
      element("span", {class: "spacer"}),
      filterProblem,
      filterField(state, plural, changed),
      sizeField(state, changed),
      columns.some((column) => !column.fixed) ? columnMenu(page, {name, columns, isChosen, changed: columnsChanged}) : null,
    ),
    list.element,
    pager.element,
  );

  function nothing() {
    if (session.knownVhosts().length === 0) return emptyState("You may enter no virtual host: an administrator has to give you permissions.");
    if (state.filter) return emptyState(`No ${noun} has “${state.filter}” in its name.`);
    return empty ? nodesOf(empty) : emptyState(`No ${plural}.`);
  }

  // Something else is wanted: from its first page, unless a page is what is wanted.
  function changed(wanted) {
    Object.assign(state, {number: 1}, wanted);
    page.setQuery(Object.fromEntries(Object.entries(queryOf(state)).map(([key, value]) => [prefix + key, value])));
    repeat.now();
  }

  function columnsChanged() {
    list.setColumns(chosen());
    repeat.now();
  }

  async function load(signal) {
    const before = JSON.stringify(state);
    let answer;
    try {
      answer = await fetched(signal);
    } catch (error) {
      if (error.status !== 400 || !state.filter) throw error;
      filterProblem.textContent = error.message;
      return;
    }
    if (JSON.stringify(state) !== before) return; // an answer to what nobody asks for any more
    filterProblem.textContent = "";
    if (state.number > 1 && state.number > answer.page_count) {
      changed({number: Math.max(1, answer.page_count)});
      return;
    }
    list.update(Array.isArray(answer.items) ? answer.items : []);
    const total = format.counted(answer.total_count, noun, plural);
    const text = state.filter ? `${format.number(answer.filtered_count)} of ${total}` : total;
    if (count.textContent !== text) count.textContent = text;
    pager.update(answer.page_count);
  }

  async function fetched(signal) {
    if (all) return pageOf(await all(signal), state, columns, rowKey);
    return api.get(path(), {...askedOf(state), columns: needed().join(",")}, {signal});
  }

  function needed() {
    return [...new Set([...needs, ...chosen().flatMap((column) => column.needs ?? [column.key])])];
  }

  const repeat = page.every(null, load);
  return {element: whole, refresh: repeat.now};
}

// What is wanted: filter, order and page, as the page's query has them, and as the API takes them

const usualSize = () => session.preference("page_size", 100);

function stateOf(query, sort, prefix) {
  const get = (key) => query.get(prefix + key);
  return {
    filter: get("name") ?? "",
    isRegex: get("use_regex") === "true",
    number: Number(get("page")) || 1,
    size: Number(get("page_size")) || usualSize(),
    sort: get("sort") ?? sort?.sort ?? null,
    reverse: get("sort") === null ? Boolean(sort?.reverse) : get("sort_reverse") === "true",
  };
}

function queryOf(state) {
  return {
    name: state.filter,
    use_regex: state.isRegex ? "true" : null,
    page: state.number > 1 ? state.number : null,
    page_size: state.size === usualSize() ? null : state.size,
    sort: state.sort,
    sort_reverse: state.reverse ? "true" : null,
  };
}

function askedOf(state) {
  return {
    page: state.number,
    page_size: state.size,
    name: state.filter || null,
    use_regex: state.filter && state.isRegex ? "true" : null,
    sort: state.sort,
    sort_reverse: state.reverse ? "true" : null,
  };
}

// The same as the API gives it, of all items.
function pageOf(all, state, columns, rowKey) {
  const fits = state.filter ? matcher(state.filter, state.isRegex) : () => true;
  const found = all.filter((item) => fits(String(item.name ?? rowKey(item))));
  const column = columns.find((each) => sortName(each) === state.sort);
  const start = (state.number - 1) * state.size;
  return {
    items: (column ? ordered(found, column, state.reverse) : found).slice(start, start + state.size),
    total_count: all.length,
    filtered_count: found.length,
    page_count: Math.ceil(found.length / state.size),
  };
}

function matcher(text, isRegex) {
  if (!isRegex) return (candidate) => candidate.toLowerCase().includes(text.toLowerCase());
  let expression;
  try {
    expression = new RegExp(text, "i");
  } catch (error) {
    throw new api.ApiError(400, "bad_request", error.message);
  }
  return (candidate) => expression.test(candidate);
}

// What stands above and below the table

function pagerOf(state, plural, move) {
  const pager = element("nav", {class: "pager", "aria-label": `Pages of ${plural}`, hidden: true});
  pager.addEventListener("click", (event) => {
    const by = Number(event.target.closest("button[data-move]")?.dataset.move ?? 0);
    if (by) move(state.number + by);
  });
  return {
    element: pager,
    update(pages) {
      const {number} = state;
      pager.hidden = pages <= 1 && state.size === usualSize();
      update(
        pager,
        element("button", {type: "button", "data-move": "-1", disabled: number <= 1}, "Previous"),
        element("span", {class: "page-number"}, `Page ${format.number(number)} of ${format.number(Math.max(1, pages))}`),
        element("button", {type: "button", "data-move": "1", disabled: number >= pages}, "Next"),
      );
    },
  };
}

function filterField(state, plural, changed) {
  let typing = null;
  const input = element("input", {
    type: "search",
    "aria-label": `Filter ${plural} by name`,
    placeholder: "Filter by name",
    autocomplete: "off",
    spellcheck: "false",
    oninput() {
      clearTimeout(typing);
      typing = setTimeout(() => changed({filter: input.value}), TYPING_PAUSE_MS);
    },
  });
  input.value = state.filter;
  const regex = element("input", {type: "checkbox", onchange: () => changed({isRegex: regex.checked})});
  regex.checked = state.isRegex;
  return element("span", {class: "filter"}, input, element("label", {class: "check"}, regex, "Regex"));
}

function sizeField(state, changed) {
  const select = element(
    "select",
    {
      "aria-label": "Rows per page",
      onchange() {
        session.setPreference("page_size", Number(select.value));
        changed({size: Number(select.value)});
      },
    },
    [...new Set([...PAGE_SIZES, state.size])].sort((one, other) => one - other)
      .map((size) => element("option", {value: size, selected: size === state.size}, `${size} rows`)),
  );
  return select;
}

function columnMenu(page, {name, columns, isChosen, changed}) {
  const groups = new Map();
  for (const column of columns) {
    if (column.fixed) continue;
    const group = column.group ?? "Columns";
    groups.set(group, [...(groups.get(group) ?? []), column]);
  }
  const choose = (column, isShown) => {
    const choices = session.preference(`columns.${name}`, {});
    session.setPreference(`columns.${name}`, {...choices, [column.key]: isShown});
    changed();
  };
  const menu = element(
    "details",
    {class: "menu"},
    element("summary", {class: "button"}, "Columns"),
    element("div", {class: "menu-panel"}, [...groups].map(([group, inside]) => columnGroup(group, inside, isChosen, choose))),
  );
  closesOutside(menu, page);
  return menu;
}

function columnGroup(title, columns, isChosen, choose) {
  const id = uniqueId("group");
  return element(
    "div",
    {role: "group", "aria-labelledby": id},
    element("div", {class: "menu-title", id}, title),
    columns.map((column) => {
      const box = element("input", {type: "checkbox", "data-column": column.key, onchange: () => choose(column, box.checked)});
      box.checked = isChosen(column);
      return element("label", {class: "check"}, box, column.label ?? column.title);
    }),
  );
}

/** Let an open menu close with Escape, or when something else is pressed. */
function closesOutside(menu, page) {
  const onPress = (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  };
  document.addEventListener("pointerdown", onPress);
  page.onLeave(() => document.removeEventListener("pointerdown", onPress));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

function initially(column) {
  return typeof column.shown === "function" ? column.shown() : column.shown ?? true;
}

function nodesOf(empty) {
  return typeof empty === "function" ? empty() : emptyState(empty);
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A column with the virtual host, shown if there is more than one and none is chosen. */
export function vhostColumn() {
  return {
    key: "vhost",
    title: "Virtual host",
    group: "Overview",
    sort: true,
    shown: () => session.knownVhosts().length > 1 && session.chosenVhost() === null,
  };
}
