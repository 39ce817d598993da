// An error of the server surfaces as the channel's 'error' event; the connection stays usable.
const amqp = require("amqplib");
const [url, missing] = process.argv.slice(2);

(async () => {
  const connection = await amqp.connect(url);
  const events = [];
  connection.on("error", (error) => events.push(`connection error ${error.message}`));
  const channel = await connection.createChannel();
  channel.on("error", (error) => events.push(`error ${error.code}`));
  const closed = new Promise((resolve) =>
    channel.on("close", () => {
      events.push("close");
      resolve();
    }),
  );
  let rejected = null;
  await channel.checkQueue(missing).catch((error) => (rejected = error.message));
  await closed;
  const other = await connection.createChannel();
  const { queue } = await other.assertQueue("", { exclusive: true });
  await connection.close();
  console.log(JSON.stringify({ events, rejected, queue }));
})();
