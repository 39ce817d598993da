"""What was asked of the broker and what it answered, kept outside it: so what must, may and must not come back.

Of each message in each queue the ledger knows three things, each for certain or perhaps: whether it entered the
queue, whether it left, and whether it was delivered. A *life* is one process of the broker; lives are numbered from
1. What the broker said in an earlier life counts only if it was durable when it said it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from crash import bodies


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
        "arrival",
        "delivered",
        "departure",
        "entered",
        "header",
        "left",
        "life",
        "place",
        "rank",
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
        if self.touched:
            line += f", in life {self.touched} {self.place.value}"
        for word, transaction in (("published", self.arrival), ("acked", self.departure)):
            if transaction is not None:
                line += f", {word} in {transaction.name} ({transaction.evidence})"
        return line


class QueueLedger:
    """One queue, from its declaration to its deletion; the next queue of that name is another one."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.exists = CERTAIN
        self.entries: dict[bytes, Entry] = {}
        """By header, in the order of publishing; what is known to be gone may be missing."""
        self.issued: dict[int, int] = {}
        """The highest sequence number published, by target and publisher."""
        self.attending: set[object] = set()
        """Who consumes, or awaits an answer to basic.get: they may have been sent what they never got."""
        self.unseen = 0
        """How many basic.get without acks were never answered: each may have taken a message."""

    def publish(self, message_header: bytes, size: int, life: int, transient: bool = False) -> Entry:
        """A message is about to be published."""
        entry = Entry(message_header, size, life, transient)
        self.issued[int.from_bytes(message_header[:6], "big")] = int.from_bytes(message_header[6:], "big")
        self.entries[message_header] = entry
        return entry

    def purge_sent(self, life: int) -> list[Entry]:
        """queue.purge by the only publisher and consumer, with nothing unacknowledged; what it may take."""
        taken = [entry for entry in self.entries.values() if entry.left is not CERTAIN]
        for entry in taken:
            entry.settle(life)
        return taken

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

    def end_life(self, life: int, orderly: bool) -> None:
        """The broker's process is gone: transient messages are, and deliveries under way were perhaps sent."""
        for header, entry in list(self.entries.items()):
            if entry.transient:
                del self.entries[header]
            elif orderly and entry.touched == life and entry.place is not Place.SETTLED:
                entry.delivered = CERTAIN
            elif self.attending and entry.delivered is NO:
                entry.delivered = PERHAPS
        self.attending.clear()


@dataclass
class Ledger:
    """All queues, and what was violated so far."""

    queues: dict[str, QueueLedger] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    """Names of what was published to, by number; each new queue under an old name has another number."""
    violations: list[Violation] = field(default_factory=list)
    publishers: int = 0
    confirmed: int = 0
    delivered: int = 0

    def new_target(self, name: str) -> int:
        """A number for an exchange or queue that will be published to."""
        self.targets.append(name)
        return len(self.targets) - 1

    def new_queue(self, name: str) -> QueueLedger:
        """A queue was declared, and there was none of this name."""
        queue = QueueLedger(name, self.new_target(name))
        self.queues[name] = queue
        return queue

    def new_publisher(self) -> int:
        """A number that no other publisher has; a publisher is one channel in one life."""
        self.publishers += 1
        return self.publishers

    def violated(self, kind: str, where: str, what: str, entry: Entry | None = None) -> None:
        """Note a violation."""
        self.violations.append(Violation(kind, where, what, "" if entry is None else str(entry)))

    def end_life(self, life: int, orderly: bool = False) -> None:
        """The process of this life has ended; `orderly`: by itself, after SIGTERM."""
        for queue in self.queues.values():
            queue.end_life(life, orderly)

    def bytes_live(self) -> int:
        """Octets of the messages that may be there: each once, and something for each queue that it is in."""
        sizes: dict[bytes, int] = {}
        copies = 0
        for queue in self.queues.values():
            for header, entry in queue.entries.items():
                if entry.left is not CERTAIN:
                    sizes[header] = entry.size
                    copies += 1
        return sum(sizes.values()) + copies * COPY_BYTES

    def deliver(
        self, queue: QueueLedger, body: bytes, properties: bytes, redelivered: bool, life: int
    ) -> Entry | None:
        """A message came out of a queue. Returns its entry, or None if it had no business there."""
        entry = queue.entries.get(body[: bodies.HEADER_BYTES])
        if entry is None:
            self._explain_unknown(queue, body)
            return None
        self._check_content(queue, entry, body, properties)
        self._check_presence(queue, entry, life)
        self._check_redelivered(queue, entry, redelivered, life)
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
        if issued is not None and sequence <= issued:
            self.violated("came back", queue.name, f"{what}: was in this queue and gone for certain")
        elif target < len(self.targets) and self.targets[target] == queue.name and target != queue.number:
            self.violated("came back", queue.name, f"{what}: belongs to a deleted queue of the same name")
        else:
            self.violated("invented", queue.name, f"{what}: never published to this queue")

    def _check_content(self, queue: QueueLedger, entry: Entry, body: bytes, properties: bytes) -> None:
        if body != bodies.body(entry.header, entry.size):
            self.violated("corrupted", queue.name, f"the body differs ({len(body)} bytes)", entry)
        if properties != bodies.properties(entry.header, entry.transient):
            self.violated("corrupted", queue.name, f"the properties differ: {properties.hex()}", entry)

    def _check_presence(self, queue: QueueLedger, entry: Entry, life: int) -> None:
        if entry.touched == life and entry.place is not Place.QUEUED:
            self.violated("duplicated", queue.name, "delivered again in the same life", entry)
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

    def missing(self, queue: QueueLedger, entry: Entry, life: int) -> None:
        """A whole queue was read after a restart and it was not there."""
        sequence = bodies.parts(entry.header)[2]
        arrival, departure = entry.arrival, entry.departure
        if entry.left is not NO or entry.entered is NO:
            return
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


def _committing(transaction: Transaction | None) -> bool:
    return transaction is not None and transaction.committing


def known_durable(settled: Iterable[Entry], delivered: Iterable[Entry]) -> None:
    """Something later on the channel was answered durably: these acks and deliveries are on disk, too."""
    for entry in settled:
        if entry.place is Place.SETTLED:
            entry.left = CERTAIN
    for entry in delivered:
        entry.delivered = CERTAIN
