// The way of a message that was dead-lettered, read from its header x-death. Touches no document.
//
// A broker writes one entry for each queue and reason, the last death first, and only counts when the same happens
// again. Anybody can publish any x-death: what is no entry is passed over, and nothing in it is believed to be a text.

const REASONS = {
  expired: (queue) => ["Expired in queue ", queue],
  rejected: (queue) => ["Was rejected by a consumer of queue ", queue],
  maxlen: (queue) => ["Was dropped from the full queue ", queue],
  delivery_limit: (queue) => ["Was given back too often to queue ", queue],
};

const VERBS = {
  expired: "expired",
  rejected: "rejected",
  maxlen: "queue full",
  delivery_limit: "given back too often",
};

/**
 * The deaths of a message, in the order in which they happened first:
 * [{queue, reason, count, exchange, routingKeys, time_ms, expiration, isLatest}]; isLatest is the one that it died last.
 */
export function deathsOf(headers) {
  const told = headers?.["x-death"];
  if (!Array.isArray(told)) {
    return [];
  }
  const deaths = told.filter(isEntry).map(deathOf);
  // Seconds are all that is written: among equals the later entry is the older one, and the first death is known.
  const first = (death) =>
    death.queue === headers["x-first-death-queue"] && death.reason === headers["x-first-death-reason"] ? 0 : 1;
  const latest = deaths[0];
  const ordered = deaths
    .map((death, index) => ({death, index}))
    .sort(
      (one, other) =>
        first(one.death) - first(other.death) ||
        (one.death.time_ms ?? 0) - (other.death.time_ms ?? 0) ||
        other.index - one.index,
    )
    .map(({death}) => death);
  // A clock that was set back: what happened once, and last, comes last.
  if (latest?.count === 1) ordered.push(...ordered.splice(ordered.indexOf(latest), 1));
  return ordered.map((death) => ({...death, isLatest: death === latest}));
}

function isEntry(entry) {
  return entry !== null && typeof entry === "object" && !Array.isArray(entry) && typeof entry.queue === "string";
}

function deathOf(entry) {
  const keys = Array.isArray(entry["routing-keys"]) ? entry["routing-keys"] : [];
  return {
    queue: entry.queue,
    reason: typeof entry.reason === "string" ? entry.reason : "",
    count: Number.isInteger(entry.count) ? entry.count : 1,
    exchange: typeof entry.exchange === "string" ? entry.exchange : null,
    routingKeys: keys.filter((key) => typeof key === "string"),
    time_ms: Number.isFinite(entry.time) && Math.abs(entry.time) < 8.64e12 ? entry.time * 1000 : null,
    expiration: typeof entry["original-expiration"] === "string" ? entry["original-expiration"] : null,
  };
}

/** The reason in one or two words, for a picture. */
export function verbOf(death) {
  return VERBS[death.reason] ?? (death.reason || "died");
}

/**
 * A death as a sentence, in pieces: texts, and {queue}, {exchange}, {key}, {time_ms}, which can be shown as what they are.
 *
 * next is the exchange and the keys that it was published with afterwards, if that is known.
 */
function sentenceOf(death, next) {
  const pieces = REASONS[death.reason]?.({queue: death.queue}) ?? [
    death.reason ? `Died (${death.reason}) in queue ` : "Died in queue ",
    {queue: death.queue},
  ];
  if (death.count > 1) {
    pieces.push(`, ${death.count} times`);
  }
  if (death.time_ms !== null) {
    pieces.push(death.count > 1 ? ", first at " : " at ", {time_ms: death.time_ms});
  }
  if (death.expiration !== null) {
    pieces.push(`, with an expiration of its own of ${death.expiration} ms`);
  }
  if (death.exchange !== null) {
    pieces.push("; it had come there through ", {exchange: death.exchange}, ...keyPieces(death.routingKeys));
  }
  if (next && next.exchange !== null) {
    pieces.push(", and was then published to ", {exchange: next.exchange}, ...keyPieces(next.routingKeys));
  }
  return [...pieces, "."];
}

function keyPieces(keys) {
  if (!keys.length) {
    return [];
  }
  return [keys.length > 1 ? " with the keys " : " with key ", ...keys.flatMap((key, index) => (index ? [", ", {key}] : [{key}]))];
}

/**
 * The way of a message as a path: [{exchange}, {key}, {queue, death}, ...], ending where it is now.
 *
 * message: as the API tells it; queue is where it is, or null if it waits at its exchange.
 */
export function pathOf(message, queue) {
  const steps = [];
  const deaths = deathsOf(message.properties?.headers);
  for (const death of deaths) {
    if (death.exchange !== null) {
      steps.push({exchange: death.exchange, keys: death.routingKeys});
    }
    steps.push({queue: death.queue, death});
  }
  const latest = cameBackTo(deaths);
  if (latest) {
    steps.push({queue: latest.queue, death: null, isAgain: true});
  }
  steps.push({exchange: message.exchange, keys: [message.routing_key]});
  if (queue !== null) {
    steps.push({queue, death: null});
  }
  return steps;
}

// The queue that it died in last, if that is not the one that it has come to last for the first time.
function cameBackTo(deaths) {
  const latest = deaths.find((death) => death.isLatest);
  return latest === deaths.at(-1) ? undefined : latest;
}

/** Each death with its sentence, in that order, and one more if it went round: [{death, sentence}]. */
export function storyOf(message) {
  const deaths = deathsOf(message.properties?.headers);
  const latest = cameBackTo(deaths);
  const now = {exchange: message.exchange, routingKeys: [message.routing_key]};
  const story = deaths.map((death, index) => ({
    death,
    sentence: sentenceOf(death, deaths[index + 1] ?? (latest ? undefined : now)),
  }));
  if (latest) {
    const pieces = ["Came back to queue ", {queue: latest.queue}, ", and was at last published from there to "];
    story.push({death: latest, sentence: [...pieces, {exchange: now.exchange}, ...keyPieces(now.routingKeys), "."]});
  }
  return story;
}
