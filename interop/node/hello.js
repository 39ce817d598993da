// Hello world with the callback API: send, receive one message, say what came.
const amqp = require("amqplib/callback_api");
const [url, queue] = process.argv.slice(2);

amqp.connect(url, (connectError, connection) => {
  if (connectError) throw connectError;
  connection.createChannel((channelError, channel) => {
    if (channelError) throw channelError;
    channel.assertQueue(queue, { durable: false });
    channel.consume(queue, (message) => {
      channel.ack(message);
      console.log(JSON.stringify({ body: message.content.toString() }));
      connection.close();
    });
    channel.sendToQueue(queue, Buffer.from("Hello World!"));
  });
});
