// The keys that a policy can have: what each is for, of what type, and to which queues a policy with it applies at all.

const CLASSIC = "classic";
const QUORUM = "quorum";
const STREAM = "stream";
const EVERY = [CLASSIC, QUORUM, STREAM];
const NOT_STREAMS = [CLASSIC, QUORUM];

/** What a value is, as the form offers it; "list" is texts with commas between. */
export const TYPES = ["text", "number", "truth", "list"];

const key = (name, group, type, meaning, more = {}) => ({name, group, type, meaning, queues: EVERY, ...more});

/** In the order in which they are offered; isOperator are those that an operator policy can have too. */
export const KEYS = [
  key("message-ttl", "Queues", "number", "milliseconds that a message may wait", {queues: NOT_STREAMS, isOperator: true}),
  key("expires", "Queues", "number", "milliseconds that the queue may be unused", {queues: NOT_STREAMS, isOperator: true, min: 1}),
  key("max-length", "Queues", "number", "messages that may wait", {queues: NOT_STREAMS, isOperator: true}),
  key("max-length-bytes", "Queues", "number", "bytes that may wait; of a stream, bytes that are kept", {isOperator: true}),
  key("overflow", "Queues", "choice", "what happens when it is full", {
    queues: NOT_STREAMS,
    choices: ["drop-head", "reject-publish", "reject-publish-dlx"],
  }),
  key("dead-letter-exchange", "Queues", "text", "exchange that dead letters go to", {queues: NOT_STREAMS}),
  key("dead-letter-routing-key", "Queues", "text", "routing key of dead letters, if not their own", {queues: NOT_STREAMS}),
  key("queue-version", "Classic queues", "choice", "version of the storage", {choices: [1, 2]}),
  key("queue-mode", "Classic queues", "choice", "lazy keeps messages on disk", {queues: [CLASSIC], choices: ["default", "lazy"]}),
  key("queue-master-locator", "Classic queues", "choice", "node for new queues", {
    queues: [CLASSIC],
    choices: ["min-masters", "client-local", "random"],
  }),
  key("delivery-limit", "Quorum queues", "number", "times that a message may come back", {queues: [QUORUM], isOperator: true}),
  key("dead-letter-strategy", "Quorum queues", "choice", "how safely dead letters go", {
    queues: [QUORUM],
    choices: ["at-most-once", "at-least-once"],
  }),
  key("max-in-memory-length", "Quorum queues", "number", "messages kept in memory", {queues: NOT_STREAMS, isOperator: true}),
  key("max-in-memory-bytes", "Quorum queues", "number", "bytes kept in memory", {queues: NOT_STREAMS, isOperator: true}),
  key("queue-leader-locator", "Quorum queues", "choice", "node for new queues", {
    queues: [QUORUM, STREAM],
    choices: ["client-local", "balanced", "random", "least-leaders"],
  }),
  key("max-age", "Streams", "text", "age that is kept: a number and Y, M, D, h, m or s, as in 7D", {queues: [STREAM]}),
  key("stream-max-segment-size-bytes", "Streams", "number", "bytes of a segment", {queues: [STREAM]}),
  key("initial-cluster-size", "Streams", "number", "nodes of a new stream", {queues: [STREAM]}),
  key("alternate-exchange", "Exchanges", "text", "exchange that unrouted messages go to"),
  key("federation-upstream", "Federation", "text", "upstream"),
  key("federation-upstream-set", "Federation", "text", "set of upstreams"),
  key("federation-upstream-pattern", "Federation", "text", "pattern of upstreams"),
  key("ha-mode", "Mirroring", "choice", "which nodes have mirrors", {queues: [CLASSIC], choices: ["all", "exactly", "nodes"]}),
  key("ha-params", "Mirroring", "any", "how many mirrors, or which nodes", {queues: [CLASSIC], types: ["number", "list"]}),
  key("ha-sync-mode", "Mirroring", "choice", "when new mirrors are filled", {queues: [CLASSIC], choices: ["manual", "automatic"]}),
  key("ha-sync-batch-size", "Mirroring", "number", "messages in one go", {min: 1}),
  key("ha-promote-on-shutdown", "Mirroring", "choice", "which mirror follows", {queues: [CLASSIC], choices: ["always", "when-synced"]}),
  key("ha-promote-on-failure", "Mirroring", "choice", "which mirror follows", {queues: [CLASSIC], choices: ["always", "when-synced"]}),
  key("shards-per-node", "Sharding", "number", "shards on each node"),
  key("routing-key", "Sharding", "text", "routing key of shards"),
];

const BY_NAME = new Map(KEYS.map((each) => [each.name, each]));

/** What is known of a key, or undefined. */
export function knownKey(name) {
  return BY_NAME.get(name);
}

const TYPES_OF_TARGETS = {classic_queues: CLASSIC, quorum_queues: QUORUM, streams: STREAM};

/** What a policy can be applied to, and how the form calls that. */
export const TARGETS = {
  all: "Exchanges and queues",
  queues: "Queues",
  classic_queues: "Classic queues",
  quorum_queues: "Quorum queues",
  streams: "Streams",
  exchanges: "Exchanges",
};

/** Whether a policy with these keys, applied to this, can apply to an exchange, or to a queue of the type. */
export function fits(applyTo, keys, queueType) {
  if (queueType === undefined) {
    return applyTo === "all" || applyTo === "exchanges";
  }
  if (applyTo !== "all" && applyTo !== "queues" && TYPES_OF_TARGETS[applyTo] !== queueType) {
    return false;
  }
  return keys.every((name) => (knownKey(name)?.queues ?? EVERY).includes(queueType));
}

/** The types of queues that such a policy passes over because of a key: [{type, key}]. */
export function passedOver(applyTo, keys) {
  return EVERY.filter((type) => fits(applyTo, [], type)).flatMap((type) => {
    const name = keys.find((each) => !(knownKey(each)?.queues ?? EVERY).includes(type));
    return name === undefined ? [] : [{type, key: name}];
  });
}

/** Which of two policies wins: the one of higher priority, and among equals the first by name. */
export function wins(one, other) {
  return one.priority !== other.priority ? one.priority > other.priority : one.name < other.name;
}
