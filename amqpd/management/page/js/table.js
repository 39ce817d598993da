// Tables whose cells change in place, and lists of objects with filter, pages, sorting and a choice of columns.

import * as api from "./api.js";
import * as format from "./format.js";
import * as session from "./session.js";
import {element, emptyState, uniqueId, update} from "./dom.js";

const PAGE_SIZES = [50, 100, 200, 500];
const TYPING_PAUSE_MS = 250;

/**
 * A table: {element, update(items)}.
 *
 * columns: [{key, title, cell, number, sort, hint}]
 *   cell(item)  text, number, node or array of them, as `element` takes; without it item[key]
 *   number      aligned to the right
 *   sort        what the order is by if the heading is pressed: true for key, or another name; nothing: no button
 *   hint        a tooltip for the heading
 * rowKey(item)  what makes a row the same row the next time; unique
 * caption       what the table is, for those who can't see it
 * empty         text, or a function giving children, shown instead of no rows
 * order         {sort, reverse} as it is now, and onOrder({sort, reverse}) when a heading is pressed; without onOrder
 *               the table sorts what it has by itself, by value(item) of the column or item[key]
 */
export function table({columns, rowKey, caption, empty = "Nothing here.", order = {sort: null, reverse: false}, onOrder}) {
  const rows = new Map();
  const head = element("tr");
  const body = element("tbody");
  const grid = element(
    "table",
    {},
    element("caption", {class: "visually-hidden"}, caption),
    element("thead", {}, head),
    body,
  );
  const scroller = element("div", {class: "table-scroll", role: "group", "aria-label": caption, tabindex: 0}, grid);
  const nothing = element("div", {hidden: true});
  const whole = element("div", {class: "table"}, scroller, nothing);
  let shown = columns;
  let items = null;
  const now = {...order};

  function sorted() {
    const column = shown.find((each) => sortName(each) === now.sort);
    if (onOrder || column === undefined) return items;
    const of = column.value ?? ((item) => item[column.key]);
    const ordered = [...items].sort((one, other) => compare(of(one), of(other)));
    return now.reverse ? ordered.reverse() : ordered;
  }

  function press(column) {
    const name = sortName(column);
    now.reverse = now.sort === name ? !now.reverse : Boolean(column.number);
    now.sort = name;
    drawHead();
    if (onOrder) onOrder({...now});
    else if (items !== null) draw();
  }

  function drawHead() {
    update(head, shown.map((column) => heading(column)));
  }

  function heading(column) {
    const name = sortName(column);
    const is = name !== null && now.sort === name;
    return element(
      "th",
      {
        scope: "col",
        class: column.number ? "number" : null,
        title: column.hint,
        "data-column": column.key,
        "aria-sort": name === null ? null : is ? (now.reverse ? "descending" : "ascending") : "none",
      },
      name === null
        ? column.title
        : element("button", {type: "button", class: "sort", "data-sort": name}, column.title),
    );
  }

  head.addEventListener("click", (event) => {
    const pressed = event.target.closest("button[data-sort]");
    const column = pressed && shown.find((each) => sortName(each) === pressed.dataset.sort);
    if (column) press(column);
  });

  function draw() {
    const wanted = sorted();
    const kept = new Set();
    let at = 0;
    for (const item of wanted) {
      const key = rowKey(item);
      let row = rows.get(key);
      if (row === undefined) {
        row = element("tr");
        rows.set(key, row);
      }
      kept.add(key);
      drawRow(row, item);
      if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
      at += 1;
    }
    for (const [key, row] of rows) {
      if (kept.has(key)) continue;
      row.remove();
      rows.delete(key);
    }
    const isEmpty = wanted.length === 0;
    scroller.hidden = isEmpty;
    nothing.hidden = !isEmpty;
    if (isEmpty) update(nothing, typeof empty === "function" ? empty() : emptyState(empty));
  }

  function drawRow(row, item) {
    while (row.children.length > shown.length) row.lastElementChild.remove();
    shown.forEach((column, at) => {
      let cell = row.children[at];
      if (cell === undefined) {
        cell = element("td");
        row.append(cell);
      }
      cell.className = column.number ? "number" : "";
      const content = column.cell ? column.cell(item) : item[column.key];
      if (typeof content === "string" && cell.childNodes.length === 1 && cell.firstChild.nodeType === Node.TEXT_NODE) {
        if (cell.firstChild.data !== content) cell.firstChild.data = content;
      } else update(cell, typeof content === "object" ? content : String(content ?? format.NOTHING));
    });
  }

  drawHead();
  return {
    element: whole,
    /** Show these items; rows that were there are changed, not replaced. */
    update(newItems) {
      items = newItems;
      draw();
    },
    /** Show other columns. */
    setColumns(newColumns) {
      shown = newColumns;
      for (const row of rows.values()) row.replaceChildren();
      drawHead();
      if (items !== null) draw();
    },
  };
}

function sortName(column) {
  return column.sort === true ? column.key : column.sort ?? null;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one === "number" || typeof other === "number") return typeof one === "number" ? -1 : 1;
  return String(one ?? "").localeCompare(String(other ?? ""));
}

/**
 * A list of objects of the API, asked for again and again as long as the page is shown: {element, refresh()}.
 *
 * page          the page it is on; the filter, the order and the page's number are kept in its query
 * name          "queues": what preferences are kept under
 * noun          "queue": for "12 queues"
 * path          path of the API below /api, or a function giving it
 * paging        "server": the API gives pages (queues, connections, channels, exchanges); "browser": it gives all
 * columns       as of `table`, and besides
 *   group       heading in the choice of columns
 *   shown       whether it is shown at first: true unless said otherwise; may be a function
 *   fixed       can't be hidden
 *   needs       the keys of the API's items that the cell is made of, [key] unless said otherwise; with paging
 *               "server" nothing else is asked for
 * needs         keys that are always asked for
 * query         further query parameters, an object or a function giving it
 * rowKey, empty as of `table`
 * sort          order at first: {sort, reverse}
 * select        optional (items) => items, for paging "browser"
 */
export function listing(page, {
  name, noun, plural = `${noun}s`, path, paging = "browser", columns, needs = [], query = {}, rowKey, empty, sort, select, caption,
}) {
  const isServer = paging === "server";
  const state = {
    filter: page.query.get("name") ?? "",
    isRegex: page.query.get("use_regex") === "true",
    number: Number(page.query.get("page")) || 1,
    size: Number(page.query.get("page_size")) || session.preference("page_size", 100),
    sort: page.query.get("sort") ?? sort?.sort ?? null,
    reverse: page.query.has("sort") ? page.query.get("sort_reverse") === "true" : Boolean(sort?.reverse),
  };
  const count = element("span", {class: "count", "aria-live": "polite"});
  const filterProblem = element("span", {class: "field-problem", role: "alert"});
  const chosen = () => columns.filter((column) => column.fixed || isChosen(column));
  const isChosen = (column) => session.preference(`columns.${name}`, {})[column.key] ?? initially(column);
  const list = table({
    columns: chosen(),
    rowKey,
    caption: caption ?? capital(plural),
    order: {sort: state.sort, reverse: state.reverse},
    onOrder(order) {
      Object.assign(state, order, {number: 1});
      changed();
    },
    empty: () => (state.filter ? emptyState(`No ${noun} has “${state.filter}” in its name.`) : empty ? nodesOf(empty) : emptyState(`No ${plural}.`)),
  });
  const pager = element("nav", {class: "pager", "aria-label": `Pages of ${plural}`, hidden: true});

  function changed() {
    page.setQuery({
      name: state.filter,
      use_regex: state.isRegex ? "true" : null,
      page: state.number > 1 ? state.number : null,
      page_size: state.size === session.preference("page_size", 100) ? null : state.size,
      sort: state.sort,
      sort_reverse: state.reverse ? "true" : null,
    });
    repeat.now();
  }

  function move(number) {
    state.number = number;
    changed();
  }

  async function load(signal) {
    const where = typeof path === "function" ? path() : path;
    const further = typeof query === "function" ? query() : query;
    const before = JSON.stringify(state);
    let answer;
    try {
      answer = isServer
        ? await api.get(where, {
            page: state.number,
            page_size: state.size,
            name: state.filter || null,
            use_regex: state.filter && state.isRegex ? "true" : null,
            sort: state.sort,
            sort_reverse: state.reverse ? "true" : null,
            columns: needed().join(","),
            ...further,
          }, {signal})
        : paged(await api.get(where, further, {signal}));
    } catch (error) {
      if (error.status !== 400 || !state.filter) throw error;
      filterProblem.textContent = error.message;
      return;
    }
    if (JSON.stringify(state) !== before) return; // an answer to what nobody asks for any more
    filterProblem.textContent = "";
    if (state.number > 1 && state.number > answer.page_count) {
      move(Math.max(1, answer.page_count));
      return;
    }
    list.update(Array.isArray(answer.items) ? answer.items : []);
    const all = format.counted(answer.total_count, noun, plural);
    const text = state.filter ? `${format.number(answer.filtered_count)} of ${all}` : all;
    if (count.textContent !== text) count.textContent = text;
    drawPager(answer.page_count);
    whole.dataset.loaded = "true";
  }

  function needed() {
    return [...new Set([...needs, ...chosen().flatMap((column) => column.needs ?? [column.key])])];
  }

  function paged(all) {
    let items = select ? select(all) : all;
    const total = items.length;
    if (state.filter) {
      const fits = matcher(state.filter, state.isRegex);
      items = items.filter((item) => fits(String(item.name ?? rowKey(item))));
    }
    const column = columns.find((each) => sortName(each) === state.sort);
    if (column) {
      const of = column.value ?? ((item) => item[column.key]);
      items = [...items].sort((one, other) => compare(of(one), of(other)));
      if (state.reverse) items.reverse();
    }
    const start = (state.number - 1) * state.size;
    return {
      items: items.slice(start, start + state.size),
      total_count: total,
      filtered_count: items.length,
      page_count: Math.ceil(items.length / state.size),
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

  function drawPager(pages) {
    pager.hidden = pages <= 1 && state.size === session.preference("page_size", 100);
    update(
      pager,
      element("button", {type: "button", "data-move": "-1", disabled: state.number <= 1}, "Previous"),
      element("span", {class: "page-number"}, `Page ${format.number(state.number)} of ${format.number(Math.max(1, pages))}`),
      element("button", {type: "button", "data-move": "1", disabled: state.number >= pages}, "Next"),
    );
  }
  pager.addEventListener("click", (event) => {
    const by = Number(event.target.closest("button[data-move]")?.dataset.move ?? 0);
    if (by) move(state.number + by);
  });

  const whole = element(
    "div",
    {class: "listing", "data-listing": name},
    element(
      "div",
      {class: "toolbar"},
      count,
      element("span", {class: "spacer"}),
      filterProblem,
      filterField(),
      sizeField(),
      columns.some((column) => !column.fixed) ? columnChoice() : null,
    ),
    list.element,
    pager,
  );

  function filterField() {
    let typing = null;
    const input = element("input", {
      type: "search",
      "aria-label": `Filter ${plural} by name`,
      placeholder: "Filter by name",
      autocomplete: "off",
      spellcheck: "false",
      oninput() {
        clearTimeout(typing);
        typing = setTimeout(() => {
          Object.assign(state, {filter: input.value, number: 1});
          changed();
        }, TYPING_PAUSE_MS);
      },
    });
    input.value = state.filter;
    const regex = element("input", {
      type: "checkbox",
      onchange() {
        Object.assign(state, {isRegex: regex.checked, number: 1});
        changed();
      },
    });
    regex.checked = state.isRegex;
    return element(
      "span",
      {class: "filter"},
      input,
      element("label", {class: "check"}, regex, "Regex"),
    );
  }

  function sizeField() {
    const select = element(
      "select",
      {
        "aria-label": "Rows per page",
        onchange() {
          session.setPreference("page_size", Number(select.value));
          Object.assign(state, {size: Number(select.value), number: 1});
          changed();
        },
      },
      [...new Set([...PAGE_SIZES, state.size])].sort((a, b) => a - b)
        .map((size) => element("option", {value: size, selected: size === state.size}, `${size} rows`)),
    );
    return select;
  }

  function columnChoice() {
    const groups = new Map();
    for (const column of columns) {
      if (column.fixed) continue;
      const group = column.group ?? "Columns";
      groups.set(group, [...(groups.get(group) ?? []), column]);
    }
    const choice = element("details", {class: "menu"}, element("summary", {class: "button"}, "Columns"));
    const panel = element("div", {class: "menu-panel"});
    for (const [group, inside] of groups) {
      const id = uniqueId("group");
      panel.append(
        element(
          "div",
          {role: "group", "aria-labelledby": id},
          element("div", {class: "menu-title", id}, group),
          inside.map((column) => {
            const box = element("input", {
              type: "checkbox",
              "data-column": column.key,
              onchange() {
                const choices = session.preference(`columns.${name}`, {});
                session.setPreference(`columns.${name}`, {...choices, [column.key]: box.checked});
                list.setColumns(chosen());
                repeat.now();
              },
            });
            box.checked = isChosen(column);
            return element("label", {class: "check"}, box, column.label ?? column.title);
          }),
        ),
      );
    }
    choice.append(panel);
    closesOutside(choice, page);
    return choice;
  }

  const repeat = page.every(null, load);
  return {element: whole, refresh: repeat.now};
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

/** Replace a part of the page by a table that is only shown once; for what does not change. */
export function plainTable({columns, items, rowKey = (item) => JSON.stringify(item), caption, empty}) {
  const made = table({columns, rowKey, caption, empty});
  made.update(items);
  return made.element;
}

