// The frame around every page: logging in, where to go, which virtual host, how often to ask.

import * as api from "./api.js";
import * as format from "./format.js";
import * as router from "./router.js";
import * as session from "./session.js";
import {button, element, fill, uniqueId} from "./dom.js";
import {field, form} from "./form.js";

const INTERVALS = [[5000, "Every 5 seconds"], [10000, "Every 10 seconds"], [30000, "Every 30 seconds"], [0, "Do not refresh"]];
const THEMES = [["", "System colours"], ["light", "Light"], ["dark", "Dark"]];
const everybody = () => true;

/** What the navigation offers: hash, label, who sees it. */
const PLACES = [
  ["Broker", [
    ["", "Overview", everybody],
    ["connections", "Connections", everybody],
    ["channels", "Channels", everybody],
    ["exchanges", "Exchanges", everybody],
    ["queues", "Queues", everybody],
    ["bindings", "Bindings", everybody],
  ]],
  ["Administration", [
    ["users", "Users", session.isAdministrator],
    ["vhosts", "Virtual hosts", session.isAdministrator],
    ["policies", "Policies", everybody],
    ["limits", "Limits", session.isAdministrator],
    ["definitions", "Definitions", session.isAdministrator],
    ["feature-flags", "Feature flags", session.isAdministrator],
    ["cluster-name", "Cluster", session.isAdministrator],
  ]],
];

const notices = element("div", {id: "notices", role: "status", "aria-live": "polite"});

function showLogin(reason = "") {
  router.stop();
  document.title = "Log in – amqpd";
  const problem = element("p", {class: "form-problem", role: "alert", hidden: reason === ""}, reason);
  const login = form({
    label: "Log in",
    fields: [
      field({name: "username", label: "Username", attributes: {autocomplete: "username", required: true, autocapitalize: "none"}}),
      field({name: "password", label: "Password", type: "password", attributes: {autocomplete: "current-password"}}),
    ],
    submit: "Log in",
    async send({username, password}) {
      problem.hidden = true;
      await api.logIn(username, password);
      showPages();
    },
    keep: true,
  });
  document.body.className = "login-body";
  fill(
    document.body,
    element(
      "main",
      {class: "login"},
      element("div", {class: "card"}, logo(), element("h1", {}, "Log in"), problem, login),
      themeChoice(),
    ),
    notices,
  );
  login.querySelector("input").focus();
}

function logo() {
  return element("span", {class: "logo"}, element("img", {src: "icon.svg", alt: "", width: 26, height: 26}), element("span", {}, "amqpd"));
}

function select(label, options, value, onchange, isLabelShown = true) {
  const id = uniqueId("choice");
  const made = element("select", {id, onchange: () => onchange(made.value)}, options.map(([key, text]) => element("option", {value: key}, text)));
  made.value = value;
  return element("span", {class: "choice"}, element("label", {for: id, class: isLabelShown ? null : "visually-hidden"}, label), made);
}

function themeChoice() {
  return select("Colours", THEMES, localStorage.getItem("amqpd.theme") ?? "", (theme) => {
    if (theme === "") {
      localStorage.removeItem("amqpd.theme");
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem("amqpd.theme", theme);
      document.documentElement.dataset.theme = theme;
    }
  }, false);
}

function intervals() {
  const chosen = session.refreshInterval();
  return INTERVALS.some(([ms]) => ms === chosen) ? INTERVALS : [[chosen, `Every ${format.duration(chosen)}`], ...INTERVALS];
}

function vhostChoice() {
  const names = session.knownVhosts();
  // The value is the position: a name could be anything, also nothing.
  const options = [["", "All virtual hosts"], ...names.map((name, at) => [String(at), name])];
  const chosen = names.indexOf(session.chosenVhost() ?? "");
  const value = session.chosenVhost() === null || chosen < 0 ? "" : String(chosen);
  return select("Virtual host", options, value, (at) => session.chooseVhost(at === "" ? null : names[Number(at)]));
}

function navigation() {
  return PLACES.map(([heading, places]) => {
    const shown = places.filter(([, , mayShow]) => mayShow());
    if (shown.length === 0) return null;
    const id = uniqueId("places");
    return [
      element("div", {class: "nav-title", id}, heading),
      element("ul", {"aria-labelledby": id}, shown.map(([hash, label]) => element("li", {}, element("a", {href: `#/${hash}`, "data-section": hash}, label)))),
    ];
  });
}

function markPlace(section) {
  const own = {nodes: "", "operator-policies": "policies"}[section] ?? section;
  for (const place of document.querySelectorAll("#places a")) {
    if (place.dataset.section === own) place.setAttribute("aria-current", "page");
    else place.removeAttribute("aria-current");
  }
}

let drawVhosts = () => {};

// The navigation stays below the top, which has two lines if there is no room.
const heightOfTop = new ResizeObserver(([{target}]) => {
  document.documentElement.style.setProperty("--top-height", `${target.offsetHeight}px`);
});

function showPages() {
  const user = session.currentUser();
  const places = element("nav", {id: "places", "aria-label": "Main"}, navigation());
  const menu = button("Menu", () => setMenu(menu.getAttribute("aria-expanded") !== "true"), {class: "menu-button", "aria-expanded": "false", "aria-controls": "places"});
  const setMenu = (isOpen) => {
    menu.setAttribute("aria-expanded", String(isOpen));
    document.body.classList.toggle("menu-open", isOpen);
  };
  places.addEventListener("click", (event) => {
    if (event.target.closest("a")) setMenu(false);
  });
  const main = element("main", {id: "main", tabindex: -1});
  const vhost = element("span", {}, vhostChoice());
  const cluster = element("span", {class: "cluster", title: "Name of the cluster"});
  const header = element(
    "header",
    {class: "top"},
    menu,
    element("a", {href: "#/", class: "home", "aria-label": "amqpd, overview"}, logo()),
    cluster,
    element("span", {class: "spacer"}),
    element(
      "div",
      {class: "choices"},
      vhost,
      select("Refresh", intervals(), String(session.refreshInterval()), (ms) => session.setRefreshInterval(Number(ms))),
      themeChoice(),
      element(
        "span",
        {class: "who"},
        element("span", {title: `${user.name}; tags: ${user.tags.join(", ") || "none"}`}, user.name),
        button("Log out", () => session.logOut(), {id: "log-out"}),
      ),
    ),
  );
  heightOfTop.disconnect();
  heightOfTop.observe(header);
  document.body.className = "app";
  fill(
    document.body,
    element("a", {
      class: "skip",
      href: "#main",
      onclick(event) {
        event.preventDefault();
        main.focus();
        main.scrollIntoView();
      },
    }, "Skip to content"),
    header,
    places,
    main,
    notices,
  );
  drawVhosts = () => fill(vhost, vhostChoice());
  api.get("/cluster-name").then(({name}) => {
    cluster.textContent = name;
  }, () => {});
  router.start(main);
}

window.addEventListener("page", (event) => {
  markPlace(event.detail.section);
  api.refreshVhosts().catch(() => {});
});
session.changes.addEventListener("logout", (event) => showLogin(event.detail));
session.changes.addEventListener("vhosts", () => drawVhosts());
session.changes.addEventListener("vhost", () => router.reload());

try {
  if (await api.resume()) showPages();
  else showLogin();
} catch (error) {
  showLogin(error.message);
}
