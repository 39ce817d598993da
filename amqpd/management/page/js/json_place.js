// Where a text stops being JSON. Browsers say that something is wrong, but not always where. Touches no document.

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const CLOSING = {"{": "}", "[": "]"};

/** The position of what is wrong, or -1 if nothing is. */
export function jsonProblem(text) {
  let at = 0;
  const open = [];
  const space = () => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  const scalar = (isKey) => {
    SCALAR.lastIndex = at;
    const found = SCALAR.exec(text);
    if (found === null || (isKey && text[at] !== '"')) return false;
    at = SCALAR.lastIndex;
    return true;
  };
  // A name and its colon, where an object's next value must have them.
  const key = () => {
    if (open.at(-1) !== "{") return true;
    space();
    if (!scalar(true)) return false;
    space();
    if (text[at] !== ":") return false;
    at += 1;
    return true;
  };

  for (;;) {
    space();
    if (text[at] in CLOSING) {
      open.push(text[at]);
      at += 1;
      space();
      if (text[at] !== CLOSING[open.at(-1)]) {
        if (!key()) return at;
        continue;
      }
    } else if (!scalar(false)) {
      return at;
    }
    // A value is complete: what is around it goes on, or ends too.
    for (;;) {
      space();
      if (!open.length) return at === text.length ? -1 : at;
      if (text[at] === CLOSING[open.at(-1)]) {
        open.pop();
        at += 1;
        continue;
      }
      if (text[at] !== ",") return at;
      at += 1;
      if (!key()) return at;
      break;
    }
  }
}
