// How much of something is used, as a number and a bar.

import {element, svg} from "./dom.js";
import * as format from "./format.js";

const WARN_AT = 0.8;

/**
 * A bar with its number: gauge(used, limit, format.bytes).
 *
 * isFloor     the limit is the least there should be (free disk space)
 * isRaised    the broker says that it is too much, or too little
 * limitLabel  what the limit is called
 */
export function gauge(value, limit, unit, {isFloor = false, isRaised = false, limitLabel = "limit"} = {}) {
  const share = !limit ? 0 : isFloor ? Math.min(1, limit / Math.max(value, 1)) : Math.min(1, value / limit);
  const kind = isRaised ? "bad" : share >= WARN_AT ? "warn" : "";
  const text = limit ? `${isFloor ? "at least" : "of"} ${unit(limit)}` : "no limit";
  return element(
    "div",
    {class: `gauge ${kind}`.trim(), title: limit ? `${unit(value)}; ${limitLabel} ${unit(limit)} (${format.percent(share)})` : null},
    element("div", {class: "gauge-text"}, element("b", {}, unit(value)), element("span", {class: "muted"}, text)),
    svg(
      "svg",
      {viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true"},
      svg("rect", {class: "trough", width: 100, height: 6}),
      svg("rect", {class: "fill", width: share > 0 ? Math.max(1, share * 100).toFixed(1) : 0, height: 6}),
    ),
  );
}
