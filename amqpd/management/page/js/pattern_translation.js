// Patterns of policies and permissions as this browser can run them. The broker reads PCRE and looks at bytes; what has
// no equal here is refused rather than matched differently.

const START = "(?<![\\s\\S])";
const END = "(?![\\s\\S])";
const BEFORE_LAST_LINE_END = `(?=\\n?${END})`;

// Letters are those of ISO Latin-1, as Erlang has them: a byte of UTF-8 is a letter there, or is not.
const LOWER = "a-z\\xaa\\xb5\\xba\\xdf-\\xf6\\xf8-\\xff";
const UPPER = "A-Z\\xc0-\\xd6\\xd8-\\xde";
const WORD = `0-9_${LOWER}${UPPER}`;
const BLANK = "\\t-\\r ";
const ESCAPES = {
  A: START,
  z: END,
  Z: BEFORE_LAST_LINE_END,
  R: "(?:\\r\\n|[\\n-\\r\\x85])",
  e: "\\x1b",
  a: "\\x07",
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  s: `[${BLANK}]`,
  S: `[^${BLANK}]`,
  h: "[\\t \\xa0]",
  v: "[\\n-\\r\\x85]",
  b: `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`,
  B: `(?:(?<=[${WORD}])(?=[${WORD}])|(?<![${WORD}])(?![${WORD}]))`,
};
const ESCAPES_IN_SET = {w: WORD, s: BLANK, e: "\\x1b", a: "\\x07"};
const SETS = {
  alnum: `0-9${LOWER}${UPPER}`,
  alpha: LOWER + UPPER,
  digit: "0-9",
  lower: LOWER,
  upper: UPPER,
  space: BLANK,
  word: WORD,
  xdigit: "0-9A-Fa-f",
  blank: "\\t ",
};

/** One character for each byte of the text in UTF-8, as the broker compares. */
export function asBytes(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** A RegExp for the bytes of names. Throws SyntaxError for what is no pattern, or none that this browser can run. */
export function translated(pattern) {
  let rest = asBytes(pattern);
  let flags = "";
  const inline = /^\(\?([ims]+)\)/.exec(rest);
  if (inline) {
    flags = [...new Set(inline[1])].join("");
    rest = rest.slice(inline[0].length);
  }
  return new RegExp(bodyOf(rest, flags), flags);
}

function bodyOf(pattern, flags) {
  let body = "";
  let isInSet = false;
  for (let at = 0; at < pattern.length; at += 1) {
    const rest = pattern.slice(at);
    if (rest[0] === "\\") {
      body += isInSet ? escapeInSet(rest) : escape(rest);
      at += 1;
    } else if (isInSet) {
      const set = /^\[[:.=](.+?)[:.=]\]/.exec(rest);
      if (set) {
        body += setOf(set[1]);
        at += set[0].length - 1;
      } else {
        isInSet = rest[0] !== "]";
        body += rest[0] === "[" ? "\\[" : rest[0];
      }
    } else if (rest[0] === "[") {
      isInSet = true;
      const start = /^\[\^?\]?/.exec(rest)[0];
      body += start.replace("]", "\\]");
      at += start.length - 1;
    } else if (rest[0] === "$" && !flags.includes("m")) {
      body += BEFORE_LAST_LINE_END;
    } else if (rest[0] === "." && !flags.includes("s")) {
      body += "[^\\n]";
    } else {
      refuseForeign(rest);
      body += rest[0];
    }
  }
  return body;
}

function escape(rest) {
  if (/^\\[QEGKNHVXCPpgko]|^\\x\{/.test(rest)) {
    throw new SyntaxError(`${rest.slice(0, 2)} has no equal here`);
  }
  return ESCAPES[rest[1]] ?? rest.slice(0, 2);
}

function escapeInSet(rest) {
  if (/^\\[QEhHvVpPNXSW]|^\\x\{/.test(rest)) {
    throw new SyntaxError(`${rest.slice(0, 2)} has no equal here`);
  }
  return ESCAPES_IN_SET[rest[1]] ?? rest.slice(0, 2);
}

function setOf(name) {
  if (!Object.hasOwn(SETS, name)) {
    throw new SyntaxError(`[:${name}:] has no equal here`);
  }
  return SETS[name];
}

// Groups and repetitions that only PCRE has; this browser would refuse most, and read some differently.
function refuseForeign(rest) {
  if (/^\(\?(?![:=!]|<[=!A-Za-z_])/.test(rest) || /^\(\*/.test(rest) || /^[*+?}]\+/.test(rest)) {
    throw new SyntaxError(`${rest.slice(0, 3)} has no equal here`);
  }
}
