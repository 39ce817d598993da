"""What was asked of the broker and what it answered, kept outside it: so what must, may and must not come back.

Of each message in each queue the ledger knows three things, each for certain or perhaps: whether it entered the
queue, whether it left, and whether it was delivered. A *life* is one process of the broker; lives are numbered from
1. What the broker said in an earlier life counts only if it was durable when it said it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from crash import bodies, contents
from crash.rules import DELIVERY_LIMIT, EXPIRED, REJECTED, Rules


class Certainty(enum.Enum):
    """How sure the ledger is of something."""

    NO = "no"
    PERHAPS = "perhaps"
    CERTAIN = "certain"


class Place(enum.Enum):
    """Where a message is within the life that last had to do with it."""

    QUEUED = "in the queue"
    HELD = "delivered, not settled"
    SETTLED = "settled"


COPY_BYTES = 64  # properties, position and name of the queue of one message, about

EXACT_S = 0.002  # times are kept in whole milliseconds
LATE_S = 30.0  # a machine that does other things as well is no violation

NO, PERHAPS, CERTAIN = Certainty.NO, Certainty.PERHAPS, Certainty.CERTAIN


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept. `ledger` is what the ledger says about the message, one line."""

    kind: str
    where: str
    what: str
    ledger: str = ""

    def __str__(self) -> str:
        line = f"{self.kind}: {self.where}: {self.what}"
        return f"{line}\n    ledger: {self.ledger}" if self.ledger else line


class Transaction:
    """Publishes and acks that happen together or not at all."""

    def __init__(self, life: int, name: str) -> None:
        self.life = life
        self.name = name
        self.published: list[Entry] = []
        self.acknowledged: list[Entry] = []
        self.outcome: bool | None = False
        """Whether it happened; None while a commit is unanswered."""
        self.committing = False
        self.evidence = "no commit was sent"

    def publish(self, entries: Iterable[Entry]) -> None:
        """Messages published in it: they must not appear before the commit."""
        for entry in entries:
            entry.entered = NO
            entry.arrival = self
            self.published.append(entry)

    def acknowledge(self, entry: Entry) -> None:
        """A delivery acked in it: the message stays until the commit."""
        entry.departure = self
        self.acknowledged.append(entry)

    def commit_sent(self) -> None:
        """From now on it may have happened."""
        self.outcome = None
        self.committing = True
        self.evidence = "tx.commit sent"
        for entry in self.published:
            entry.entered = PERHAPS

    def resolve(self, happened: bool, evidence: str) -> Violation | None:
        """Take note that it happened, or that it did not; a violation if the opposite is known already."""
        if self.outcome is happened:
            return None
        if self.outcome is not None:
            return Violation("half a transaction", self.name, f"{evidence}, but {self.evidence}")
        self.outcome = happened
        self.evidence = evidence
        for entry in self.published:
            entry.entered = CERTAIN if happened else NO
        for entry in self.acknowledged:
            if happened and entry.departure is self:
                entry.left = CERTAIN
                entry.place = Place.SETTLED
        self._forget()
        return None

    def rolled_back(self) -> None:
        """tx.rollback-ok: nothing of it happened, and its acks can be sent again."""
        for entry in self.acknowledged:
            if entry.departure is self:
                entry.departure = None
        self._forget()

    def _forget(self) -> None:
        # Entries know their transactions; if those knew them for ever, nothing would ever be freed.
        self.published.clear()
        self.acknowledged.clear()


class Entry:
    """One message in one queue."""

    __slots__ = (
        "answered_s",
        "arrival",
        "count",
        "count_least",
        "count_most",
        "delivered",
        "departure",
        "entered",
        "header",
        "heir",
        "left",
        "life",
        "order",
        "origin",
        "place",
        "rank",
        "reason",
        "sent_s",
        "size",
        "touched",
        "transient",
    )

    def __init__(self, message_header: bytes, size: int, life: int, transient: bool) -> None:
        self.header = message_header
        self.size = size
        self.life = life  # in which it was published
        self.transient = transient
        self.entered = PERHAPS
        self.left = NO
        self.delivered = NO
        self.arrival: Transaction | None = None
        self.departure: Transaction | None = None
        self.touched = 0  # the last life in which it was delivered or settled, and
        self.place = Place.QUEUED  # where it was left in that life
        self.rank = -1  # its place among all others when the whole queue was last read
        self.order: tuple[int, int] | None = None  # who made it come, and as which of its messages
        self.sent_s = 0.0  # when it was published, in seconds since 1970, and
        self.answered_s = 0.0  # when it was there at the latest
        self.heir: Entry | None = None  # the same message in the queue for those that died here
        self.origin: Entry | None = None  # and in the queue where it died
        self.reason = ""  # of its death
        self.count = 0  # how often it had come back when last seen; and
        self.count_least, self.count_most = 0, 0  # what a later life may say of that

    def confirm(self, now_s: float = 0.0) -> None:
        """The confirm came."""
        self.entered = CERTAIN
        self.answered_s = now_s

    def settle(self, life: int) -> None:
        """An ack, reject or purge was sent: it may be gone, or still there after a crash."""
        self.left = PERHAPS
        self.touched = life
        self.place = Place.SETTLED

    def requeue(self) -> None:
        """A nack or reject with requeue was sent, or its channel closed."""
        self.place = Place.QUEUED

    def __str__(self) -> str:
        target, publisher, sequence = bodies.parts(self.header)
        line = (
            f"target {target} publisher {publisher} sequence {sequence}, {self.size} bytes, "
            f"published in life {self.life}{' (transient)' if self.transient else ''}: entered {self.entered.value}, "
            f"left {self.left.value}, delivered {self.delivered.value}"
        )
        if self.count_most:
            line += f", came back {self.count} times, {self.count_least} to {self.count_most}"
        if self.touched:
            line += f", in life {self.touched} {self.place.value}"
        for word, transaction in (("published", self.arrival), ("acked", self.departure)):
            if transaction is not None:
                line += f", {word} in {transaction.name} ({transaction.evidence})"
        return line


class QueueLedger:
    """One queue, from its declaration to its deletion; the next queue of that name is another one."""

    def __init__(self, name: str, number: int, rules: Rules | None = None) -> None:
        self.name = name
        self.number = number
        self.rules = rules or Rules()
        self.grave: QueueLedger | None = None
        """Where its messages go when they die,"""
        self.source: QueueLedger | None = None
        """and where they have come from if this is such a queue."""
        self.exists = CERTAIN
        self.entries: dict[bytes, Entry] = {}
        """By header, in the order of publishing; what is known to be gone may be missing."""
        self.issued: dict[int, int] = {}
        """The highest sequence number published, by target and publisher."""
        self.attending: set[object] = set()
        """Who consumes, or awaits an answer to basic.get: they may have been sent what they never got."""
        self.unseen = 0
        """How many basic.get without acks were never answered: each may have taken a message."""

    def publish(
        self, message_header: bytes, size: int, life: int, transient: bool = False, now_s: float = 0.0
    ) -> Entry:
        """A message is about to be published."""
        entry = Entry(message_header, size, life, transient)
        entry.sent_s = now_s
        if self.rules.delay_ms is None:
            entry.order = _publishing_order(message_header)
        self._note_issued(message_header)
        self.entries[message_header] = entry
        return entry

    def _note_issued(self, message_header: bytes) -> None:
        publisher, sequence = _publishing_order(message_header)
        self.issued[publisher] = max(sequence, self.issued.get(publisher, 0))

    def purge_sent(self, life: int) -> list[Entry]:
        """queue.purge by the only publisher and consumer, with nothing unacknowledged; what it may take."""
        taken = [entry for entry in self.entries.values() if entry.left is not CERTAIN]
        for entry in taken:
            entry.settle(life)
        return taken

    def reject(self, entry: Entry, life: int, order: tuple[int, int] | None = None) -> None:
        """A reject was sent, as the how-manieth of whom: the message stays, is in the grave, or nowhere if there is none."""
        entry.settle(life)
        if self.grave is not None:
            self.grave._inherit(entry, REJECTED, life, order)

    def give_back(self, entry: Entry, life: int) -> None:
        """A nack or reject with requeue was sent, or its channel closed. It may have been once too often."""
        limit = self.rules.delivery_limit
        if limit is None or entry.count < limit:
            entry.requeue()
            return
        entry.settle(life)
        if self.grave is not None:
            self.grave._inherit(entry, DELIVERY_LIMIT, life, None)

    def may_die(self, entry: Entry) -> bool:
        """Whether a message may have died without anybody having a hand in it."""
        limit = self.rules.delivery_limit
        # A broker that stops closes a consumer's connection, and what the consumer never got has come back once more.
        unseen = 1 if self.attending else 0
        return self.rules.dies_by != "" and (limit is None or entry.count_most + unseen > limit)

    def due(self, now_s: float) -> set[bytes]:
        """Headers of what was delayed, and has to be there now or soon."""
        delay_ms = self.rules.delay_ms
        if delay_ms is None:
            return set()
        return {
            header
            for header, entry in self.entries.items()
            if entry.entered is CERTAIN
            and entry.left is NO
            and entry.answered_s + delay_ms(header) / 1000 <= now_s
        }

    def _inherit(self, origin: Entry, reason: str, life: int, order: tuple[int, int] | None) -> Entry:
        """In this queue, which is a grave, a message may be now."""
        heir = Entry(origin.header, origin.size, life, origin.transient)
        self._note_issued(origin.header)
        heir.sent_s, heir.answered_s = origin.sent_s, origin.answered_s
        heir.origin, heir.reason, heir.order = origin, reason, order
        origin.heir = heir
        self.entries[origin.header] = heir
        return heir

    def _died_by_itself(self, message_header: bytes, life: int) -> Entry | None:
        """The entry of a message that is here without a reject, or None if it should not be."""
        source = self.source
        origin = None if source is None else source.entries.get(message_header)
        if source is None or origin is None or not source.may_die(origin):
            return None
        heir = self._inherit(origin, source.rules.dies_by, life, None)
        if not source.rules.is_consumed and source.rules.dies_in_order(message_header):
            heir.order = origin.order
        heir.delivered = PERHAPS
        if origin.left is NO:
            origin.left = PERHAPS
        return heir

    def declare_sent(self) -> None:
        """queue.declare was sent."""
        self.exists = PERHAPS

    def declared(self) -> None:
        """It exists for certain."""
        self.exists = CERTAIN

    def delete_sent(self) -> None:
        """queue.delete was sent."""
        self.exists = PERHAPS
        for entry in self.entries.values():
            if entry.left is NO:
                entry.left = PERHAPS

    def deleted(self) -> None:
        """It is gone for certain, and all in it."""
        self.exists = NO
        self.entries.clear()

    def end_life(self, life: int, orderly: bool, now_s: float = 0.0) -> None:
        """The broker's process is gone: transient messages are, and deliveries under way were perhaps sent."""
        for header, entry in list(self.entries.items()):
            entry.answered_s = entry.answered_s or now_s
            if self.rules.is_quorum:
                self._end_life_of_count(entry, life, orderly)
            if entry.transient and self.rules.delay_ms is not None:
                # As long as it is delayed it is kept, then it is not.
                entry.entered = PERHAPS
            elif entry.transient and not self.rules.is_quorum:
                del self.entries[header]
            elif orderly and entry.touched == life and entry.place is not Place.SETTLED:
                entry.delivered = CERTAIN
            elif self.attending and entry.delivered is NO:
                entry.delivered = PERHAPS
        self.attending.clear()

    def _end_life_of_count(self, entry: Entry, life: int, orderly: bool) -> None:
        ours = entry.touched == life
        if ours and orderly and entry.place is not Place.SETTLED:
            entry.count_least = entry.count + 1
        if self.attending and not (ours and entry.place is not Place.QUEUED):
            entry.count_most += 1


@dataclass
class Ledger:
    """All queues, and what was violated so far."""

    queues: dict[str, QueueLedger] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    """Names of what was published to, by number; each new queue under an old name has another number."""
    violations: list[Violation] = field(default_factory=list)
    publishers: int = 0
    stream_bytes: int = 0
    """Octets in streams, which stay."""
    confirmed: int = 0
    delivered: int = 0

    def new_target(self, name: str) -> int:
        """A number for an exchange or queue that will be published to."""
        self.targets.append(name)
        return len(self.targets) - 1

    def new_queue(self, name: str, rules: Rules | None = None) -> QueueLedger:
        """A queue was declared, and there was none of this name."""
        queue = QueueLedger(name, self.new_target(name), rules)
        self.queues[name] = queue
        return queue

    def new_passage(self, name: str, grave: str, rules: Rules | None = None) -> QueueLedger:
        """Two queues were declared, and what dies in one goes to the other."""
        queue = self.new_queue(name, rules)
        queue.grave = self.new_queue(grave)
        queue.grave.source = queue
        return queue

    def new_publisher(self) -> int:
        """A number that no other publisher has; a publisher is one channel in one life."""
        self.publishers += 1
        return self.publishers

    def violated(self, kind: str, where: str, what: str, entry: Entry | None = None) -> None:
        """Note a violation."""
        self.violations.append(Violation(kind, where, what, "" if entry is None else str(entry)))

    def end_life(self, life: int, orderly: bool = False, now_s: float = 0.0) -> None:
        """The process of this life has ended; `orderly`: by itself, after SIGTERM."""
        for queue in self.queues.values():
            queue.end_life(life, orderly, now_s)

    def bytes_live(self) -> int:
        """Octets of the messages that may be there: each once, and something for each queue that it is in."""
        sizes: dict[bytes, int] = {}
        copies = 0
        for queue in self.queues.values():
            for header, entry in queue.entries.items():
                if entry.left is not CERTAIN:
                    sizes[header] = entry.size
                    copies += 1
        return sum(sizes.values()) + copies * COPY_BYTES + self.stream_bytes

    def deliver(
        self,
        queue: QueueLedger,
        body: bytes,
        properties: bytes,
        redelivered: bool,
        life: int,
        now_s: float = 0.0,
    ) -> Entry | None:
        """A message came out of a queue, before `now_s`. Returns its entry, or None if it had no business there."""
        header = body[: bodies.HEADER_BYTES]
        entry = queue.entries.get(header) or queue._died_by_itself(header, life)
        if entry is None:
            self._explain_unknown(queue, body)
            return None
        self._check_content(queue, entry, body, properties)
        self._check_presence(queue, entry, life)
        self._check_redelivered(queue, entry, redelivered, life)
        self._check_not_early(queue, entry, properties, now_s)
        if queue.rules.is_quorum:
            self._check_count(
                queue, entry, contents.number_in(properties, contents.DELIVERY_COUNT) or 0, life
            )
        if entry.touched != life:
            self._returned(queue, entry, redelivered, life)
        if entry.delivered is NO:
            entry.delivered = PERHAPS
        entry.touched = life
        entry.place = Place.HELD
        return entry

    def _explain_unknown(self, queue: QueueLedger, body: bytes) -> None:
        target, publisher, sequence = bodies.parts(body[: bodies.HEADER_BYTES])
        what = f"target {target} publisher {publisher} sequence {sequence}, {len(body)} bytes"
        issued = queue.issued.get(target << 24 | publisher)
        source = queue.source
        origin = None if source is None else source.entries.get(body[: bodies.HEADER_BYTES])
        if source is not None and origin is not None:
            self.violated("died for no reason", queue.name, f"{what}: should be in {source.name}", origin)
        elif issued is not None and sequence <= issued:
            self.violated("came back", queue.name, f"{what}: was in this queue and gone for certain")
        elif target < len(self.targets) and self.targets[target] == queue.name and target != queue.number:
            self.violated("came back", queue.name, f"{what}: belongs to a deleted queue of the same name")
        else:
            self.violated("invented", queue.name, f"{what}: never published to this queue")

    def _check_content(self, queue: QueueLedger, entry: Entry, body: bytes, properties: bytes) -> None:
        if body != bodies.body(entry.header, entry.size):
            self.violated("corrupted", queue.name, f"the body differs ({len(body)} bytes)", entry)
        difference = _difference_of_properties(queue, entry, properties)
        if difference is not None:
            self.violated("corrupted", queue.name, f"the properties differ: {difference}", entry)
        elif entry.reason and contents.death_reason(properties) != entry.reason:
            # The reject was not heard, and it died later of something else.
            entry.reason, entry.order = contents.death_reason(properties), None

    def _check_presence(self, queue: QueueLedger, entry: Entry, life: int) -> None:
        if entry.touched == life and entry.place is not Place.QUEUED:
            self.violated("duplicated", queue.name, "delivered again in the same life", entry)
        elif (other := _elsewhere(entry, life)) is not None:
            where = "the queue where it died" if other is entry.origin else "the queue for the dead"
            self.violated("in two places", queue.name, f"it is in {where} as well: {other}", entry)
        elif entry.left is CERTAIN:
            self.violated("came back", queue.name, "it was gone for certain", entry)
        elif entry.entered is NO:
            kind = "half a transaction" if _committing(entry.arrival) else "invented"
            self.violated(kind, queue.name, "its transaction did not happen", entry)

    def _check_redelivered(self, queue: QueueLedger, entry: Entry, redelivered: bool, life: int) -> None:
        here_before = entry.touched == life and entry.delivered is not NO
        if (here_before or entry.delivered is CERTAIN) and not redelivered:
            self.violated("redelivered", queue.name, "false, but it was delivered before", entry)
        elif entry.delivered is NO and redelivered:
            self.violated("redelivered", queue.name, "true, but it was never delivered", entry)

    def _check_not_early(self, queue: QueueLedger, entry: Entry, properties: bytes, now_s: float) -> None:
        if not now_s or not entry.sent_s:
            return
        after_ms = 0
        source = queue.source
        if source is not None and contents.death_reason(properties) == EXPIRED:
            own_ttl_ms = source.rules.own_ttl_ms
            after_ms = source.rules.ttl_ms if own_ttl_ms is None else own_ttl_ms(entry.header)
        elif queue.rules.delay_ms is not None:
            after_ms = queue.rules.delay_ms(entry.header)
        early_s = entry.sent_s + after_ms / 1000 - now_s
        if early_s > EXACT_S:
            self.violated(
                "early", queue.name, f"{early_s:.3f} s before its time, which is {after_ms} ms", entry
            )

    def _check_count(self, queue: QueueLedger, entry: Entry, count: int, life: int) -> None:
        least, most = entry.count_least, entry.count_most
        if entry.touched == life:
            least = most = entry.count + 1
        if not least <= count <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            self.violated("delivery count", queue.name, f"{count}, not {wanted}", entry)
        limit = queue.rules.delivery_limit
        if limit is not None and count > limit:
            self.violated("delivery count", queue.name, f"{count}, and the limit is {limit}", entry)
        entry.count = count
        entry.count_most = count + 1

    def _returned(self, queue: QueueLedger, entry: Entry, redelivered: bool, life: int) -> None:
        """The first sight of it in this life settles what an earlier life left open."""
        if redelivered:
            entry.delivered = CERTAIN
        if entry.life < life:
            self.found(queue, entry, life)

    def found(self, queue: QueueLedger, entry: Entry, life: int) -> None:
        """It outlived a restart: whatever took it did not happen, whatever brought it did."""
        for transaction, happened in ((entry.arrival, True), (entry.departure, False)):
            if transaction is not None and transaction.life < life and transaction.outcome is None:
                sequence = bodies.parts(entry.header)[2]
                verb = "published" if happened else "acked"
                self._resolve(transaction, happened, f"sequence {sequence} {verb} in it is in {queue.name}")
        entry.entered = CERTAIN
        entry.left = NO
        if entry.heir is not None and queue.grave is not None:
            queue.grave.entries.pop(entry.header, None)
            entry.heir = None
        if entry.origin is not None:
            entry.origin.left = CERTAIN

    def missing(self, queue: QueueLedger, entry: Entry, life: int) -> None:
        """A whole queue was read after a restart and it was not there."""
        sequence = bodies.parts(entry.header)[2]
        arrival, departure = entry.arrival, entry.departure
        if _died_without_heir(entry, life):
            self.violated("lost", queue.name, f"it died and is in neither place: {entry.heir}", entry)
        if entry.left is not NO or entry.entered is NO:
            return
        if entry.transient and queue.may_die(entry):
            return  # among the dead it is gone with the broker
        if departure is not None and departure.outcome is None and entry.entered is CERTAIN:
            self._resolve(departure, True, f"sequence {sequence} acked in it is gone from {queue.name}")
        elif arrival is not None and arrival.outcome is None:
            self._resolve(arrival, False, f"sequence {sequence} published in it is not in {queue.name}")
        elif entry.entered is CERTAIN and queue.unseen:
            queue.unseen -= 1
        elif entry.entered is CERTAIN:
            half = _committing(arrival) or _committing(departure)
            kind = "half a transaction" if half else "lost"
            self.violated(kind, queue.name, "it has to be here", entry)

    def _resolve(self, transaction: Transaction, happened: bool, evidence: str) -> None:
        violation = transaction.resolve(happened, evidence)
        if violation is not None:
            self.violations.append(violation)


def _publishing_order(message_header: bytes) -> tuple[int, int]:
    number = int.from_bytes(message_header, "big")
    return number >> 24, number & 0xFFFFFF


def _elsewhere(entry: Entry, life: int) -> Entry | None:
    """The same message where it is as well for certain: there it has been delivered in this life, or it died."""
    heir, origin = entry.heir, entry.origin
    if heir is not None and heir.left is not CERTAIN and (heir.entered is CERTAIN or heir.touched == life):
        return heir
    is_held = origin is not None and origin.touched == life and origin.place is Place.HELD
    if is_held and entry.reason != DELIVERY_LIMIT:  # of that it dies when its consumer's connection is closed
        return origin
    return None


def _died_without_heir(entry: Entry, life: int) -> bool:
    """A message that died, and whose heir, which is not there either, was not acked."""
    heir = entry.heir
    if heir is None or entry.entered is not CERTAIN:
        return False
    if heir.transient:
        return False
    # If the heir was certain, that it is lost is told in its own queue.
    return heir.touched != life and heir.left is NO and heir.entered is not CERTAIN


def _difference_of_properties(queue: QueueLedger, entry: Entry, properties: bytes) -> str | None:
    source, rules = queue.source, queue.rules
    if source is not None:
        reasons = {entry.reason}
        if entry.entered is not CERTAIN and source.rules.dies_by:
            reasons.add(source.rules.dies_by)  # a reject that was not heard is followed by another death
        published = source.rules.properties(entry.header, entry.transient)
        return contents.difference_of_dead(contents.Death(source.name, reasons), published, properties)
    published = rules.properties(entry.header, entry.transient)
    if rules.is_quorum:
        return contents.difference_with(contents.DELIVERY_COUNT, published, properties)
    if rules.delay_ms is not None:
        return contents.difference_of_delayed(published, properties)
    return None if published == properties else properties.hex()


def _committing(transaction: Transaction | None) -> bool:
    return transaction is not None and transaction.committing


def known_durable(settled: Iterable[Entry], delivered: Iterable[Entry]) -> None:
    """Something later on the channel was answered durably: these acks and deliveries are on disk, too."""
    for entry in settled:
        if entry.place is Place.SETTLED:
            entry.left = CERTAIN
            if entry.heir is not None:
                entry.heir.entered = CERTAIN
            if entry.origin is not None:
                entry.origin.left = CERTAIN
    for entry in delivered:
        entry.delivered = CERTAIN
        entry.count_least = entry.count + 1
        if entry.origin is not None:
            entry.entered = entry.origin.left = CERTAIN
