"""The shape of the table: a family is one metric, a group those that are read of the same things at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from amqpd.prometheus.scrape import Scrape

Thing = TypeVar("Thing")
"""What there are many of: queues, channels."""

Seen = TypeVar("Seen")
"""What is looked up once of a thing, and what each family of a group is read of."""

Labels = tuple[tuple[str, str], ...]

AGGREGATED = "default"
PER_OBJECT = "per-object"
DETAILED = "detailed"
"""The answers there are, as RabbitMQ calls them: /metrics, /metrics/per-object, /metrics/detailed."""

EVERYWHERE = (AGGREGATED, PER_OBJECT, DETAILED)
TOTALS = (AGGREGATED, PER_OBJECT)

RABBITMQ = "rabbitmq_"
RABBITMQ_CLUSTER = "rabbitmq_cluster_"
RABBITMQ_DETAILED = "rabbitmq_detailed_"


@dataclass(frozen=True)
class Family(Generic[Seen]):
    """One metric: its name without the prefix, its type, what it says, and how it is read; None where it has no value."""

    name: str
    type: str
    help: str
    read: Callable[[Seen], float | None]
    is_summed: bool = True
    """Whether the sum over all things means something."""


Read = Callable[[Seen], float | None] | str
"""How a family is read: the name of an attribute will do."""


def counter(name: str, help: str, read: Read[Seen]) -> Family[Seen]:
    """A family that only grows."""
    return Family(name, "counter", help, _reader(read))


def gauge(name: str, help: str, read: Read[Seen], is_summed: bool = True) -> Family[Seen]:
    """A family that goes up and down."""
    return Family(name, "gauge", help, _reader(read), is_summed)


def untyped(name: str, help: str, read: Read[Seen]) -> Family[Seen]:
    """A family that RabbitMQ gives no type."""
    return Family(name, "unknown", help, _reader(read))


def _reader(read: Read[Seen]) -> Callable[[Seen], float | None]:
    return attrgetter(read) if isinstance(read, str) else read


def itself(thing: Any) -> Any:
    """A number is read of itself."""
    return thing


def _the_thing(_scrape: Scrape, thing: Any) -> Any:
    return thing


def no_labels(_thing: Any) -> Labels:
    """Of what there is only one."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Group(Generic[Thing, Seen]):
    """Families that are read of the same things: `name` is what /metrics/detailed?family= asks for."""

    name: str
    families: tuple[Family[Seen], ...]
    things: Callable[[Scrape], Sequence[Thing]]
    """What there is, taken in one turn; what is gone is taken in the same."""
    look: Callable[[Scrape, Thing], Seen] = _the_thing
    labels: Callable[[Thing], Labels] = no_labels
    """What tells one thing from others."""
    where: tuple[str, ...] = EVERYWHERE
    if_apart: bool | None = None
    """Whether it is only there where things are told apart, or only where they are not; None is both."""
    prefix: str = RABBITMQ
    always_by: Callable[[Thing], Labels] | None = None
    """Sums are made also where things are told apart, by these labels."""
    begins: Callable[[Scrape], Sequence[tuple[Labels, Seen]]] | None = None
    """What sums begin with: what was counted of things that are gone."""
    prepare: Callable[[Scrape], Iterable[object]] | None = None
    """What is to be done before things that are told apart are looked at, step by step."""
    is_always: bool = False
    """Whether /metrics/detailed has it unasked, under its own name: dashboards join it with everything else."""
    is_replaced_by: str = ""
    """The group that has all of this one, and more."""

    def is_in(self, registry: str, apart: bool) -> bool:
        """Whether an answer has it, in which things are told `apart` or not."""
        return registry in self.where and (self.if_apart is None or self.if_apart == apart)

    def prefix_in(self, registry: str) -> str:
        """What all its names begin with in an answer."""
        is_renamed = registry == DETAILED and self.prefix == RABBITMQ and not self.is_always
        return RABBITMQ_DETAILED if is_renamed else self.prefix
