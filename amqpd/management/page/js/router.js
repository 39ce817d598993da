// Which page a hash shows, as RabbitMQ has them, and what a page is given.
//
// A page is a module in pages/ that exports
//   title      text, or a function (page) => text
//   within     optional: {label, href} of the list that it is in, or a function (page) => that
//   show(page) async: fills page.view. What it raises is shown instead.
// and `page` is
//   view       the element to fill
//   heading    the h1, for badges beside the title
//   parameters the parts of the hash that stand for names, decoded: ["/", "orders"]
//   query      URLSearchParams of what follows "?" in the hash
//   signal     aborted when the page is left: hand it to api.get
//   every(ms, work)  calls work(signal) at once and again ms after it is done, as long as the page is shown and the
//              browser's tab is looked at; ms null is the interval that the user has chosen. Never two at a time. What
//              work raises is shown above the page until it succeeds again. Gives {now}, which asks at once.
//   onLeave(f) f is called when the page is left
//   setQuery(object) changes the hash's query without showing the page again; null and "" take a name away

import * as session from "./session.js";
import {element, fill} from "./dom.js";
import {ApiError, NO_ANSWER} from "./api.js";

const NAME = Symbol("name");
const AGAIN_MS = 5000;

/** Hash routes; NAME stands for any one part. The first that fits is shown. */
const ROUTES = [
  ["overview"],
  ["connections", "connections"],
  ["connection", "connections", NAME],
  ["channels", "channels"],
  ["channel", "channels", NAME],
  ["exchanges", "exchanges"],
  ["exchange", "exchanges", NAME, NAME],
  ["messages", "exchanges", NAME, NAME, "messages"],
  ["queues", "queues"],
  ["queue", "queues", NAME, NAME],
  ["messages", "queues", NAME, NAME, "messages"],
  ["bindings", "bindings"],
  ["node", "nodes", NAME],
  ["users", "users"],
  ["user", "users", NAME],
  ["vhosts", "vhosts"],
  ["vhost", "vhosts", NAME],
  ["policies", "policies"],
  ["policies", "policies", NAME, NAME],
  ["policies", "operator-policies"],
  ["policies", "operator-policies", NAME, NAME],
  ["limits", "limits"],
  ["definitions", "definitions"],
  ["feature-flags", "feature-flags"],
  ["cluster-name", "cluster-name"],
];

let place = null;
let leave = () => {};
let shown = 0;

/** A hash of its parts, each escaped: link("queues", "/", "a b") is "#/queues/%2F/a%20b". */
export function link(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Show another page. */
export function go(hash) {
  if (location.hash === hash) reload();
  else location.hash = hash;
}

/** Show the page that is shown once more, from its beginning. */
export function reload() {
  show(false);
}

/** Show pages in this element from now on, and whenever the hash changes. */
export function start(view) {
  place = view;
  show(false);
}

window.addEventListener("hashchange", () => show(true));

/** Show nothing; what the page was doing ends. */
export function stop() {
  leave();
  leave = () => {};
  place?.replaceChildren();
  place = null;
}

/** What the hash says: {segments, query}; segments that can't be decoded are null. */
function asked() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  try {
    const segments = path === "" ? [] : path.split("/").map(decodeURIComponent);
    return {segments, query: new URLSearchParams(query)};
  } catch {
    return {segments: null, query: new URLSearchParams()};
  }
}

function found(segments) {
  if (segments === null) return null;
  for (const [module, ...pattern] of ROUTES) {
    const fits = pattern.length === segments.length &&
      pattern.every((part, at) => part === NAME || part === segments[at]);
    if (fits) return {module, parameters: segments.filter((_, at) => pattern[at] === NAME)};
  }
  return null;
}

async function show(isMove) {
  if (place === null) return;
  leave();
  shown += 1;
  const mine = shown;
  const {segments, query} = asked();
  const route = found(segments);
  window.dispatchEvent(new CustomEvent("page", {detail: {section: segments?.[0] ?? ""}}));
  if (route === null) {
    missing();
    return;
  }
  const page = made(route.parameters, query);
  try {
    const module = await loaded(route.module);
    if (mine !== shown) return;
    begin(page, module, isMove);
    await module.show(page);
    if (!page.isRepeated) page.succeed();
  } catch (error) {
    if (mine !== shown || page.signal.aborted) return;
    if (!page.view.isConnected) fill(place, element("h1", {}, "Not shown"), page.problem, page.view);
    page.fail(error, true);
    if (error.status === 0) tryAgain(page);
  }
}

async function loaded(name) {
  try {
    return await import(`./pages/${name}.js`);
  } catch (error) {
    if (error instanceof TypeError) throw new ApiError(0, "", NO_ANSWER);
    throw error;
  }
}

// A page that has not begun asks for nothing by itself.
function tryAgain(page) {
  const timer = setTimeout(reload, session.refreshInterval() || AGAIN_MS);
  page.onLeave(() => clearTimeout(timer));
}

function missing() {
  document.title = "Not found – amqpd";
  fill(
    place,
    element("h1", {}, "There is no such page"),
    element("p", {}, element("a", {href: "#/"}, "Go to the overview")),
  );
  leave = () => {};
}

function begin(page, module, isMove) {
  const title = typeof module.title === "function" ? module.title(page) : module.title;
  const within = typeof module.within === "function" ? module.within(page) : module.within;
  document.title = `${title} – amqpd`;
  page.heading.textContent = title;
  fill(
    place,
    element(
      "div",
      {class: "page-head"},
      within ? element("nav", {class: "trail", "aria-label": "Breadcrumb"}, element("a", {href: within.href}, within.label)) : null,
      page.heading,
    ),
    page.problem,
    page.view,
  );
  if (isMove) {
    window.scrollTo(0, 0);
    page.heading.focus();
  }
}

function made(parameters, query) {
  const controller = new AbortController();
  const {signal} = controller;
  const problem = element("div", {class: "problem", role: "alert", hidden: true});
  const left = [];
  leave = () => {
    controller.abort();
    for (const each of left.splice(0)) each();
  };
  const succeed = () => {
    page.wasShown = true;
    page.view.hidden = false;
    page.view.dataset.loaded = "true";
    problem.hidden = true;
    problem.textContent = "";
  };
  const fail = (error, isFinal = false) => {
    if (signal.aborted) return;
    if (!(error instanceof ApiError)) console.error(error);
    problem.hidden = false;
    // Forms and empty tables of what is not there, or not known, would mislead.
    page.view.hidden = !page.wasShown;
    const prefix = isFinal || !page.wasShown ? "" : "Not refreshed: ";
    if (problem.textContent !== prefix + error.message) problem.textContent = prefix + error.message;
  };
  const page = {
    view: element("div", {class: "page"}),
    heading: element("h1", {tabindex: -1}),
    problem,
    parameters,
    query,
    signal,
    succeed,
    fail,
    wasShown: false,
    isRepeated: false,
    onLeave: (work) => left.push(work),
    every(ms, work) {
      page.isRepeated = true;
      return repeated(page, ms, work);
    },
    setQuery(values) {
      for (const [name, value] of Object.entries(values)) {
        if (value === null || value === undefined || value === "") query.delete(name);
        else query.set(name, value);
      }
      const path = location.hash.split("?")[0];
      const text = String(query);
      history.replaceState(null, "", text === "" ? path : `${path}?${text}`);
    },
  };
  return page;
}

function repeated(page, ms, work) {
  let timer = null;
  let isRunning = false;
  let isWanted = false;
  const later = () => {
    clearTimeout(timer);
    const pause = ms ?? session.refreshInterval();
    if (pause > 0 && !page.signal.aborted && !document.hidden) timer = setTimeout(now, pause);
  };
  async function now() {
    if (page.signal.aborted) return;
    if (isRunning) {
      isWanted = true;
      return;
    }
    isRunning = true;
    clearTimeout(timer);
    do {
      isWanted = false;
      try {
        await work(page.signal);
        page.succeed();
      } catch (error) {
        page.fail(error);
      }
    } while (isWanted && !page.signal.aborted);
    isRunning = false;
    later();
  }
  const onVisible = () => {
    if (document.hidden) clearTimeout(timer);
    else now();
  };
  document.addEventListener("visibilitychange", onVisible);
  if (ms === null || ms === undefined) session.changes.addEventListener("interval", later);
  page.onLeave(() => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisible);
    session.changes.removeEventListener("interval", later);
  });
  now();
  return {now};
}
