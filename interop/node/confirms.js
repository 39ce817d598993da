// A confirm channel: every publish has a callback, an unroutable one comes back before its confirm.
const amqp = require("amqplib");
const [url, queue, missing] = process.argv.slice(2);

(async () => {
  const connection = await amqp.connect(url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true });
  const events = [];
  channel.on("return", (message) => events.push(`returned ${message.fields.replyCode} ${message.fields.replyText}`));
  let confirmed = 0;
  for (let number = 0; number < 100; number++) {
    channel.sendToQueue(queue, Buffer.from(`${number}`), { persistent: true }, (error) => {
      if (error === null) confirmed += 1;
    });
  }
  await channel.waitForConfirms();
  channel.publish("", missing, Buffer.from("lost"), { mandatory: true }, () => events.push("confirmed"));
  await channel.waitForConfirms();
  const { messageCount } = await channel.checkQueue(queue);
  await connection.close();
  console.log(JSON.stringify({ confirmed, messageCount, events }));
})();
