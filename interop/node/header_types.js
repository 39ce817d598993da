// A header of every field type amqplib can write, and what it reads back.
const amqp = require("amqplib");
const [url, queue] = process.argv.slice(2);

const headers = {
  boolean: true,
  byte: { "!": "byte", value: -100 },
  short: { "!": "short", value: -30000 },
  int: { "!": "int", value: -2000000000 },
  long: { "!": "long", value: -9007199254740991 },
  float: { "!": "float", value: 0.5 },
  double: { "!": "double", value: 0.1 },
  timestamp: { "!": "timestamp", value: 1700000000 },
  decimal: { "!": "decimal", value: { digits: 12345, places: 2 } },
  string: "æøå €",
  bytes: Buffer.from([0, 1, 254, 255]),
  nothing: null,
  list: [1, "two", [3, { four: 4 }]],
  table: { inner: { deeper: "deepest" }, flag: false },
};

(async () => {
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue(queue);
  channel.sendToQueue(queue, Buffer.from(""), { headers });
  let message = false;
  while (message === false) message = await channel.get(queue, { noAck: true });
  await connection.close();
  console.log(JSON.stringify(message.properties.headers));
})();
