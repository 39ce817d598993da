// Definitions out and in, as one JSON document: byte for byte as the API has them, since numbers there may be larger
// than those of this language.

import * as api from "../api.js";
import * as format from "../format.js";
import * as session from "../session.js";
import {element, fill, notice, section} from "../dom.js";
import {FieldError, confirmed, field, form} from "../form.js";
import {jsonProblem} from "../json_place.js";
import {explaining} from "../reasons.js";
import {saveAs} from "../message_view.js";

export const title = "Definitions";

const WHOLE = "Whole broker";
const PARTS = [
  ["users", "user"], ["vhosts", "virtual host"], ["permissions", "permission"], ["topic_permissions", "topic permission"],
  ["parameters", "parameter"], ["global_parameters", "global parameter"], ["policies", "policy", "policies"],
  ["queues", "queue"], ["exchanges", "exchange"], ["bindings", "binding"],
];

export async function show(page) {
  fill(page.view, exportPart(), importPart());
}

const pathOf = (vhost) => (vhost === WHOLE ? "/definitions" : api.path("definitions", vhost));

// The text of an answer, or of a request, as it is.
const transfer = explaining((method, where, body) => api.requestText(method, where, {body}));

function targetField(label) {
  const names = [WHOLE, ...session.knownVhosts()];
  const made = field({name: "target", label, type: "select", options: names.map((name, at) => [String(at), at ? `Virtual host ${name}` : name]), value: "0"});
  return {...made, value: () => names[Number(made.input.value)]};
}

function exportPart() {
  return section(
    "Export",
    element("p", {class: "muted"}, "Users, virtual hosts, permissions, policies, exchanges, queues and bindings; no messages. Hashes of passwords are in it: keep it safe."),
    form({
      label: "Export definitions",
      fields: [
        targetField("Of"),
        field({name: "file", label: "File name", value: fileName(), attributes: {class: "mono"}}),
      ],
      submit: "Download",
      keep: true,
      async send({target, file}) {
        const text = await transfer("GET", pathOf(target));
        saveAs(file || fileName(), new Blob([text], {type: "application/json"}));
      },
    }),
  );
}

function fileName() {
  const now = format.moment(Date.now()).slice(0, 10);
  const host = location.hostname.replace(/[^A-Za-z0-9.-]/g, "-");
  return `definitions_${host}_${now}.json`;
}

function importPart() {
  const file = field({name: "file", label: "From a file", type: "file", attributes: {accept: ".json,application/json"}});
  const pasted = field({name: "text", label: "Or from this text", type: "textarea", wide: true, attributes: {rows: 8, placeholder: '{"queues": [{"name": "orders", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}]}'}});
  return section(
    "Import",
    element("p", {class: "muted"}, "All that the document defines is made, or nothing if something in it is wrong. What is there stays; a user who is in it gets the password and the tags that stand there."),
    form({
      label: "Import definitions",
      fields: [targetField("Into"), file, pasted],
      submit: "Import",
      keep: true,
      async send({target, file: chosen, text}) {
        if (chosen && text.trim()) throw new FieldError("Choose a file or paste a text, not both.");
        const document = chosen ? await chosen.text() : text;
        const summary = summaryOf(document, pasted.input, Boolean(chosen), target);
        await asked(target, document, summary);
      },
    }),
  );
}

async function asked(target, document, summary) {
  const place = target === WHOLE ? "the whole broker" : `virtual host ${target}`;
  await confirmed({
    title: "Import definitions?",
    text: `Into ${place}:`,
    fields: [element("ul", {class: "goes"}, summary.map((each) => element("li", {}, each)))],
    action: "Import",
    danger: false,
    async act() {
      await transfer("POST", pathOf(target), document);
      await api.refreshVhosts();
      notice(`The definitions are imported into ${place}.`);
    },
  });
}

// What is in the document; raises FieldError, and marks the place in the text field if it is no JSON.
function summaryOf(document, input, isFile, target) {
  if (document.trim() === "") throw new FieldError("There is nothing to import: choose a file, or paste a text.");
  let parsed;
  try {
    parsed = JSON.parse(document);
  } catch {
    throw new FieldError(placeOf(document, isFile ? null : input));
  }
  if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) throw new FieldError("Definitions must be an object: {…}.");
  const ofVhost = ["parameters", "policies", "queues", "exchanges", "bindings"];
  const found = PARTS
    .filter(([key]) => Array.isArray(parsed[key]) && parsed[key].length)
    .map(([key, ...nouns]) => {
      const text = format.counted(parsed[key].length, ...nouns);
      return target === WHOLE || ofVhost.includes(key) ? text : `${text} (passed over: not of one virtual host)`;
    });
  return found.length ? found : ["nothing that is known"];
}

function placeOf(document, input) {
  const position = jsonProblem(document);
  const before = document.slice(0, position).split("\n");
  if (input) {
    input.focus();
    input.setSelectionRange(position, Math.min(position + 1, document.length));
  }
  const found = position < document.length ? `“${document.slice(position).split(/\s/, 1)[0].slice(0, 20)}”` : "the end";
  return `This is no JSON: line ${before.length}, column ${before.at(-1).length + 1}: ${found} can't stand there.`;
}
