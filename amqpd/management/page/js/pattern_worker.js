// Tries a pattern on names beside the page: a pattern that takes for ever does not hold the page up.

import {asBytes, translated} from "./pattern_translation.js";

self.onmessage = ({data: {pattern, names}}) => {
  try {
    const expression = translated(pattern);
    self.postMessage({found: names.map((name) => expression.test(asBytes(name)))});
  } catch (error) {
    self.postMessage({problem: error.message});
  }
};
