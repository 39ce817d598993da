// Bodies of messages as text, as JSON, as bytes. Touches no document.

const INDENT = "  ";
const BYTES_IN_ROW = 16;

/** How many bytes are shown as hex at most. */
export const MOST_HEX_BYTES = 65536;

/** The bytes of a message's body, of what the API gave of it. */
export function bytesOf(message) {
  if (message.payload_encoding === "base64") {
    return Uint8Array.from(atob(message.payload), (character) => character.charCodeAt(0));
  }
  return new TextEncoder().encode(message.payload);
}

/** The body as text; bytes that are no UTF-8 are replaced. */
export function textOf(message) {
  return message.payload_encoding === "base64" ? new TextDecoder().decode(bytesOf(message)) : message.payload;
}

/** JSON with a value on each line, every number and text just as it was; null for what is no JSON. */
export function prettyJson(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gs) ?? [];
  const parts = [];
  let depth = 0;
  const line = () => `\n${INDENT.repeat(depth)}`;
  tokens.forEach((token, at) => {
    if (token === "{" || token === "[") {
      parts.push(token);
      if (!isEnd(tokens[at + 1])) {
        depth += 1;
        parts.push(line());
      }
    } else if (isEnd(token)) {
      const isEmpty = tokens[at - 1] === "{" || tokens[at - 1] === "[";
      if (!isEmpty) {
        depth -= 1;
        parts.push(line());
      }
      parts.push(token);
    } else if (token === ",") {
      parts.push(token, line());
    } else {
      parts.push(token === ":" ? ": " : token);
    }
  });
  return parts.join("");
}

function isEnd(token) {
  return token === "}" || token === "]";
}

/** Bytes as rows of offset, hex and letters. */
export function hexDump(bytes) {
  const rows = [];
  const end = Math.min(bytes.length, MOST_HEX_BYTES);
  for (let at = 0; at < end; at += BYTES_IN_ROW) {
    const row = [...bytes.subarray(at, Math.min(at + BYTES_IN_ROW, end))];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const halves = [hex.slice(0, 8).join(" "), hex.slice(8).join(" ")].join("  ").padEnd(48);
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${at.toString(16).padStart(8, "0")}  ${halves}  ${letters}`);
  }
  return rows.join("\n");
}

/** The first words of a body in one line. */
export function preview(message, length) {
  if (message.payload_bytes === 0) return "";
  if (message.payload_encoding === "base64") {
    return Array.from(bytesOf(message).subarray(0, 24), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  }
  return message.payload.slice(0, length * 2).replace(/\s+/g, " ").trim().slice(0, length);
}
