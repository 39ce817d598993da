// What the API says is wrong, as people read it.
//
// Some of RabbitMQ's reasons are Erlang's: texts as lists of characters, and "<" and ">" as HTML has them. They are
// shown as the texts that they stand for.

import {ApiError} from "./api.js";

const ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"};

/** A reason as one text. */
export function readable(reason) {
  if (typeof reason === "string") return reason.replace(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity]).trim();
  return Array.isArray(reason) ? reason.map(inside).join(": ") : JSON.stringify(reason);
}

function inside(value) {
  if (isText(value)) return new TextDecoder().decode(new Uint8Array(value));
  if (Array.isArray(value)) return value.map(inside).join(" at ");
  return typeof value === "string" ? readable(value) : JSON.stringify(value);
}

function isText(value) {
  return Array.isArray(value) && value.length > 0 && value.every((each) => Number.isInteger(each) && each > 8 && each < 256);
}

/** The same function, whose ApiErrors say what is wrong in readable words. */
export function explaining(work) {
  return async (...given) => {
    try {
      return await work(...given);
    } catch (error) {
      if (error instanceof ApiError && error.reason !== undefined && error.status === 400) error.message = readable(error.reason);
      throw error;
    }
  };
}
