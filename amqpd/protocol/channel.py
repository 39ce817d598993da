"""A channel: takes its methods, delivers to consumers, and keeps what is unsettled (1.5, 1.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from librt.strings import read_i64_be, write_i32_be, write_i64_be
from mypy_extensions import i32, i64
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.broker.consumer import Consumer, Sink, count_deliveries, tag_order
from amqpd.broker.exchange import Exchange
from amqpd.broker.firehose import Client
from amqpd.broker.limits import is_reached
from amqpd.broker.queues.queue import BEHIND, LOGGED, REFUSED, Queue
from amqpd.broker.queues.rules import CLASSIC
from amqpd.broker.queues.stream import StreamQueue
from amqpd.broker.unacked import ACKED, NO_MESSAGE, REJECTED, REQUEUED, Delivery, Unacked, by_holder
from amqpd.errors import (
    AccessRefused,
    ChannelError,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    UnexpectedFrame,
)
from amqpd.message import NOT_LOGGED, PERSISTENT, TO_BE_LOGGED, Message, write_content
from amqpd.metrics.message_counts import MessageCounts, count_get
from amqpd.protocol.checks import REPLY_TO_QUEUE
from amqpd.protocol.confirms import Confirms
from amqpd.protocol.consumer_timeout import ConsumerTimeout
from amqpd.protocol.dispatch import call, unchecked
from amqpd.protocol.frame_check import METHOD_MIN, check_frame
from amqpd.protocol.publishing import Publishing
from amqpd.protocol.states import (
    BASIC_ACK,
    BASIC_NACK,
    BASIC_PUBLISH,
    BASIC_REJECT,
    CHANNEL_BODY,
    CHANNEL_CLOSE,
    CHANNEL_CLOSE_OK,
    CHANNEL_CLOSING,
    CHANNEL_HEADER,
    CHANNEL_OPEN,
    CHANNEL_OPEN_METHOD,
)
from amqpd.protocol.transaction import HeldPublish, HeldSettlement, Transaction
from amqpd.store.journal import Journal
from amqpd.wire.frames import (
    FRAME_END_OCTET,
    FRAME_METHOD,
    FrameReader,
    frame,
    method_id_at,
)
from amqpd.wire.methods import decode_method, encode_method

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection

MULTIPLE: Final = 1
REQUEUE_OF_NACK: Final = 2
REQUEUE_OF_REJECT: Final = 1

LAST_TAG: Final = (1 << 63) - 1

SECOND_OPEN: Final = "second 'channel.open' seen"


@final
class Channel(Sink):
    """One channel of a connection. `receive` takes its frames; errors are raised to the connection."""

    def __init__(self, connection: Connection, channel_id: i64) -> None:
        self.connection = connection
        self.id = channel_id
        self.vhost = connection.vhost_opened()
        self.journal: Journal | None = connection.broker.storage.journal
        self.state: i64 = CHANNEL_OPEN
        self.last_queue = ""
        """The queue last declared here, which an empty name stands for (1.7.2.1)."""
        self.consumers: dict[str, Consumer] = {}
        self.prefetch_count: i64 = 0
        """Credit of each consumer that starts from now on."""
        self.global_prefetch_count: i64 = 0
        """Credit that all consumers of the channel share; 0 means no limit."""
        self.unacked = Unacked()
        self.confirms: Confirms | None = None
        self.transaction: Transaction | None = None
        self.is_plain = True
        """Whether it has neither confirms nor transactions, which a channel that has begun with them never loses."""
        self.reply_consumer: Consumer | None = None
        """The consumer of direct replies, of which a channel has one at most."""
        self.published: i64 = 0
        self.acked: i64 = 0
        self.routed: i64 = 0
        """How many queues the messages published here went to, counted once for each."""
        self.counts = MessageCounts()
        """What happens seldom, and what consumers have got that are gone; see `message_counts`."""
        self._consumers_unacked: i64 = 0
        self._next_delivery_tag: i64 = 1
        self._deliver_head = int((FRAME_METHOD << 16) | channel_id).to_bytes(3, "big")
        self._publishing = Publishing(self)
        self._consumer_timeout = ConsumerTimeout(self)
        self._held_back: dict[Consumer, None] = {}
        """Consumers that could have got something, had there been credit that all share."""

    # What the client sends

    def receive(self, reader: FrameReader) -> None:
        """Take one frame, or one part of a body frame. Raises AmqpError for what the client did wrong."""
        state = self.state
        if state == CHANNEL_OPEN:
            if reader.type != FRAME_METHOD:
                self.connection.method_id = 0
                check_frame(reader)
                raise UnexpectedFrame("expected method frame, got non method frame instead")
            self._receive_method(reader)
        elif state == CHANNEL_BODY:
            self._publishing.receive_body(reader)
        elif state == CHANNEL_HEADER:
            self._publishing.receive_header(reader)
        else:
            self._receive_while_closing(reader)

    def body_missing(self) -> i64:
        """How many bytes of a body that is arriving are still missing."""
        return self._publishing.body_missing() if self.state == CHANNEL_BODY else 0

    def _receive_method(self, reader: FrameReader) -> None:
        start = reader.payload_start
        size: i64 = reader.payload_end - start
        if size < METHOD_MIN:
            check_frame(reader)
        method_id = method_id_at(reader.data, start)
        self.connection.method_id = method_id
        if method_id == BASIC_PUBLISH:
            self._publishing.begin(reader)
        elif method_id == BASIC_ACK and size == 13:
            multiple = (reader.data[start + 12] & MULTIPLE) != 0
            self.settle(read_i64_be(reader.data, start + 4), multiple, ACKED)
        elif method_id == BASIC_NACK and size == 13:
            bits: i64 = reader.data[start + 12]
            multiple = (bits & MULTIPLE) != 0
            outcome: i64 = REQUEUED if bits & REQUEUE_OF_NACK else REJECTED
            self.settle(read_i64_be(reader.data, start + 4), multiple, outcome)
        elif method_id == BASIC_REJECT and size == 13:
            outcome = REQUEUED if reader.data[start + 12] & REQUEUE_OF_REJECT else REJECTED
            self.settle(read_i64_be(reader.data, start + 4), False, outcome)
        else:
            self.connection.method_id = 0
            call(self, decode_method(reader.payload()))

    def _receive_while_closing(self, reader: FrameReader) -> None:
        check_frame(reader)
        if reader.type != FRAME_METHOD:
            return
        method_id = method_id_at(reader.data, reader.payload_start)
        if method_id == CHANNEL_CLOSE_OK:
            self.connection.forget_channel(self)
        elif method_id == CHANNEL_CLOSE:
            self.send(commands.Channel.CloseOk())
            self.connection.forget_channel(self)
        elif method_id == CHANNEL_OPEN_METHOD:
            self.connection.method_id = method_id
            raise ChannelError(SECOND_OPEN)

    # Publishing

    def publish(self, message: Message, queues: list[Queue], mandatory: bool) -> None:
        """Send a message on its way, and note what is to be confirmed."""
        outcome = self.hand_over(message, queues, mandatory)
        confirms = self.confirms
        if confirms is not None:
            if not confirms.is_noted:
                confirms.is_noted = True
                self.connection.confirming.append(confirms)
            if outcome & REFUSED:
                confirms.refuse()
            else:
                confirms.add(message.log_position == TO_BE_LOGGED or (outcome & LOGGED) != 0)

    def publish_held(self, publish: HeldPublish) -> i64:
        """Send a message of a transaction on its way to those queues that are still there, and count it: see hand_over."""
        queues = [queue for queue in publish.queues if not queue.deleted]
        self._publishing.count(publish.exchange, queues, 1)
        return self.hand_over(publish.message, queues, publish.mandatory)

    def hand_over(self, message: Message, queues: list[Queue], mandatory: bool) -> i64:
        """Give a message to its queues, or back to the publisher if it has none and is mandatory.

        What the queues say of it, together: see Queue.publish.
        """
        outcome: i64 = 0
        if not queues:
            if mandatory:
                self.counts.return_unroutable += 1
                self._return(message)
            else:
                self.counts.drop_unroutable += 1
            return outcome
        journal = self.journal
        if journal is not None and (message.flags & PERSISTENT or journal.failure):
            self._check_log(journal, message, queues)
        if len(queues) == 1:
            return self._hand_to(queues, message, journal)
        # What dies on the way comes after the message (RabbitMQ 3.10, observed).
        self.vhost.hold_dead_letters()
        try:
            return self._hand_to(queues, message, journal)
        finally:
            self.vhost.let_dead_letters_go()

    def _hand_to(self, queues: list[Queue], message: Message, journal: Journal | None) -> i64:
        outcome: i64 = 0
        for queue in queues:
            of_queue = queue.publish(message)
            if of_queue:
                outcome |= of_queue
                if of_queue & BEHIND:
                    self.connection.wait_for(queue)
                if of_queue & LOGGED and journal is not None and journal.is_behind():
                    self.connection.holds.wait_for_log()
        return outcome

    def _check_log(self, journal: Journal, message: Message, queues: list[Queue]) -> None:
        """Raise ResourceError (506) for a message that can't be kept as it should; notice when the log falls behind."""
        if journal.failure:
            is_persistent = message.flags & PERSISTENT != 0
            if any(queue.logged and (is_persistent or queue.queue_type != CLASSIC) for queue in queues):
                journal.check()
        if journal.is_behind():
            self.connection.holds.wait_for_log()

    def _return(self, message: Message) -> None:
        method = unchecked(
            commands.Basic.Return,
            reply_code=312,
            reply_text="NO_ROUTE",
            exchange=message.exchange(),
            routing_key=message.routing_key(),
        )
        self.send_with_content(method, message)

    def send_confirms(self) -> None:
        """Confirm everything that may be confirmed."""
        if self.confirms is not None:
            self.confirms.send()

    def confirm(self, delivery_tag: i64, multiple: bool) -> None:
        """Tell the publisher that its messages are safe."""
        if self.state != CHANNEL_CLOSING:
            self.send(commands.Basic.Ack(int(delivery_tag), multiple))

    def refuse_to_confirm(self, delivery_tag: i64, multiple: bool) -> None:
        """Tell the publisher that its messages may be lost."""
        if self.state != CHANNEL_CLOSING:
            self.send(commands.Basic.Nack(int(delivery_tag), multiple))

    # Settling

    def settle(self, delivery_tag: i64, multiple: bool, outcome: i64) -> None:
        """Ack, nack or reject one delivery, or all up to delivery_tag; tag 0 with multiple means all (1.8.3.13).

        Raises PreconditionFailed (406) if the tag is unknown or already settled.
        """
        if self.transaction is not None:
            self.transaction.settlements.append(HeldSettlement(self._take(delivery_tag, multiple), outcome))
            return
        if not multiple:
            delivery = self.unacked.take(delivery_tag)
            if delivery is None:
                self._refuse_tag(delivery_tag)
            elif outcome == ACKED:
                self._discard_one(delivery)
            else:
                self.settle_all([delivery], outcome)
            return
        if delivery_tag == 0:
            deliveries = self.unacked.take_all()
        else:
            if delivery_tag not in self.unacked:
                self._refuse_tag(delivery_tag)
            deliveries = self.unacked.take_up_to(delivery_tag)
        self.settle_all(deliveries, outcome)

    def settle_all(self, deliveries: list[Delivery], outcome: i64) -> None:
        """Do with deliveries that were taken what their consumers asked for."""
        if outcome == ACKED:
            self.discard(deliveries)
            return
        self._check_refusal(deliveries)
        if outcome == REQUEUED:
            self.requeue(deliveries)
        else:
            self.reject(deliveries)

    def _check_refusal(self, deliveries: list[Delivery]) -> None:
        """Raise NotImplementedByBroker (540) for deliveries of streams; others among them go back to their queues."""
        for delivery in deliveries:
            queue = delivery.queue
            if isinstance(queue, StreamQueue) and not queue.deleted:
                self.requeue(deliveries)
                queue.check_refusal()

    def _refuse_tag(self, delivery_tag: i64) -> None:
        raise PreconditionFailed(f"unknown delivery tag {int(delivery_tag) & 0xFFFFFFFFFFFFFFFF}")

    def _take(self, delivery_tag: i64, multiple: bool) -> list[tuple[int, Delivery]]:
        """Take deliveries out, with their tags, so that a rollback can restore them."""
        if multiple:
            if delivery_tag and delivery_tag not in self.unacked:
                self._refuse_tag(delivery_tag)
            tags = self.unacked.tags_up_to(delivery_tag or LAST_TAG)
        else:
            tags = [int(delivery_tag)]
        taken: list[tuple[int, Delivery]] = []
        for tag in tags:
            delivery = self.unacked.take(tag)
            if delivery is None:
                self._refuse_tag(tag)
            else:
                taken.append((tag, delivery))
        return taken

    def discard(self, deliveries: list[Delivery]) -> None:
        """These deliveries are done with; their consumers may get more."""
        self.acked += len(deliveries)
        for delivery in deliveries:
            queue = delivery.queue
            queue.unacked -= 1
            queue.acked += 1
            if delivery.message.log_position != NOT_LOGGED:
                queue.forget(delivery.message, delivery.position)
        self._give_credit(deliveries)

    def _discard_one(self, delivery: Delivery) -> None:
        """The same for one: what clients do most."""
        self.acked += 1
        queue = delivery.queue
        queue.unacked -= 1
        queue.acked += 1
        if delivery.message.log_position != NOT_LOGGED:
            queue.forget(delivery.message, delivery.position)
        consumer = delivery.consumer
        if consumer is None or consumer.cancelled or self.global_prefetch_count:
            self._give_credit([delivery])
            return
        consumer.unacked -= 1
        self._consumers_unacked -= 1
        if not consumer.in_ring:
            consumer.resume()

    def requeue(self, deliveries: list[Delivery]) -> None:
        """Put deliveries back to their places in their queues; whoever had them has its turn again, too.

        Those whom a shared credit holds back go on when others have had the choice (RabbitMQ 3.10, observed).
        """
        was_full = self._is_credit_used_up()
        for delivery in deliveries:
            if delivery.consumer is not None:
                self._consumers_unacked -= 1
        for held in by_holder(deliveries):
            consumer = held[0].consumer
            if consumer is not None:
                consumer.unacked -= len(held)
            held[0].queue.requeue(held)
        self._resume(deliveries, was_full)

    def _return_all(self) -> None:
        """The channel is over: what is unsettled goes back to its queues."""
        deliveries = self.unacked.take_all_by_holder()
        for queue, of_queue in by_queue(deliveries).items():
            queue.take_back(of_queue)
        self._give_credit(deliveries)

    def reject(self, deliveries: list[Delivery]) -> None:
        """These deliveries die.

        Who had them gets what is there before what may come back; quorum queues let them die before (RabbitMQ 3.10,
        observed).
        """
        groups = by_holder(deliveries)
        was_full = self._is_credit_used_up()
        self._take_credit_back(deliveries)
        for held in groups:
            if held[0].queue.queue_type != CLASSIC:
                held[0].queue.reject(held)
        self._resume(deliveries, was_full)
        for held in groups:
            if held[0].queue.queue_type == CLASSIC:
                held[0].queue.reject(held)

    def _give_credit(self, deliveries: list[Delivery]) -> None:
        was_full = self._is_credit_used_up()
        self._take_credit_back(deliveries)
        self._resume(deliveries, was_full)

    def _is_credit_used_up(self) -> bool:
        limit = self.global_prefetch_count
        return limit != 0 and self._consumers_unacked >= limit

    def _take_credit_back(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            consumer = delivery.consumer
            if consumer is not None:
                consumer.unacked -= 1
                self._consumers_unacked -= 1

    def _resume(self, deliveries: list[Delivery], was_full: bool) -> None:
        """Let those go on who have credit again; all of the channel, if what they share was used up."""
        last: Consumer | None = None
        resumed: dict[Consumer, None] = {}
        for delivery in deliveries:
            consumer = delivery.consumer
            if consumer is not None and not consumer.in_ring:
                if consumer.cancelled:
                    consumer.queue.left_settled(consumer)
                elif consumer is not last:
                    last = consumer
                    resumed[consumer] = None
        for consumer in resumed if len(resumed) < 2 else sorted(resumed, key=tag_order):
            if was_full and consumer.queue.queue_type == CLASSIC:
                # It comes after those whom the shared credit held back before it had credit of its own.
                self._held_back.setdefault(consumer, None)
            else:
                consumer.resume()
        if was_full:
            self.resume_consumers()

    def resume_consumers(self) -> None:
        """Credit that all consumers share has changed: let each try that had none, in the order in which they had none."""
        held_back: dict[Queue, list[Consumer]] = {}
        for consumer in self._held_back:
            consumer.held_back = False
            held_back.setdefault(consumer.queue, []).append(consumer)
        self._held_back = {}
        for queue, consumers in held_back.items():
            queue.consumers_ready(consumers)

    # Delivering

    def has_room(self, consumer: Consumer) -> bool:
        """Whether the shared credit and the connection's output allow one more delivery."""
        connection = self.connection
        if connection.congested:
            connection.stalled[consumer] = None
            return False
        limit = self.global_prefetch_count
        return limit == 0 or self._consumers_unacked < limit or not self._hold_back(consumer)

    def _hold_back(self, consumer: Consumer) -> bool:
        """The shared credit is used up: whether this consumer has to wait for it, and let it wait."""
        # Whoever needs no acks waits as well. A shared credit that comes after the consumers is not for those of other
        # queues (RabbitMQ 3.10, observed).
        if consumer.queue.queue_type != CLASSIC or consumer is self.reply_consumer:
            return False
        consumer.held_back = True
        self._held_back[consumer] = None
        return True

    def deliver(self, consumer: Consumer, message: Message, position: i64, redelivered: bool) -> None:
        """Write basic.deliver and the content straight into the connection's output."""
        delivery_tag = self._next_delivery_tag
        self._next_delivery_tag = delivery_tag + 1
        consumer.delivered += 1
        if redelivered:
            consumer.redelivered += 1
        if not consumer.no_ack:
            self._consumers_unacked += 1
            kept = message if consumer.can_return else NO_MESSAGE
            self.unacked.add(delivery_tag, Delivery(consumer.queue, kept, position, consumer))
        address = message.address
        if consumer.deliver_start_address_size != len(address):
            self._begin_deliver(consumer, message, redelivered)
        connection = self.connection
        writer = connection.output.writer
        writer.write(consumer.deliver_start)
        write_i64_be(writer, delivery_tag)
        writer.append(redelivered)
        writer.write(address)
        writer.append(FRAME_END_OCTET)
        write_content(connection.output, message, self.id, connection.frame_max)
        connection.wrote()

    def channel_id(self) -> i64:
        return self.id

    def _begin_deliver(self, consumer: Consumer, message: Message, redelivered: bool) -> None:
        """Make what deliver frames to this consumer begin with, for addresses of this size, until `begin_deliveries_anew`."""
        address_size: i64 = len(message.address)
        if not consumer.no_ack:
            self._consumer_timeout.start()
        tag = consumer.tag.encode(errors="surrogateescape")
        size = 4 + 1 + len(tag) + 8 + 1 + address_size
        start = self._deliver_head + int(size).to_bytes(4, "big") + DELIVER_ID + bytes([len(tag)]) + tag
        consumer.deliver_start = start
        consumer.deliver_start_address_size = address_size
        firehose = self.vhost.firehose
        if firehose is not None and consumer is not self.reply_consumer:
            firehose.delivered(consumer.queue, message, redelivered, self.client())
            # The next has to be told of as well.
            consumer.begin_deliveries_anew()

    def get(self, queue: Queue, no_ack: bool) -> None:
        """Answer basic.get with the first ready message, or with get-empty (1.8.3.10)."""
        found = queue.get()
        if found is None:
            self.counts.get_empty += 1
            queue.counts.get_empty += 1
            self.send(commands.Basic.GetEmpty())
            return
        message, position, redelivered = found
        firehose = self.vhost.firehose
        if firehose is not None:
            firehose.delivered(queue, message, redelivered, self.client())
        count_get(self.counts, no_ack, redelivered)
        count_get(queue.counts, no_ack, redelivered)
        delivery_tag = self._next_delivery_tag
        self._next_delivery_tag = delivery_tag + 1
        if no_ack:
            queue.settle(message, position)
        else:
            self.unacked.add(delivery_tag, Delivery(queue, message, position, None))
            self._consumer_timeout.start()
        writer = self.connection.output.writer
        payload_size: i64 = 4 + 8 + 1 + len(message.address) + 4
        writer.write(self._deliver_head)
        write_i32_be(writer, i32(payload_size))
        writer.write(GET_OK_ID)
        write_i64_be(writer, delivery_tag)
        writer.append(redelivered)
        writer.write(message.address)
        write_i32_be(writer, i32(queue.ready()))
        writer.append(FRAME_END_OCTET)
        connection = self.connection
        write_content(connection.output, message, self.id, connection.frame_max)
        connection.wrote()

    def begin_deliveries_anew(self) -> None:
        """Let the next delivery to any consumer be one that starts the consumer timeout."""
        for consumer in self.consumers.values():
            consumer.begin_deliveries_anew()

    def has_unsettled(self) -> bool:
        """Whether anything is in the client's hands, also if it was settled in a transaction that is open."""
        transaction = self.transaction
        return len(self.unacked) > 0 or (transaction is not None and len(transaction.settlements) > 0)

    def unsettled(self, delivery_tag: i64, most: i64) -> list[tuple[int, Delivery]]:
        """What is in the client's hands, from a delivery tag on, with the tags; it stays as it is."""
        found = self.unacked.starting_at(delivery_tag, most)
        transaction = self.transaction
        if transaction is not None and transaction.settlements:
            for settlement in transaction.settlements:
                found += [each for each in settlement.deliveries if each[0] >= delivery_tag]
            found.sort(key=tag_of)
            del found[most:]
        return found

    def next_delivery_tag(self) -> i64:
        """The tag of the delivery that comes next."""
        return self._next_delivery_tag

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """Tell the client, if it can hear it, that its consumer ended with its queue."""
        self._forget_consumer(consumer)
        if self.connection.consumer_cancel_notify and self.state != CHANNEL_CLOSING:
            self.send(commands.Basic.Cancel(consumer.tag, True))

    def reply_queue_name(self) -> str:
        """Where direct replies to this channel go, or nothing."""
        return self.reply_consumer.queue.name if self.reply_consumer is not None else ""

    def consume_replies(self, consumer_tag: str) -> Consumer:
        """Start the consumer of direct replies. Raises PreconditionFailed (406) if there is one already."""
        if self.reply_consumer is not None:
            raise PreconditionFailed("reply consumer already set")
        name = self.connection.broker.generated_name(REPLY_TO_QUEUE + ".")
        queue = self.vhost.add_reply_queue(name)
        consumer = Consumer(consumer_tag, queue, self, True, True, 0, {})
        self.reply_consumer = consumer
        self._publishing.forget()
        return consumer

    # Answering

    def send(self, method: Method) -> None:
        """Send one method frame."""
        self.connection.send(self.id, method)

    def answer(self, method: Method, then: Callable[[], object] | None = None) -> None:
        """Send a reply, and then call `then`, when every change of definitions until now is on disk."""
        journal = self.journal
        self.connection.holds.answer(self.id, method, then, journal is not None and journal.has_definitions())

    def answer_when_durable(self, method: Method) -> None:
        """Send a reply when everything that was done until now is on disk."""
        journal = self.journal
        self.connection.holds.answer(self.id, method, None, journal is not None and journal.is_busy())

    def send_with_content(self, method: Method, message: Message) -> None:
        """Send a method frame and the content that belongs to it."""
        self.connection.output.write(frame(FRAME_METHOD, self.id, encode_method(method)))
        connection = self.connection
        write_content(connection.output, message, self.id, connection.frame_max)
        connection.wrote()

    # What handlers ask

    def client(self) -> Client:
        """Who is at the other end, as the firehose tells it."""
        connection = self.connection
        return Client(connection.peer.name, int(self.id), connection.user_logged_in().name)

    def allow(self, kind: str, resource_type: str, name: str) -> None:
        """Raise AccessRefused (403) unless the user may "configure", "write" or "read" this."""
        if not self.connection.permissions_granted().allows(kind, name):
            user = self.connection.user_logged_in().name
            resource = f"{resource_type} '{name or 'amq.default'}' in vhost '{self.vhost.name}'"
            raise AccessRefused(f"access to {resource} refused for user '{user}'")

    def allow_topic(self, kind: str, exchange: Exchange, routing_key: str) -> None:
        """Raise AccessRefused (403) if topic permissions keep the user from this routing key."""
        if exchange.exchange_type != "topic":
            return
        if not self.connection.permissions_granted().allows_topic(kind, exchange.name, routing_key):
            user = self.connection.user_logged_in().name
            raise AccessRefused(
                f"access to topic '{routing_key}' in {exchange.title()} refused for user '{user}'"
            )

    def check_consumer_limit(self) -> None:
        """Raise NotAllowed (530) if the channel can have no more consumers (RabbitMQ 4)."""
        limit = self.connection.broker.limits.consumer_max_per_channel
        if is_reached(limit, len(self.consumers)):
            raise NotAllowed(f"reached maximum ({limit}) of consumers per channel")

    def queue_name(self, name: str) -> str:
        """The name, or the queue last declared for an empty one; raises NotFound (404) if there is none."""
        if not name and not self.last_queue:
            raise NotFound("no previously declared queue")
        return name or self.last_queue

    def queue_to_read(self, name: str) -> Queue:
        """The queue of this name, or the one last declared, if it is there and this client may read it.

        Raises NotFound (404), AccessRefused (403), or ResourceLocked (405) if it is another connection's.
        """
        name = self.queue_name(name)
        self.allow("read", "queue", name)
        queue = self.vhost.queue(name)
        queue.check_owner(self.connection.owner)
        return queue

    def end_consumer(self, consumer: Consumer) -> None:
        """End one consumer; an auto-delete queue goes with its last."""
        self._forget_consumer(consumer)
        queue = consumer.queue
        queue.remove_consumer(consumer)
        if consumer is self.reply_consumer:
            self.reply_consumer = None
            self._publishing.forget()
            self.vhost.delete_reply_queue(queue)
            return
        if queue.auto_delete and not queue.consumers and not queue.deleted:
            self.vhost.end_queue(queue)

    def _forget_consumer(self, consumer: Consumer) -> None:
        self._held_back.pop(consumer, None)
        if self.consumers.pop(consumer.tag, None) is not None:
            count_deliveries(self.counts, consumer)

    def collect_counts(self) -> None:
        """Let exchanges and queues know what was published here."""
        self._publishing.collect_counts()

    def message_counts(self) -> MessageCounts:
        """What has happened to messages on this channel."""
        self.collect_counts()
        counts = self.counts.copy()
        counts.publish = int(self.published)
        counts.ack = int(self.acked)
        counts.routed = int(self.routed)
        if self.confirms is not None:
            counts.confirm = int(self.confirms.confirmed)
            counts.publish_confirm = int(self.confirms.published)
        for consumer in self.consumers.values():
            count_deliveries(counts, consumer)
        return counts

    def leave_queues(self) -> None:
        """Get nothing more, so that what is about to be requeued goes to others."""
        for consumer in self.consumers.values():
            consumer.queue.let_go(consumer)

    def release(self) -> None:
        """The channel is over: end its consumers, requeue what is unsettled, drop what is uncommitted."""
        transaction = self.transaction
        if transaction is not None:
            for settlement in transaction.settlements:
                self.unacked.restore(settlement.deliveries)
            self.transaction = None
        self._consumer_timeout.stop()
        self._publishing.forget()
        self.leave_queues()
        self._end_auto_delete_queues()
        self._return_all()
        for consumer in list(self.consumers.values()):
            self.end_consumer(consumer)
        counts = self.message_counts()
        self.vhost.counts.add(counts)
        self.connection.broker.node.ended.channel_ended(counts)

    def _end_auto_delete_queues(self) -> None:
        """Those that nobody else consumes go, and nothing that could die comes back first (RabbitMQ 3.10, observed)."""
        for consumer in self.consumers.values():
            queue = consumer.queue
            if queue.auto_delete and not queue.consumers and not queue.deleted:
                self.vhost.end_queue(queue)

    def begin_closing(self) -> None:
        """The channel was closed for an error; what else arrives on it is ignored until close-ok."""
        self.state = CHANNEL_CLOSING
        self.release()


DELIVER_ID: Final = b"\x00\x3c\x00\x3c"
GET_OK_ID: Final = b"\x00\x3c\x00\x47"


def by_queue(deliveries: list[Delivery]) -> dict[Queue, list[Delivery]]:
    """The deliveries of each queue, in order."""
    found: dict[Queue, list[Delivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.queue, []).append(delivery)
    return found


def tag_of(delivery: tuple[int, Delivery]) -> int:
    """The delivery tag."""
    return delivery[0]


def stripped(name: str) -> str:
    """A queue or exchange name without line breaks (RabbitMQ 3.10, observed)."""
    return name.replace("\r", "").replace("\n", "")
