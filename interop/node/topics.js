// Publish to a topic exchange, and read from a server-named exclusive queue bound by two patterns.
const amqp = require("amqplib");
const [url, exchange] = process.argv.slice(2);

(async () => {
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  await channel.assertExchange(exchange, "topic", { durable: false });
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, exchange, "kern.#");
  await channel.bindQueue(queue, exchange, "*.critical");
  const keys = [];
  const done = new Promise((resolve) => {
    channel.consume(
      queue,
      (message) => {
        keys.push(message.fields.routingKey);
        if (message.fields.routingKey === "kern") resolve();
      },
      { noAck: true },
    );
  });
  for (const key of ["kern.critical", "cron.info", "cron.critical", "kern.disk.full", "kern"]) {
    channel.publish(exchange, key, Buffer.from(""));
  }
  await done;
  await connection.close();
  console.log(JSON.stringify({ queue, keys }));
})();
