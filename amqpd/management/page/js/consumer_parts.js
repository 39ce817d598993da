// Consumers as the pages of queues and channels have them.

import * as format from "./format.js";
import {badge, element} from "./dom.js";
import {argumentsOf, channelLink, queueLink, tableOf} from "./parts.js";

/** Columns of a table of consumers: of a queue's, or of a channel's. */
export function consumerColumns(of) {
  return [
    of === "queue"
      ? {key: "channel", title: "Channel", cell: ({channel_details: channel}) => (channel?.name ? channelLink(channel.name) : format.NOTHING)}
      : {key: "queue", title: "Queue", cell: ({queue}) => queueLink(queue.vhost, queue.name)},
    {key: "consumer_tag", title: "Consumer tag", cell: (consumer) => element("code", {}, consumer.consumer_tag)},
    {key: "ack_required", title: "Ack", cell: (consumer) => (consumer.ack_required ? "manual" : "automatic")},
    {key: "exclusive", title: "Exclusive", cell: (consumer) => (consumer.exclusive ? "yes" : "no")},
    {key: "prefetch_count", title: "Prefetch", number: true, cell: (consumer) => format.number(consumer.prefetch_count)},
    {key: "active", title: "Active", cell: (consumer) => badge((consumer.activity_status ?? (consumer.active ? "up" : "waiting")).replaceAll("_", " "), consumer.active === false ? "" : "good")},
    {key: "arguments", title: "Arguments", cell: (consumer) => (Object.keys(argumentsOf(consumer)).length ? tableOf(argumentsOf(consumer)) : "")},
  ];
}

/** What makes a consumer that consumer. */
export function consumerKey(consumer) {
  return JSON.stringify([consumer.channel_details?.name, consumer.consumer_tag, consumer.queue]);
}
