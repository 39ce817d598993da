// Numbers, times and sizes as people read them.

const LOCALE = "en";
const whole = new Intl.NumberFormat(LOCALE, {maximumFractionDigits: 0});
const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
export const NOTHING = "–";

/** 12345 as "12,345"; what is no number as a dash. */
export function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? whole.format(value) : NOTHING;
}

/** Something per second: "0.00/s", "3.4/s", "1,204/s". */
export function rate(value, unit = "/s") {
  if (typeof value !== "number" || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return new Intl.NumberFormat(LOCALE, {minimumFractionDigits: digits, maximumFractionDigits: digits}).format(value) + unit;
}

/** 1536 as "1.5 KiB". */
export function bytes(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return NOTHING;
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 1024 && unit < SIZES.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${value < 0 ? "-" : ""}${size.toFixed(digits)} ${SIZES[unit]}`;
}

/** Bytes per second. */
export function byteRate(value) {
  return typeof value === "number" && Number.isFinite(value) ? `${bytes(value)}/s` : NOTHING;
}

/** 93784000 ms as "1 d 2 h"; at most two units. */
export function duration(ms) {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return NOTHING;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts.slice(first, first + 2).filter(([count], at) => at === 0 || count > 0)
    .map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** A moment, unix ms or ISO text, as "2026-11-25 19:05:13" in local time. */
export function moment(value) {
  const date = new Date(value);
  if (value === null || value === undefined || Number.isNaN(date.getTime())) return NOTHING;
  const two = (part) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** 0.4567 as "46%". */
export function percent(share) {
  return typeof share === "number" && Number.isFinite(share) ? `${Math.round(share * 100)}%` : NOTHING;
}

/** Any value of a table of AMQP as text: texts as they are, everything else as JSON. */
export function value(any) {
  if (any === undefined || any === null) return "null";
  return typeof any === "string" ? any : JSON.stringify(any);
}

/** A count with its noun: "1 queue", "2 queues". */
export function counted(count, noun, plural = `${noun}s`) {
  return `${number(count)} ${count === 1 ? noun : plural}`;
}
