// Fetch one message after another with basic.get until there is none.
const amqp = require("amqplib");
const [url, queue] = process.argv.slice(2);

(async () => {
  const connection = await amqp.connect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue(queue);
  for (const body of ["first", "second"]) channel.sendToQueue(queue, Buffer.from(body));
  const got = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: false });
    if (message === false) break;
    got.push([message.content.toString(), message.fields.messageCount]);
    channel.ack(message);
  }
  const { messageCount } = await channel.deleteQueue(queue);
  await connection.close();
  console.log(JSON.stringify({ got, messageCount }));
})();
