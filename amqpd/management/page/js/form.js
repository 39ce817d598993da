// Forms, tables of arguments, and questions that must be answered before something is lost.

import {element, fill, notice, uniqueId} from "./dom.js";
import {isNumber, number, parsed} from "./numbers.js";

/** What somebody typed can't be sent; `message` says why. */
export class FieldError extends Error {}

/**
 * A labelled input: {element, input, name, value(), reset()}.
 *
 * type          "text" (default), "number", "password", "checkbox", "textarea", "select", "file", "search"
 * options       of a select: texts, or [value, label]; in a text field: what is suggested
 * value         what is there at first
 * hint          a sentence below it
 * attributes    further attributes of the input
 */
export function field({name, label, type = "text", options = [], value, hint, required = false, attributes = {}, wide = false}) {
  const id = uniqueId(name);
  const hintId = hint ? `${id}-hint` : null;
  const shared = {id, name, required, "aria-describedby": hintId, ...attributes};
  let input;
  let list = null;
  if (type === "select") {
    input = element("select", shared, options.map((option) => {
      const [key, text] = Array.isArray(option) ? option : [option, option];
      return element("option", {value: key}, text);
    }));
  } else if (type === "textarea") {
    input = element("textarea", {rows: 4, spellcheck: "false", ...shared});
  } else {
    if (options.length > 0) list = element("datalist", {id: `${id}-list`}, options.map((option) => element("option", {value: option})));
    input = element("input", {type, autocomplete: "off", spellcheck: "false", list: list?.id, ...shared});
  }
  const reset = () => {
    if (type === "checkbox") input.checked = Boolean(value);
    else if (type === "file") input.value = "";
    else if (value !== undefined) input.value = value;
    else if (type === "select") input.selectedIndex = 0;
    else input.value = "";
  };
  reset();
  const hintElement = hint ? element("span", {class: "hint", id: hintId}, hint) : null;
  const made = type === "checkbox"
    ? element("div", {class: "field check-field"}, element("label", {class: "check", for: id}, input, label), hintElement)
    : element(
        "div",
        {class: wide ? "field wide" : "field"},
        element("label", {for: id}, label, required ? element("span", {class: "required", title: "needed"}, " *") : null),
        input,
        list,
        hintElement,
      );
  return {
    element: made,
    input,
    name,
    reset,
    value() {
      if (type === "checkbox") return input.checked;
      if (type === "file") return input.files[0] ?? null;
      if (type === "number") return input.value === "" ? null : input.valueAsNumber;
      return input.value;
    },
  };
}

/**
 * A form that sends what its fields say.
 *
 * fields        of `field`, `argumentsField`, or bare nodes to stand between them
 * submit        text of the button; danger: whether it looks so
 * send(values)  async; values by the fields' names. What it raises is shown in the form, in the API's words
 * done          text of the notice afterwards, or a function (values, result) giving it
 * keep          keep what was typed after success
 */
export function form({fields, submit, send, done = null, keep = false, danger = false, label = submit, more = []}) {
  const problem = element("p", {class: "form-problem", role: "alert", hidden: true});
  const press = element("button", {type: "submit", class: danger ? "danger" : "primary"}, submit);
  const named = fields.filter((each) => !(each instanceof Node));
  const made = element(
    "form",
    {
      class: "form",
      "aria-label": label,
      async onsubmit(event) {
        event.preventDefault();
        if (press.disabled) return;
        problem.hidden = true;
        press.disabled = true;
        try {
          const values = Object.fromEntries(named.map((each) => [each.name, each.value()]));
          const result = await send(values);
          if (done) notice(typeof done === "function" ? done(values, result) : done);
          if (!keep) for (const each of named) each.reset();
        } catch (error) {
          if (!(error instanceof FieldError) && error.status === undefined) console.error(error);
          problem.textContent = error.message;
          problem.hidden = false;
        } finally {
          press.disabled = false;
        }
      },
    },
    element("div", {class: "fields"}, fields.map((each) => (each instanceof Node ? each : each.element))),
    problem,
    element("div", {class: "form-actions"}, press, more),
  );
  return made;
}

const TYPES = [["string", "String"], ["number", "Number"], ["boolean", "Boolean"], ["json", "List or object (JSON)"]];

/**
 * Names with typed values, for arguments and headers: {element, name, value(), reset()}; value() is an object and raises
 * FieldError for a value that does not fit its type.
 *
 * suggestions   [{key, label, type, hint, value}]: buttons that add a row, as RabbitMQ's forms have them
 */
export function argumentsField({name = "arguments", label = "Arguments", suggestions = [], hint}) {
  const rows = element("div", {class: "argument-rows"});
  const id = uniqueId(name);

  function add({key = "", type = "string", value = ""} = {}, isFocused = true) {
    const keyInput = element("input", {type: "text", class: "argument-key", placeholder: "name", "aria-label": `${label}: name`, autocomplete: "off", spellcheck: "false"});
    keyInput.value = key;
    const typeSelect = element("select", {"aria-label": `${label}: type`}, TYPES.map(([each, text]) => element("option", {value: each}, text)));
    typeSelect.value = type;
    const valuePlace = element("span", {class: "argument-value"});
    const drawValue = () => {
      const before = valuePlace.firstChild?.value ?? value;
      const input = typeSelect.value === "boolean"
        ? element("select", {"aria-label": `${label}: value`}, ["true", "false"].map((each) => element("option", {}, each)))
        : element("input", {type: "text", placeholder: "value", "aria-label": `${label}: value`, autocomplete: "off", spellcheck: "false", inputmode: typeSelect.value === "number" ? "decimal" : null});
      if (typeSelect.value !== "boolean" || before === "false") input.value = before;
      fill(valuePlace, input);
    };
    typeSelect.addEventListener("change", drawValue);
    drawValue();
    const row = element(
      "div",
      {class: "argument-row"},
      keyInput,
      element("span", {class: "equals", "aria-hidden": "true"}, "="),
      valuePlace,
      typeSelect,
      element("button", {type: "button", class: "plain", "aria-label": `Remove ${key || "this row"}`, onclick: () => row.remove()}, "×"),
    );
    row.read = () => read(keyInput.value, valuePlace.firstChild.value, typeSelect.value);
    rows.append(row);
    if (isFocused) (key === "" ? keyInput : valuePlace.firstChild).focus();
  }

  function suggest(suggestion) {
    const there = [...rows.children].find((row) => row.firstChild.value === suggestion.key);
    if (there) there.querySelector(".argument-value > *").focus();
    else add({key: suggestion.key, type: suggestion.type, value: suggestion.value});
  }

  const suggested = element("div", {class: "suggestions"});
  const drawSuggestions = (all) => fill(
    suggested,
    element("button", {type: "button", class: "small", onclick: () => add()}, "Add a row"),
    all.map((each) => element("button", {type: "button", class: "small quiet", title: each.hint ? `${each.key}: ${each.hint}` : each.key, onclick: () => suggest(each)}, each.label)),
  );
  drawSuggestions(suggestions);

  return {
    name,
    element: element(
      "div",
      {class: "field wide arguments", role: "group", "aria-labelledby": id},
      element("span", {class: "label", id}, label),
      rows,
      suggested,
      hint ? element("span", {class: "hint"}, hint) : null,
    ),
    reset: () => rows.replaceChildren(),
    value() {
      return Object.fromEntries([...rows.children].map((row) => row.read()).filter((pair) => pair !== null));
    },
    /** Add a row with these values. */
    add: (row) => add(row, false),
    /** Suggest these from now on. */
    suggest: drawSuggestions,
  };
}

function read(key, text, type) {
  if (key === "" && text.trim() === "") return null;
  if (key === "") throw new FieldError(`A value without a name: ${text}`);
  if (type === "boolean") return [key, text === "true"];
  if (type === "number") {
    const found = number(text);
    if (found === null) throw new FieldError(`${key} must be a number, not “${text}”`);
    return [key, found];
  }
  if (type === "json") {
    try {
      return [key, parsed(text)];
    } catch (error) {
      throw new FieldError(`${key} is no JSON: ${error.message}`);
    }
  }
  return [key, text];
}

/** How `argumentsField().add` takes a value that is there already. */
export function typed(key, value) {
  if (isNumber(value)) return {key, type: "number", value: String(value)};
  if (typeof value === "boolean") return {key, type: "boolean", value: String(value)};
  if (typeof value === "string") return {key, type: "string", value};
  return {key, type: "json", value: JSON.stringify(value)};
}

/**
 * Ask before something is done that can't be undone: whether it was done. If `act` raises, the dialog stays and says why.
 * confirmed({title: "Delete queue?", text: "Its messages are lost.", action: "Delete", act: async () => {...}})
 * fields are shown in it, and `act` is given their values.
 */
export function confirmed({title, text, action, act, fields = [], danger = true}) {
  return new Promise((resolve) => {
    const id = uniqueId("dialog");
    let isDone = false;
    const dialog = element("dialog", {"aria-labelledby": id});
    const asked = form({
      fields,
      submit: action,
      danger,
      label: title,
      async send(values) {
        await act(values);
        isDone = true;
        dialog.close();
      },
      more: element("button", {type: "button", onclick: () => dialog.close()}, "Cancel"),
    });
    // What is asked is of the page that is shown.
    const leave = () => dialog.close();
    window.addEventListener("page", leave);
    dialog.append(element("h2", {id}, title), element("p", {}, text), asked);
    dialog.addEventListener("close", () => {
      window.removeEventListener("page", leave);
      dialog.remove();
      resolve(isDone);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
