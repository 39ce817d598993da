// Numbers as JSON and people write them: whole ones keep all their digits, also where this language would round them.
// Touches no document.

const WHOLE = /^-?(?:0|[1-9]\d*)$/;
const MAY_BE_LARGE = /\d{16}/;

/** A whole number that this language can't count exactly. As text, and in JSON, it is what it was. */
export class LargeInteger {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }

  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.text) : Number(this.text);
  }
}

/** The value of a JSON text; older browsers do round large numbers. */
export function parsed(text) {
  return MAY_BE_LARGE.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_key, value, context) {
  return typeof value === "number" && context?.source ? number(context.source) : value;
}

/** The number that a text is, or null. */
export function number(text) {
  const found = Number(text);
  if (text.trim() === "" || !Number.isFinite(found)) return null;
  return Number.isInteger(found) && !Number.isSafeInteger(found) && WHOLE.test(text.trim()) ? new LargeInteger(text.trim()) : found;
}

/** Whether it is a number, of any size. */
export function isNumber(value) {
  return typeof value === "number" || value instanceof LargeInteger;
}
