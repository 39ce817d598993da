// Tables whose cells change in place.

import * as format from "./format.js";
import {element, emptyState, update} from "./dom.js";

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
    return ordered(items, column, now.reverse);
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

/** What the order is by if the column's heading is pressed, or null. */
export function sortName(column) {
  return column.sort === true ? column.key : column.sort ?? null;
}

/** The items in the order of a column. */
export function ordered(items, column, isReverse) {
  const of = column.value ?? ((item) => item[column.key]);
  const found = [...items].sort((one, other) => compare(of(one), of(other)));
  return isReverse ? found.reverse() : found;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one === "number" || typeof other === "number") return typeof one === "number" ? -1 : 1;
  return String(one ?? "").localeCompare(String(other ?? ""));
}
