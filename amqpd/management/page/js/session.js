// Who has logged in, what that user may see, and what this browser likes. Says so when any of it changes.

const CREDENTIALS = "amqpd.credentials";
const PREFERENCE = "amqpd.";

let user = null;
let vhosts = [];

/** Tells of "login", "logout", "vhost" (another is chosen), "vhosts" (there are others) and "interval". */
export const changes = new EventTarget();

function tell(name) {
  changes.dispatchEvent(new Event(name));
}

/** The value of the header Authorization, or null before the login. */
export function authorization() {
  const credentials = sessionStorage.getItem(CREDENTIALS);
  return credentials === null ? null : `Basic ${credentials}`;
}

/** Basic credentials of a name and a password; any Unicode. */
export function basic(name, password) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(`${name}:${password}`)));
}

/** Keep the credentials until the tab is closed. */
export function keep(credentials) {
  sessionStorage.setItem(CREDENTIALS, credentials);
}

/** Forget who it was; `reason` is told on the page to log in. */
export function logOut(reason = "") {
  sessionStorage.removeItem(CREDENTIALS);
  user = null;
  vhosts = [];
  changes.dispatchEvent(new CustomEvent("logout", {detail: reason}));
}

/** What GET /whoami says and the names of the virtual hosts the user may see, after a login. */
export function loggedIn(who, names) {
  user = {name: who.name, tags: Array.isArray(who.tags) ? who.tags : String(who.tags).split(",")};
  vhosts = names;
  if (chosenVhost() !== null && !vhosts.includes(chosenVhost())) sessionStorage.removeItem(PREFERENCE + "vhost");
  tell("login");
}

/** {name, tags} of who has logged in, or null. */
export function currentUser() {
  return user;
}

function hasTag(...tags) {
  return user !== null && tags.some((tag) => user.tags.includes(tag));
}

/** May do everything. */
export function isAdministrator() {
  return hasTag("administrator");
}

/** May see nodes, and what others do. */
export function isMonitor() {
  return hasTag("administrator", "monitoring");
}

/** May set policies. */
export function isPolicymaker() {
  return hasTag("administrator", "policymaker");
}

/** The names of all virtual hosts that the user may see. */
export function knownVhosts() {
  return vhosts;
}

/** There are others now. */
export function vhostsChanged(names) {
  if (names.join("\n") === vhosts.join("\n")) return;
  vhosts = names;
  tell("vhosts");
  if (chosenVhost() !== null && !vhosts.includes(chosenVhost())) chooseVhost(null);
}

/** The virtual host whose objects are shown, or null for all. */
export function chosenVhost() {
  return sessionStorage.getItem(PREFERENCE + "vhost");
}

/** Show only this one from now on, or all (null). */
export function chooseVhost(name) {
  if (name === null) sessionStorage.removeItem(PREFERENCE + "vhost");
  else sessionStorage.setItem(PREFERENCE + "vhost", name);
  tell("vhost");
}

/** How often pages ask again, in ms; 0 is never. */
export function refreshInterval() {
  return preference("interval", 5000);
}

/** Ask so often from now on. */
export function setRefreshInterval(ms) {
  setPreference("interval", ms);
  tell("interval");
}

/** Something this browser remembers, JSON; `otherwise` if it does not. */
export function preference(name, otherwise) {
  try {
    const text = localStorage.getItem(PREFERENCE + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** Remember it. */
export function setPreference(name, value) {
  localStorage.setItem(PREFERENCE + name, JSON.stringify(value));
}
