// Fields of the administration's forms: tags, passwords, virtual hosts, permissions.

import {element, uniqueId} from "./dom.js";
import {FieldError, field} from "./form.js";

const USER_TAGS = [
  ["administrator", "may do everything"],
  ["monitoring", "sees all connections, channels and nodes"],
  ["policymaker", "sets policies and parameters in its virtual hosts"],
  ["management", "may use this page, for its virtual hosts"],
  ["impersonator", "may publish with another user's name"],
];
export const QUEUE_TYPES = [["", "Not set (classic)"], ["classic", "Classic"], ["quorum", "Quorum"], ["stream", "Stream"]];
const ALGORITHMS = ["rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512", "rabbit_password_hashing_md5"];

/** Tags with commas between, and buttons that add or take away the usual ones. */
export function tagsField({value = "", suggestions = USER_TAGS, hint} = {}) {
  const made = field({name: "tags", label: "Tags", value, hint: hint ?? "With commas between them."});
  const given = () => made.input.value.split(",").map((tag) => tag.trim()).filter(Boolean);
  const buttons = suggestions.map(([tag, meaning]) =>
    element(
      "button",
      {
        type: "button",
        class: "small quiet",
        title: meaning,
        "aria-pressed": "false",
        onclick() {
          const tags = given();
          made.input.value = (tags.includes(tag) ? tags.filter((each) => each !== tag) : [...tags, tag]).join(", ");
          mark();
        },
      },
      tag,
    ));
  const mark = () => buttons.forEach((each, at) => each.setAttribute("aria-pressed", String(given().includes(suggestions[at][0]))));
  made.input.addEventListener("input", mark);
  if (buttons.length) made.input.after(element("div", {class: "suggestions", role: "group", "aria-label": "Usual tags"}, buttons));
  mark();
  return {
    ...made,
    value: () => given().join(","),
    reset() {
      made.reset();
      mark();
    },
  };
}

/**
 * How somebody logs in: a password, none, or the hash of one; with `kept` also what is there already.
 *
 * kept: {password_hash, hashing_algorithm} of a user that there is. value() is what PUT /users takes, without its tags.
 */
export function passwordField({kept = null} = {}) {
  const id = uniqueId("login");
  const ways = [
    ...(kept ? [["kept", "Keep the password"]] : []),
    ["password", "Password"],
    ["none", "No password (certificates only)"],
    ["hash", "Password hash"],
  ];
  const way = field({name: "login", label: "Logs in with", type: "select", options: ways});
  const password = field({name: "password", label: "Password", type: "password", attributes: {autocomplete: "new-password"}});
  const again = field({name: "again", label: "The same again", type: "password", attributes: {autocomplete: "new-password"}});
  const hash = field({name: "password_hash", label: "Hash, in base64", hint: "Nothing: cannot log in with a password."});
  const algorithm = field({name: "hashing_algorithm", label: "Hashing algorithm", type: "select", options: ALGORITHMS});
  const shownWith = [[password, "password"], [again, "password"], [hash, "hash"], [algorithm, "hash"]];
  const draw = () => {
    for (const [each, with_] of shownWith) each.element.hidden = way.value() !== with_;
  };
  way.input.addEventListener("change", draw);
  draw();
  const read = {
    kept: () => kept,
    none: () => ({password_hash: ""}),
    hash: () => ({password_hash: hash.value().trim(), hashing_algorithm: algorithm.value()}),
    password() {
      if (password.value() === "") throw new FieldError("The password is empty. Choose “No password” if nobody shall log in with one.");
      if (password.value() !== again.value()) throw new FieldError("The two passwords are not the same.");
      return {password: password.value()};
    },
  };
  return {
    name: "login",
    element: element(
      "div",
      {class: "field wide fields", role: "group", "aria-labelledby": id},
      element("span", {class: "visually-hidden", id}, "Login"),
      [way, password, again, hash, algorithm].map((each) => each.element),
    ),
    value: () => read[way.value()](),
    reset() {
      for (const each of [way, password, again, hash, algorithm]) each.reset();
      draw();
    },
  };
}

/** A choice of names; they may be any texts, so a choice is told by its position. */
export function choiceField({name, label, names, value = names[0], hint, required = false}) {
  const made = field({name, label, type: "select", options: names.map((each, at) => [String(at), each]), value: String(Math.max(0, names.indexOf(value))), hint, required});
  return {...made, value: () => names[Number(made.input.value)]};
}

/** Patterns of what somebody may do. */
export function patternFields(names, values = {}) {
  const hints = {configure: "Make and delete", write: "Publish, and bind to", read: "Consume, and bind from"};
  return names.map((name) =>
    field({
      name,
      label: `${name[0].toUpperCase()}${name.slice(1)} (pattern)`,
      value: values[name] ?? ".*",
      hint: hints[name] && `${hints[name]} what has such a name. ^$ is nothing.`,
      attributes: {class: "mono"},
    }));
}
