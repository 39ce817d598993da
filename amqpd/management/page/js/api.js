// The HTTP API. Every function raises ApiError with the API's own words.

import * as session from "./session.js";
import {parsed} from "./numbers.js";

/** How long an answer to a question is waited for; what changes something may take its time. */
const GET_LIMIT_MS = 60000;
/** What is told if there is none. */
export const NO_ANSWER = "The broker does not answer.";

/** An answer that is no success. `message` is for people; status 0 means that there was no answer. */
export class ApiError extends Error {
  constructor(status, error, reason) {
    super(explained(status, error, reason));
    this.status = status;
    this.error = error;
    this.reason = reason;
  }
}

function explained(status, error, reason) {
  const text = typeof reason === "string" ? reason : reason === undefined ? "" : JSON.stringify(reason);
  if (status === 0) return text;
  if (status === 404 && text === "Not Found") return "Not found: it does not exist (any more).";
  return text || error || `The broker answered ${status}.`;
}

/**
 * A path below /api of its parts, each escaped: path("queues", "/", "a b") is "/queues/%2F/a%20b". Raises ApiError for what
 * browsers take as "here" and "above", even when it is escaped: they would ask for something else.
 */
export function path(...parts) {
  const dots = parts.find((part) => part === "." || part === "..");
  if (dots !== undefined) throw new ApiError(400, "", `Not asked for: no browser can have the name “${dots}” in a path. Commands can: rabbitmqadmin, amqpctl.`);
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** The path of a list, of the virtual host that is chosen, or of all: listPath("queues"). */
export function listPath(kind) {
  const vhost = session.chosenVhost();
  return path(kind, ...(vhost === null ? [] : [vhost]));
}

/** The name of an exchange as paths have it: the default one has none of its own. */
export function exchangeName(name) {
  return name === "" ? "amq.default" : name;
}

/** GET: the JSON. query is an object; what is null or undefined in it is left out. */
export function get(where, query = {}, {signal} = {}) {
  return request("GET", where, {query, signal, limit_ms: GET_LIMIT_MS});
}

/** PUT a value as JSON. */
export function put(where, body = {}) {
  return request("PUT", where, {body});
}

/** POST a value as JSON; the JSON of the answer, or null. */
export function post(where, body = {}) {
  return request("POST", where, {body});
}

/** DELETE. */
export function remove(where, {query = {}, headers = {}} = {}) {
  return request("DELETE", where, {query, headers});
}

/** Any request: the JSON of its answer, or null if that has none. */
export async function request(method, where, {body, ...more} = {}) {
  const text = await requestText(method, where, {...more, body: body === undefined ? undefined : JSON.stringify(body)});
  return text === "" ? null : parsed(text);
}

/** Any request, with JSON as text: that of its answer, which may be nothing. With limit_ms it is not waited for longer. */
export async function requestText(method, where, {query = {}, body, headers = {}, signal, authorization, limit_ms} = {}) {
  const url = new URL(`api${where}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  const ends = [signal, limit_ms && AbortSignal.timeout(limit_ms)].filter(Boolean);
  let answer;
  let text;
  try {
    answer = await fetch(url, {
      method,
      signal: AbortSignal.any(ends),
      credentials: "omit",
      cache: "no-store",
      headers: {
        ...(body === undefined ? {} : {"content-type": "application/json"}),
        authorization: authorization ?? session.authorization() ?? "",
        ...headers,
      },
      body,
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    const isUnanswered = error instanceof TypeError || error.name === "TimeoutError";
    throw new ApiError(0, "", isUnanswered ? NO_ANSWER : error.message);
  }
  if (answer.ok) return text;
  throw failure(answer.status, text, authorization === undefined);
}

function failure(status, text, isOfSession) {
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    told = {reason: text};
  }
  // "not_authorised" is a user who may not do this; "not_authorized", or nothing, is nobody at all.
  const isNobody = status === 401 && told.error !== "not_authorised";
  if (isNobody && isOfSession && session.authorization() !== null) session.logOut("The broker does not know this user and password any more.");
  return new ApiError(status, told.error ?? "", isNobody && !told.reason ? "Login failed" : told.reason);
}

/** Log in: raises ApiError if the broker does not let this user in. */
export async function logIn(name, password) {
  await enter(session.basic(name, password));
}

/** Log in with what is kept already, if anything is: whether it was. */
export async function resume() {
  const kept = session.authorization();
  if (kept === null) return false;
  await enter(kept.slice("Basic ".length));
  return true;
}

/** Ask which virtual hosts there are now: call it after one was made or deleted. */
export async function refreshVhosts() {
  const vhosts = await get("/vhosts", NAMES_ONLY);
  session.vhostsChanged(vhosts.map((vhost) => vhost.name));
}

const NAMES_ONLY = {columns: "name", disable_stats: true};

async function enter(credentials) {
  const authorization = `Basic ${credentials}`;
  const who = await request("GET", "/whoami", {authorization});
  const vhosts = await request("GET", "/vhosts", {authorization, query: NAMES_ONLY});
  session.keep(credentials);
  session.loggedIn(who, vhosts.map((vhost) => vhost.name));
}
