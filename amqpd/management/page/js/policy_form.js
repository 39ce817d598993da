// The form of a policy: known keys with values of their types, and what its pattern would match.

import * as api from "./api.js";
import * as format from "./format.js";
import {element, fill, uniqueId, update} from "./dom.js";
import {FieldError, field, form} from "./form.js";
import {choiceField} from "./admin_fields.js";
import {KEYS, TARGETS, TYPES, fits, knownKey, passedOver, wins} from "./policy_keys.js";
import {isNumber, number} from "./numbers.js";
import {PatternSearch} from "./pattern_search.js";
import {explaining} from "./reasons.js";
import {link} from "./router.js";

const NAMES_SHOWN = 12;
const TYPING_PAUSE_MS = 250;
const NAMES_REFRESH_MS = 30000;

/** Known, and suggested while somebody types, but nothing that one node without plugins does anything with. */
const WITHOUT_EFFECT = new Set(["Federation", "Mirroring", "Sharding"]);

/** The kinds of policies: path of the API and of the pages, and what they are called. */
export const POLICIES = {
  policies: {noun: "policy", plural: "policies", key: "policy", isOperator: false},
  "operator-policies": {noun: "operator policy", plural: "operator policies", key: "operator_policy", isOperator: true},
};

/**
 * A form that makes a policy, or changes one: policyForm(page, {kind, vhosts, policy, done}).
 *
 * kind: "policies" or "operator-policies"; policy: as the API tells it, if there is one; done(vhost, name) afterwards.
 */
export function policyForm(page, {kind, vhosts, vhost = vhosts[0], policy = null, done}) {
  const {noun, isOperator} = POLICIES[kind];
  const fields = {
    vhost: policy ? null : choiceField({name: "vhost", label: "Virtual host", names: vhosts, value: vhost}),
    name: policy ? null : field({name: "name", label: "Name", required: true}),
    pattern: field({name: "pattern", label: "Pattern", value: policy?.pattern, required: true, hint: "A regular expression, searched in names. ^ is the beginning, $ the end.", attributes: {class: "mono"}}),
    target: field({name: "apply-to", label: "Apply to", type: "select", options: Object.entries(TARGETS).filter(([key]) => !isOperator || key !== "exchanges"), value: policy?.["apply-to"] ?? (isOperator ? "queues" : "all")}),
    priority: field({name: "priority", label: "Priority", value: policy?.priority ?? 0, hint: "The highest one wins.", attributes: {inputmode: "numeric"}}),
    definition: definitionField(isOperator, policy?.definition ?? {}),
  };
  const preview = matchPreview(page, kind, policy, () => ({
    vhost: policy ? policy.vhost : fields.vhost.value(),
    name: policy ? policy.name : fields.name.value(),
    pattern: fields.pattern.value(),
    applyTo: fields.target.value(),
    priority: Number(fields.priority.value()),
    keys: fields.definition.keys(),
  }));
  const made = form({
    label: policy ? `Change ${noun} ${policy.name}` : `Add or change a ${noun}`,
    fields: [...Object.values(fields).filter(Boolean), preview.element],
    submit: policy ? `Change ${noun}` : `Set ${noun}`,
    keep: policy !== null,
    send: explaining(async (values) => {
      const where = [policy?.vhost ?? values.vhost, policy?.name ?? values.name];
      await api.put(api.path(kind, ...where), {
        pattern: values.pattern,
        "apply-to": values["apply-to"],
        priority: numberOf(values.priority, "priority"),
        definition: values.definition,
      });
      preview.refresh();
      done(...where);
    }),
    done: (values) => `The ${noun} ${policy?.name ?? values.name} is set.`,
  });
  made.addEventListener("input", preview.changed);
  made.addEventListener("change", preview.changed);
  fields.definition.onChange(preview.changed);
  return made;
}

function numberOf(text, name) {
  const found = number(text);
  if (found === null) throw new FieldError(`${name} must be a number, not “${text}”.`);
  return found;
}

// The definition

function definitionField(isOperator, definition) {
  const rows = element("div", {class: "argument-rows"});
  const label = uniqueId("definition");
  const listId = uniqueId("keys");
  const offered = KEYS.filter((key) => !isOperator || key.isOperator);
  const groups = [...new Set(offered.filter((key) => !WITHOUT_EFFECT.has(key.group)).map((key) => key.group))];
  let tell = () => {};

  function add(name = "", value = undefined, isFocused = true) {
    const row = definitionRow(listId, name, value, () => {
      row.element.remove();
      tell();
    });
    row.element.row = row;
    rows.append(row.element);
    if (isFocused) row.focus();
    tell();
  }

  function suggest(name) {
    const there = [...rows.children].find((each) => each.row.key() === name);
    if (there) there.row.focus();
    else add(name);
  }

  const reset = () => {
    rows.replaceChildren();
    for (const [name, value] of Object.entries(definition)) add(name, value, false);
  };
  reset();
  return {
    name: "definition",
    element: element(
      "div",
      {class: "field wide arguments", role: "group", "aria-labelledby": label},
      element("span", {class: "label", id: label}, "Definition", element("span", {class: "required", title: "needed"}, " *")),
      element("datalist", {id: listId}, offered.map((key) => element("option", {value: key.name}, key.meaning))),
      rows,
      element(
        "div",
        {class: "key-groups"},
        groups.map((group) =>
          element(
            "div",
            {class: "key-group", role: "group", "aria-label": group},
            element("span", {class: "hint"}, group),
            element("span", {class: "suggestions"}, offered.filter((key) => key.group === group).map((key) =>
              element("button", {type: "button", class: "small quiet", title: key.meaning, "data-key": key.name, onclick: () => suggest(key.name)}, key.name))),
          )),
        element("div", {class: "key-group"}, element("span", {class: "hint"}, "Other"), element("span", {}, element("button", {type: "button", class: "small", onclick: () => add()}, "Another key"))),
      ),
    ),
    reset,
    keys: () => [...rows.children].map((each) => each.row.key()).filter(Boolean),
    value: () => Object.fromEntries([...rows.children].map((each) => each.row.read()).filter(Boolean)),
    onChange(work) {
      tell = work;
    },
  };
}

const CHOICE = "choice";

function definitionRow(listId, name, value, remove) {
  const key = element("input", {type: "text", class: "argument-key mono", list: listId, placeholder: "key", "aria-label": "Key", autocomplete: "off", spellcheck: "false"});
  const type = element("select", {"aria-label": "Type"});
  const place = element("span", {class: "argument-value"});
  const meaning = element("span", {class: "hint argument-meaning"});
  key.value = name;

  function typesOf(known) {
    return known?.types ?? (known === undefined ? TYPES : [known.type]);
  }

  // A key that is known has its type; another can have any.
  function drawTypes() {
    const known = knownKey(key.value);
    const types = typesOf(known);
    const before = type.value;
    fill(type, types.map((each) => element("option", {value: each}, each === CHOICE ? "one of these" : each)));
    if (types.includes(before)) type.value = before;
    type.hidden = types.length === 1;
    drawValue();
    fill(meaning, known?.meaning ?? "");
  }

  function drawValue() {
    const known = knownKey(key.value);
    const before = place.firstChild?.value ?? "";
    const shared = {"aria-label": `Value of ${key.value || "the key"}`};
    if (type.value === CHOICE) {
      fill(place, element("select", shared, known.choices.map((each) => element("option", {value: each}, String(each)))));
      if (known.choices.map(String).includes(before)) place.firstChild.value = before;
    } else if (type.value === "truth") {
      fill(place, element("select", shared, ["true", "false"].map((each) => element("option", {}, each))));
    } else {
      const hint = {number: "number", list: "one, another", text: "text"}[type.value];
      fill(place, element("input", {type: "text", autocomplete: "off", spellcheck: "false", placeholder: hint, inputmode: type.value === "number" ? "numeric" : null, ...shared}));
      place.firstChild.value = before;
    }
  }

  key.addEventListener("input", drawTypes);
  type.addEventListener("change", drawValue);
  drawTypes();
  if (value !== undefined) {
    const kind = kindOf(value);
    if ([...type.options].some((option) => option.value === kind)) type.value = kind;
    drawValue();
    place.firstChild.value = Array.isArray(value) ? value.join(", ") : String(value);
  }
  return {
    element: element(
      "div",
      {class: "argument-row definition-row"},
      key,
      element("span", {class: "equals", "aria-hidden": "true"}, "="),
      place,
      type,
      element("button", {type: "button", class: "plain", "aria-label": "Remove this key", onclick: remove}, "×"),
      meaning,
    ),
    key: () => key.value.trim(),
    focus: () => (key.value === "" ? key : place.firstChild).focus(),
    read() {
      const text = place.firstChild.value;
      const called = key.value.trim();
      if (called === "" && text.trim() === "") return null;
      if (called === "") throw new FieldError(`A value without a key: ${text}`);
      return [called, typedValue(called, text, type.value)];
    },
  };
}

function kindOf(value) {
  if (isNumber(value)) return "number";
  if (Array.isArray(value)) return "list";
  return typeof value === "boolean" ? "truth" : "text";
}

function typedValue(key, text, type) {
  if (type === "number") return numberOf(text, key);
  if (type === "truth") return text === "true";
  if (type === "list") return text.split(",").map((each) => each.trim()).filter(Boolean);
  if (type === CHOICE) return knownKey(key).choices.find((choice) => String(choice) === text);
  return text;
}

// What the pattern matches

function matchPreview(page, kind, policy, wanted) {
  const {key, noun} = POLICIES[kind];
  const told = element("p", {class: "preview-told", role: "status"});
  const names = element("ul", {class: "preview-names"});
  const notes = element("div", {});
  const search = new PatternSearch();
  let timer = null;
  let objects = null;
  page.onLeave(() => {
    clearTimeout(timer);
    search.end();
  });

  function changed() {
    clearTimeout(timer);
    timer = setTimeout(() => draw().catch(page.fail), TYPING_PAUSE_MS);
  }

  async function fetched(vhost) {
    if (objects?.vhost === vhost && performance.now() - objects.at_ms < NAMES_REFRESH_MS) return objects;
    const [queues, exchanges, policies] = await Promise.all([
      api.get(api.path("queues", vhost), {columns: `name,type,${key}`}, {signal: page.signal}),
      api.get(api.path("exchanges", vhost), {columns: `name,${key}`}, {signal: page.signal}),
      api.get(api.path(kind, vhost), {}, {signal: page.signal}),
    ]);
    const told = [
      ...exchanges.filter((each) => each.name).map((each) => ({page: "exchanges", name: each.name, policy: each[key]})),
      ...queues.map((each) => ({page: "queues", name: each.name, type: each.type, policy: each[key]})),
    ];
    objects = {vhost, at_ms: performance.now(), told, policies: new Map(policies.map((each) => [each.name, each]))};
    return objects;
  }

  async function draw() {
    const now = wanted();
    if (now.pattern === "" && policy === null) {
      fill(told, "Nothing is matched yet: there is no pattern.");
      fill(names);
      fill(notes);
      return;
    }
    const {vhost, told: all, policies} = await fetched(now.vhost);
    const found = await search.search(now.pattern, all.map((each) => each.name));
    if (found === null || page.signal.aborted) return;
    if (found.problem) {
      fill(told, `No preview: ${found.problem}. The broker itself may read the pattern otherwise.`);
      fill(names);
      return;
    }
    const matched = all.filter((each, at) => found.found[at] && fits(now.applyTo, now.keys, each.type));
    const counts = [
      format.counted(matched.filter((each) => each.page === "queues").length, "queue"),
      format.counted(matched.filter((each) => each.page === "exchanges").length, "exchange"),
    ];
    const sentence = `Applies to ${counts.join(" and ")} in ${vhost}${matched.length ? ":" : "."}`;
    if (told.textContent !== sentence) told.textContent = sentence;
    const more = matched.length - NAMES_SHOWN;
    update(
      names,
      matched.slice(0, NAMES_SHOWN).map((each) => element("li", {}, matchShown(each, vhost, now, policies))),
      more > 0 ? element("li", {class: "muted"}, `and ${format.number(more)} more`) : null,
    );
    update(notes, passedOver(now.applyTo, now.keys).map(({type, key: because}) =>
      element("p", {class: "hint"}, `It passes over ${type === "stream" ? "streams" : `${type} queues`}, because of ${because}.`)));
  }

  function matchShown(each, vhost, now, policies) {
    const other = each.policy && each.policy !== now.name ? policies.get(each.policy) : undefined;
    const isBeaten = other && wins({priority: other.priority, name: other.name}, {priority: now.priority, name: now.name});
    return [
      element("span", {class: "muted"}, each.page === "queues" ? "queue " : "exchange "),
      element("a", {href: link(each.page, vhost, each.name)}, each.name),
      isBeaten ? element("span", {class: "muted"}, ` (${noun} ${other.name} wins)`) : null,
    ];
  }

  changed();
  return {
    element: element("div", {class: "field wide preview"}, told, names, notes),
    changed,
    /** What applies may be something else now. */
    refresh() {
      objects = null;
      changed();
    },
  };
}
