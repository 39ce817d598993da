// With prefetch 2 only two messages come; each ack brings one more, ackAll two.
const amqp = require("amqplib");
const [url, queue] = process.argv.slice(2);

(async () => {
  const connection = await amqp.connect(url);
  const publisher = await connection.createConfirmChannel();
  await publisher.assertQueue(queue);
  for (let number = 0; number < 6; number++) publisher.sendToQueue(queue, Buffer.from(`${number}`));
  await publisher.waitForConfirms();

  const channel = await connection.createChannel();
  await channel.prefetch(2);
  const unacked = [];
  const left = [];
  let wake = () => {};
  await channel.consume(queue, (message) => {
    unacked.push(message);
    wake();
  });
  const unackedToBe = async (count) => {
    while (unacked.length < count) await new Promise((resolve) => (wake = resolve));
  };
  const ready = async () => (await channel.checkQueue(queue)).messageCount;

  await unackedToBe(2);
  left.push([unacked.length, await ready()]);
  channel.ack(unacked.shift());
  await unackedToBe(2);
  left.push([unacked.length, await ready()]);
  channel.ackAll();
  unacked.length = 0;
  await unackedToBe(2);
  left.push([unacked.length, await ready()]);
  await connection.close();
  console.log(JSON.stringify({ left }));
})();
