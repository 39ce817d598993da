"""Exchanges, queues and bindings that come and go, and whether each must be there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pamqp.common import FieldTable

from crash.ledger import CERTAIN, NO, PERHAPS, Certainty, Ledger

TYPES = ("direct", "fanout", "topic", "headers")
SOURCES = tuple(f"defined-{exchange_type}-{number}" for exchange_type in TYPES for number in range(2))
TARGETS = ("defined-target-0", "defined-target-1")  # exchanges that others are bound to
QUEUES = ("defined-queue-0", "defined-queue-1", "defined-queue-2")
FLEETING_QUEUE, FLEETING_EXCHANGE, FLEETING_EXCLUSIVE = (
    "fleeting-queue",
    "fleeting-exchange",
    "fleeting-exclusive",
)


def exchange_type(name: str) -> str:
    """The type of an exchange; targets are of type fanout."""
    return name.split("-")[1] if name in SOURCES else "fanout"


@dataclass(frozen=True)
class Binding:
    """A binding, and what a probe needs that only this binding lets through (of those with this destination)."""

    number: int
    source: str
    destination: str

    @property
    def routing_key(self) -> str:
        """The routing key of the binding."""
        return f"key{self.number}.*" if exchange_type(self.source) == "topic" else f"key{self.number}"

    @property
    def arguments(self) -> FieldTable:
        """Its arguments: what a headers exchange matches; elsewhere they only belong to its identity."""
        if exchange_type(self.source) == "headers":
            return {"x-match": "all", "number": self.number}
        return {"note": self.number} if self.number % 2 else {}

    @property
    def probe_key(self) -> str:
        """A routing key that it matches."""
        return f"key{self.number}.x" if exchange_type(self.source) == "topic" else f"key{self.number}"

    def __str__(self) -> str:
        return f"binding {self.source} -> {self.destination} by {self.routing_key} {self.arguments}"


def _all_bindings() -> Iterator[Binding]:
    number = 0
    for source in SOURCES:
        for destination in (*QUEUES, *TARGETS):
            for _ in range(1 if exchange_type(source) == "fanout" else 2):
                yield Binding(number, source, destination)
                number += 1


BINDINGS = tuple(_all_bindings())

Thing = str | Binding


@dataclass
class Definitions:
    """What the ledger knows of each of them."""

    known: dict[Thing, Certainty] = field(default_factory=dict)

    def of(self, thing: Thing) -> Certainty:
        """Whether it exists."""
        return self.known.get(thing, NO)

    def bindings_of(self, name: str) -> list[Binding]:
        """All bindings that an exchange or queue could have."""
        return [binding for binding in BINDINGS if name in (binding.source, binding.destination)]

    def asked(self, thing: Thing, exists: bool) -> None:
        """A method was sent that makes it exist, or not exist any more."""
        if self.of(thing) is not (CERTAIN if exists else NO):
            self.known[thing] = PERHAPS
        if isinstance(thing, str) and not exists:
            for binding in self.bindings_of(thing):
                self.asked(binding, False)

    def answered(self, thing: Thing, exists: bool) -> None:
        """Its answer came."""
        self.known[thing] = CERTAIN if exists else NO
        if isinstance(thing, str) and not exists:
            for binding in self.bindings_of(thing):
                self.known[binding] = NO

    def observed(self, ledger: Ledger, thing: Thing, exists: bool) -> None:
        """Seen after a restart, for certain."""
        known = self.of(thing)
        if known is CERTAIN and not exists:
            ledger.violated("definition lost", str(thing), "declared and answered, and not there")
        if known is NO and exists:
            ledger.violated("definition came back", str(thing), "deleted and answered, or never asked for")
        self.answered(thing, exists)
