// What the lines of charts are of; the names are RabbitMQ's.

const rateOf = (key) => (answer) => answer.message_stats?.[`${key}_details`];
const LABELS = {
  publish: ["Publish", "messages that came in"],
  confirm: ["Publisher confirm", "messages whose publishers were told that the broker has them"],
  publish_in: ["Publish (in)", "messages that came in to this exchange"],
  publish_out: ["Publish (out)", "messages that this exchange gave to queues"],
  deliver: ["Deliver (manual ack)", "messages sent to consumers that acknowledge them"],
  deliver_no_ack: ["Deliver (auto ack)", "messages sent to consumers that do not acknowledge"],
  ack: ["Consumer ack", "messages acknowledged"],
  redeliver: ["Redelivered", "messages sent once more"],
  get: ["Get (manual ack)", "messages fetched one by one, to be acknowledged"],
  get_no_ack: ["Get (auto ack)", "messages fetched one by one, without acknowledgement"],
  get_empty: ["Get (empty)", "fetches that found nothing"],
  return_unroutable: ["Unroutable (return)", "messages returned to their publishers"],
  drop_unroutable: ["Unroutable (drop)", "messages that no queue wanted"],
};

/** Rates of these keys of message_stats. */
export function rates(...keys) {
  return keys.map((key) => ({key, label: LABELS[key][0], hint: LABELS[key][1], details: rateOf(key)}));
}

/** Rates of the broker, or of a channel. */
export function globalRates() {
  return rates("publish", "confirm", "deliver", "deliver_no_ack", "ack", "redeliver", "get", "return_unroutable");
}

/** Rates of a queue. */
export function queueRates() {
  return rates("publish", "deliver", "deliver_no_ack", "ack", "redeliver", "get", "get_no_ack", "get_empty");
}

/** Rates of an exchange. */
export function exchangeRates() {
  return rates("publish_in", "publish_out");
}

/** How many messages there are; `of(answer)` is the object that says so. */
export function lengths(of) {
  const line = (key, label, hint) => ({
    key,
    label,
    hint,
    details: (answer) => of(answer)?.[`${key}_details`],
    value: (answer) => of(answer)?.[key] ?? 0,
  });
  return [
    line("messages_ready", "Ready", "messages waiting for a consumer"),
    line("messages_unacknowledged", "Unacknowledged", "messages that consumers have and have not acknowledged"),
    line("messages", "Total"),
  ];
}

function churn(...pairs) {
  return pairs.map(([key, label]) => ({key, label, details: (answer) => answer.churn_rates?.[`${key}_details`]}));
}

/** How often connections, channels and queues come and go. */
export const CHURN = {
  connections: churn(["connection_created", "Opened"], ["connection_closed", "Closed"]),
  channels: churn(["channel_created", "Opened"], ["channel_closed", "Closed"]),
  queues: churn(["queue_declared", "Declared"], ["queue_created", "Created"], ["queue_deleted", "Deleted"]),
};

/** Bytes of a connection, from and to its client. */
export const BYTES = [
  {key: "recv_oct", label: "From client", details: (answer) => answer.recv_oct_details},
  {key: "send_oct", label: "To client", details: (answer) => answer.send_oct_details},
];
