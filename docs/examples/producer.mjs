// A producer of signals: publishes one, waits for the broker's confirm, then for its outcome.
//
// Needs amqplib:  AMQP_URL=amqp://user:password@broker/ node producer.mjs main BTC/USDT buy 0.01

import { randomUUID } from "node:crypto";
import process from "node:process";
import amqp from "amqplib";

const EXCHANGE = "beeline.signals";
const [account, symbol, side, quantity] = process.argv.slice(2);

const signal = {
  // Your own id, and never the same one for another order: it is what makes a repetition safe.
  signal_id: `example-${randomUUID()}`,
  account,
  symbol,
  side,
  type: "market",
  quantity, // a decimal as text: a JavaScript number would be rounded
};

const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createConfirmChannel();
const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
const outcome = new Promise((resolve) => {
  channel.consume(replyTo, (message) => resolve(JSON.parse(message.content.toString())), { noAck: true });
});

// What no queue takes comes back; without this a signal can be lost without a word.
channel.on("return", () => {
  console.error("no queue took the signal: run `beeline topology`");
  process.exit(1);
});
channel.publish(EXCHANGE, account, Buffer.from(JSON.stringify(signal)), {
  contentType: "application/json",
  persistent: true,
  mandatory: true,
  replyTo, // a copy of the outcome; the original goes to beeline.outcomes
  headers: { created_at_us: Date.now() * 1000 }, // its validity starts here
});
// If this fails, publish the same message again with the same signal_id: it is executed once.
await channel.waitForConfirms();

const answer = await outcome;
console.log(JSON.stringify(answer, null, 2));
await connection.close();
process.exitCode = answer.status === "filled" ? 0 : 1;
