"""The crash test's ledger notices every kind of broken promise, and nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pamqp.encode
import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "crash"


def load(name: str) -> ModuleType:
    """A module of the package in this directory tree, which is not installed anywhere."""
    if "crash" not in sys.modules:
        where = [str(PACKAGE)]
        spec = importlib.util.spec_from_file_location(
            "crash", PACKAGE / "__init__.py", submodule_search_locations=where
        )
        assert spec is not None and spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules["crash"] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"crash.{name}")


bodies = load("bodies")
contents = load("contents")
ledgers = load("ledger")
comparison = load("comparison")
definitions = load("definitions")
streams = load("streams")
plans = load("plan")
rules_of_queues = load("rules")

NO, PERHAPS, CERTAIN = ledgers.NO, ledgers.PERHAPS, ledgers.CERTAIN
FIRST, SECOND, THIRD = 1, 2, 3  # lives


class Scenario:
    """One queue, published to in the first life."""

    def __init__(self) -> None:
        self.ledger = ledgers.Ledger()
        self.queue = self.ledger.new_queue("q")

    def publish(
        self,
        number: int = 1,
        confirmed: bool = True,
        transient: bool = False,
        publisher: int = 7,
        queue: Any = None,
    ) -> list[Any]:
        """Publish messages with the sequence numbers from 1 on."""
        queue = queue or self.queue
        entries = []
        for sequence in range(1, number + 1):
            header = bodies.header(queue.number, publisher, sequence)
            entry = queue.publish(header, 20 + sequence, FIRST, transient)
            if confirmed:
                entry.entered = CERTAIN
            entries.append(entry)
        return entries

    def deliver(self, entry: Any, redelivered: bool = False, life: int = FIRST) -> None:
        """It is delivered while there is load."""
        seen = observed(entry, redelivered)
        self.ledger.deliver(self.queue, seen.body, seen.properties, redelivered, life)

    def restart(self, *messages: Any, life: int = SECOND, orderly: bool = False) -> list[str]:
        """End the life before, and read the whole queue. Returns the kinds of all violations so far."""
        self.ledger.end_life(life - 1, orderly)
        comparison.compare(self.ledger, self.queue, messages, life)
        return self.kinds

    @property
    def kinds(self) -> list[str]:
        """The kinds of all violations so far."""
        return [violation.kind for violation in self.ledger.violations]


def observed(entry: Any, redelivered: bool = False) -> Any:
    """The message of an entry, as it was published."""
    body = bodies.body(entry.header, entry.size)
    return comparison.Observed(body, bodies.properties(entry.header, entry.transient), redelivered)


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


def test_what_was_confirmed_and_is_there_violates_nothing(scenario: Scenario) -> None:
    entries = scenario.publish(5)
    assert scenario.restart(*map(observed, entries)) == []


def test_a_confirmed_message_that_is_missing_is_lost(scenario: Scenario) -> None:
    first, _, third = scenario.publish(3)
    assert scenario.restart(observed(first), observed(third)) == ["lost"]
    assert "sequence 2" in str(scenario.ledger.violations[0])


@pytest.mark.parametrize("there", [True, False])
def test_an_unconfirmed_message_may_be_there_or_not(scenario: Scenario, there: bool) -> None:
    (entry,) = scenario.publish(confirmed=False)
    assert scenario.restart(*[observed(entry)] * there) == []


def test_an_unconfirmed_message_that_was_there_once_must_stay(scenario: Scenario) -> None:
    (entry,) = scenario.publish(confirmed=False)
    scenario.restart(observed(entry))
    entry.requeue()
    assert scenario.restart(life=THIRD) == ["lost"]


def test_a_message_that_was_missing_once_must_not_come_back(scenario: Scenario) -> None:
    (entry,) = scenario.publish(confirmed=False)
    scenario.restart()
    assert scenario.restart(observed(entry), life=THIRD) == ["came back"]


@pytest.mark.parametrize("there", [True, False])
def test_a_message_may_come_back_while_its_ack_is_not_known_durable(scenario: Scenario, there: bool) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    entry.settle(FIRST)
    assert scenario.restart(*[observed(entry, True)] * there) == []


def test_a_message_whose_ack_is_known_durable_must_not_come_back(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    entry.settle(FIRST)
    ledgers.known_durable([entry], [entry])
    assert scenario.restart(observed(entry, True)) == ["came back"]


def test_a_message_that_came_back_after_its_ack_counts_as_unacknowledged_again(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    entry.settle(FIRST)
    scenario.restart(observed(entry, True))
    entry.requeue()
    assert scenario.restart(life=THIRD) == ["lost"]


def test_a_message_that_is_there_twice_is_duplicated(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    assert "duplicated" in scenario.restart(observed(entry), observed(entry))


def test_a_message_delivered_again_without_a_requeue_is_duplicated(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    scenario.deliver(entry, redelivered=True)
    assert scenario.kinds == ["duplicated"]


def test_a_requeued_message_may_be_delivered_again(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    entry.requeue()
    scenario.deliver(entry, redelivered=True)
    assert scenario.kinds == []


def test_a_message_nobody_published_is_invented(scenario: Scenario) -> None:
    header = bodies.header(scenario.queue.number, 8, 1)
    stranger = comparison.Observed(bodies.body(header, 30), bodies.properties(header, False), False)
    assert scenario.restart(stranger) == ["invented"]


def test_a_message_in_the_wrong_queue_is_invented(scenario: Scenario) -> None:
    other = scenario.ledger.new_queue("other")
    (entry,) = scenario.publish(queue=other)
    assert scenario.restart(observed(entry)) == ["invented"]


def test_a_message_of_a_deleted_queue_must_not_be_in_the_next_of_that_name(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.queue.delete_sent()
    scenario.queue.deleted()
    scenario.queue = scenario.ledger.new_queue("q")
    assert scenario.restart(observed(entry)) == ["came back"]


@pytest.mark.parametrize("there", [True, False])
def test_a_delete_without_an_answer_may_take_the_messages(scenario: Scenario, there: bool) -> None:
    (entry,) = scenario.publish()
    scenario.queue.delete_sent()
    assert scenario.restart(*[observed(entry)] * there) == []


def test_a_purge_known_durable_takes_what_was_there(scenario: Scenario) -> None:
    entries = scenario.publish(2)
    ledgers.known_durable(scenario.queue.purge_sent(FIRST), [])
    assert scenario.restart(*map(observed, entries)) == ["came back", "came back"]


@pytest.mark.parametrize("change", ["shorter", "longer", "other octet"])
def test_a_changed_body_is_corrupted(scenario: Scenario, change: str) -> None:
    (entry,) = scenario.publish()
    message = observed(entry)
    body = message.body
    changed = {"shorter": body[:-1], "longer": body + b"x", "other octet": body[:-1] + bytes([body[-1] ^ 1])}
    assert scenario.restart(message._replace(body=changed[change])) == ["corrupted"]


def test_changed_properties_are_corrupted(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    assert scenario.restart(observed(entry)._replace(properties=b"\x10\x00\x01")) == ["corrupted"]


def test_a_publishers_messages_out_of_sequence_are_reordered(scenario: Scenario) -> None:
    first, second = scenario.publish(2)
    assert scenario.restart(observed(second), observed(first)) == ["reordered"]


def test_messages_of_two_publishers_may_be_mixed(scenario: Scenario) -> None:
    first, second = scenario.publish(2, publisher=7)
    other, another = scenario.publish(2, publisher=8)
    assert scenario.restart(*map(observed, (other, first, second, another))) == []


def test_what_was_seen_in_one_order_must_keep_it(scenario: Scenario) -> None:
    (one,), (other,) = scenario.publish(publisher=7), scenario.publish(publisher=8)
    scenario.restart(observed(other), observed(one))
    one.requeue()
    other.requeue()
    assert scenario.restart(observed(one, True), observed(other, True), life=THIRD) == ["reordered"]


def test_what_is_new_must_not_be_before_what_was_there(scenario: Scenario) -> None:
    (one,) = scenario.publish(publisher=7)
    scenario.restart(observed(one))
    one.requeue()
    (new,) = scenario.publish(publisher=8)
    assert scenario.restart(observed(new), observed(one, True), life=THIRD) == ["reordered"]


def test_a_message_never_delivered_must_not_be_redelivered(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    assert scenario.restart(observed(entry, True)) == ["redelivered"]


def test_a_message_may_have_been_sent_to_a_consumer_that_never_got_it(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.queue.attending.add("consumer")
    assert scenario.restart(observed(entry, True)) == []


def test_a_delivery_known_durable_must_be_redelivered(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    ledgers.known_durable([], [entry])
    assert scenario.restart(observed(entry, False)) == ["redelivered"]


@pytest.mark.parametrize("redelivered", [True, False])
def test_a_delivery_not_known_durable_may_be_either(scenario: Scenario, redelivered: bool) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    assert scenario.restart(observed(entry, redelivered)) == []


def test_after_a_stop_in_order_all_deliveries_are_durable(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    assert scenario.restart(observed(entry, False), orderly=True) == ["redelivered"]


def test_a_requeued_message_must_be_redelivered_in_the_same_life(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    scenario.deliver(entry)
    entry.requeue()
    scenario.deliver(entry, redelivered=False)
    assert scenario.kinds == ["redelivered"]


def test_a_transient_message_must_be_gone(scenario: Scenario) -> None:
    (entry,) = scenario.publish(transient=True)
    assert scenario.restart(observed(entry)) == ["came back"]


def transaction_of(published: list[Any], acknowledged: list[Any]) -> Any:
    transaction = ledgers.Transaction(FIRST, "transaction 1")
    transaction.publish(published)
    for entry in acknowledged:
        transaction.acknowledge(entry)
    return transaction


def test_a_transaction_without_commit_must_leave_nothing(scenario: Scenario) -> None:
    entries = scenario.publish(2)
    transaction_of(entries, [])
    assert scenario.restart(observed(entries[0])) == ["invented"]


def test_an_ack_in_a_transaction_without_commit_must_not_happen(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    transaction_of([], [entry])
    assert scenario.restart() == ["lost"]


def test_a_transaction_with_commit_ok_must_be_there(scenario: Scenario) -> None:
    entries = scenario.publish(2)
    transaction = transaction_of(entries, [])
    transaction.commit_sent()
    assert transaction.resolve(True, "tx.commit-ok") is None
    assert scenario.restart(observed(entries[0])) == ["half a transaction"]


def test_an_ack_in_a_transaction_with_commit_ok_must_have_happened(scenario: Scenario) -> None:
    (entry,) = scenario.publish()
    transaction = transaction_of([], [entry])
    transaction.commit_sent()
    transaction.resolve(True, "tx.commit-ok")
    assert scenario.restart(observed(entry)) == ["came back"]


@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("acknowledged", [0, 1, 2])
def test_a_transaction_without_an_answer_happened_wholly_or_not_at_all(
    scenario: Scenario, published: int, acknowledged: int
) -> None:
    old, new = scenario.publish(2, publisher=7), scenario.publish(2, publisher=8)
    transaction_of(new, old).commit_sent()
    left = [*old[acknowledged:], *new[:published]]
    kinds = set(scenario.restart(*map(observed, left)))
    whole = (published, acknowledged) in ((0, 0), (2, 2))
    assert kinds == (set() if whole else {"half a transaction"})


def test_half_a_transaction_is_noticed_in_different_lives(scenario: Scenario) -> None:
    other = scenario.ledger.new_queue("other")
    (here,), (there,) = scenario.publish(), scenario.publish(queue=other)
    transaction_of([here, there], []).commit_sent()
    assert scenario.restart(observed(here)) == []
    comparison.compare(scenario.ledger, other, [], THIRD)
    assert scenario.kinds == ["half a transaction"]


def test_what_is_gotten_without_acks_and_never_arrives_may_take_one_message_only(scenario: Scenario) -> None:
    scenario.publish(2)
    scenario.queue.unseen = 1
    assert scenario.restart() == ["lost"]


@pytest.mark.parametrize(("count", "kinds"), [(1, ["count"]), (2, []), (3, []), (4, ["count"])])
def test_a_queue_that_is_only_counted_has_between_the_certain_and_the_possible(
    scenario: Scenario, count: int, kinds: list[str]
) -> None:
    scenario.publish(2)
    scenario.publish(1, confirmed=False, publisher=8)
    comparison.compare_count(scenario.ledger, scenario.queue, count)
    assert scenario.kinds == kinds


@pytest.mark.parametrize(
    ("exists", "answered", "found", "kinds"),
    [
        (True, True, False, ["definition lost"]),
        (True, True, True, []),
        (False, True, True, ["definition came back"]),
        (False, True, False, []),
        (True, False, False, []),
        (True, False, True, []),
    ],
)
def test_a_definition_must_be_as_the_last_answer_said(
    scenario: Scenario, exists: bool, answered: bool, found: bool, kinds: list[str]
) -> None:
    known, binding = definitions.Definitions(), definitions.BINDINGS[0]
    known.asked(binding, exists)
    if answered:
        known.answered(binding, exists)
    known.observed(scenario.ledger, binding, found)
    assert scenario.kinds == kinds


def test_deleting_an_exchange_takes_its_bindings(scenario: Scenario) -> None:
    known, binding = definitions.Definitions(), definitions.BINDINGS[0]
    for thing in (binding.source, binding.destination, binding):
        known.answered(thing, True)
    known.asked(binding.source, False)
    assert known.of(binding) is PERHAPS
    known.answered(binding.source, False)
    assert known.of(binding) is NO


@pytest.mark.parametrize("size", [10, 11, 400, 1 << 20])
def test_a_body_has_its_size_and_says_which_message_it_is(size: int) -> None:
    body = bodies.body(bodies.header(1, 2, 3), size)
    assert len(body) == size
    assert bodies.parts(body[: bodies.HEADER_BYTES]) == (1, 2, 3)


def test_a_round_is_the_same_whenever_its_seed_is() -> None:
    kinds = ("one", "other")
    assert plans.plan(7, kinds, 0.5) == plans.plan(7, kinds, 0.5)
    assert plans.plan(7, kinds, 1.0).kinds == {"one", "other"}
    assert plans.plan(7, kinds, 0.0).kinds == set()


ASKED_S = 1000.0
"""When a queue is read, in the scenarios that have a time."""


class Passage(Scenario):
    """A queue, of which messages go to another when they die; all is published in the first life."""

    def __init__(self, **rules: Any) -> None:
        self.ledger = ledgers.Ledger()
        self.queue = self.ledger.new_passage("q", "dead", rules_of_queues.Rules(**rules))
        self.grave = self.queue.grave

    def reject(self, entry: Any, number: int = 1, life: int = FIRST) -> None:
        """A consumer gets it, and rejects it as its how-manieth message."""
        self.deliver(entry, life=life)
        self.queue.reject(entry, life, (99, number))

    def deliver_dead(self, entry: Any, reason: str = "rejected", life: int = FIRST) -> Any:
        """A consumer of the other queue gets it."""
        seen = died(entry, reason)
        return self.ledger.deliver(self.grave, seen.body, seen.properties, False, life)

    def restart_with(
        self,
        here: list[Any],
        dead: list[Any],
        life: int = SECOND,
        reading: Any = comparison.UNTIMED,
    ) -> list[str]:
        """End the life before, and read both queues. Returns the kinds of all violations so far."""
        self.ledger.end_life(life - 1)
        comparison.compare_passage(self.ledger, self.queue, here, dead, life, reading)
        return self.kinds


def table(values: dict[str, Any]) -> bytes:
    """A field table."""
    return pamqp.encode.field_table(values)


def died(
    entry: Any,
    reason: str = "rejected",
    count: int = 1,
    queue: str = "q",
    expiration: str | None = None,
    redelivered: bool = False,
) -> Any:
    """The message of an entry as it is in the queue for the dead."""
    death: dict[str, Any] = {"count": count, "reason": reason, "queue": queue, "time": datetime.now(tz=UTC)}
    death |= {"exchange": "", "routing-keys": [queue]}
    if expiration is not None:
        death["original-expiration"] = expiration
    sequence = bodies.parts(entry.header)[2]
    headers: dict[str, Any] = {} if sequence % 4 else {"sequence": sequence}
    headers |= {"x-death": [death], "x-first-death-exchange": ""}
    headers |= {"x-first-death-queue": queue, "x-first-death-reason": reason}
    properties = b"\x30\x00" + table(headers) + (b"\x01" if entry.transient else b"\x02")
    return comparison.Observed(bodies.body(entry.header, entry.size), properties, redelivered)


@pytest.fixture
def passage() -> Passage:
    return Passage()


@pytest.mark.parametrize("heard", [True, False])
def test_a_rejected_message_is_in_one_of_both_queues(passage: Passage, heard: bool) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    here, dead = ([], [died(entry)]) if heard else ([observed(entry, True)], [])
    assert passage.restart_with(here, dead) == []


def test_a_rejected_message_that_is_in_neither_queue_is_lost(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    assert passage.restart_with([], []) == ["lost"]


def test_a_rejected_message_that_is_in_both_queues_is_in_two_places(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    assert passage.restart_with([observed(entry, True)], [died(entry)]) == ["in two places"]


def test_a_message_whose_reject_is_known_durable_must_not_come_back(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    ledgers.known_durable([entry], [])
    assert "in two places" in passage.restart_with([observed(entry, True)], [])


def test_a_message_whose_reject_is_known_durable_must_be_with_the_dead(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    ledgers.known_durable([entry], [])
    assert passage.restart_with([], []) == ["lost"]


def test_a_dead_message_that_was_seen_must_stay(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    passage.restart_with([], [died(entry)])
    passage.grave.entries[entry.header].requeue()
    assert passage.restart_with([], [], THIRD) == ["lost"]


def test_a_dead_message_that_was_seen_must_not_live_again(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    passage.restart_with([], [died(entry)])
    assert "came back" in passage.restart_with(
        [observed(entry, True)], [died(entry, redelivered=True)], THIRD
    )


def test_a_message_that_lives_again_after_its_reject_must_stay(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    passage.restart_with([observed(entry, True)], [])
    entry.requeue()
    assert passage.restart_with([], [], THIRD) == ["lost"]


@pytest.mark.parametrize("there", [True, False])
def test_a_dead_message_that_was_acked_may_be_there_or_not(passage: Passage, there: bool) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    passage.deliver_dead(entry).settle(FIRST)
    assert passage.restart_with([], [died(entry, redelivered=True)] * there) == []


def test_a_dead_message_whose_ack_is_known_durable_is_nowhere(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    heir = passage.deliver_dead(entry)
    heir.settle(FIRST)
    ledgers.known_durable([heir], [heir])
    assert "came back" in passage.restart_with([observed(entry, True)], [])


def test_a_message_must_not_die_in_a_clients_hands(passage: Passage) -> None:
    passage = Passage(dies_by="expired")
    (entry,) = passage.publish()
    passage.deliver(entry)
    passage.deliver_dead(entry, "expired")
    assert passage.kinds == ["in two places"]


def test_a_message_that_nobody_rejected_must_not_die(passage: Passage) -> None:
    (entry,) = passage.publish()
    assert passage.restart_with([], [died(entry)]) == ["died for no reason", "lost"]


def test_a_message_must_not_die_of_another_reason(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    assert passage.restart_with([], [died(entry, "expired")]) == ["corrupted"]


@pytest.mark.parametrize("change", [{"count": 2}, {"queue": "other"}, {"expiration": "1"}])
def test_the_x_death_of_a_message_must_be_right(passage: Passage, change: dict[str, Any]) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    assert passage.restart_with([], [died(entry, **change)]) == ["corrupted"]


def test_a_dead_message_without_x_death_is_corrupted(passage: Passage) -> None:
    (entry,) = passage.publish()
    passage.reject(entry)
    assert passage.restart_with([], [observed(entry)]) == ["corrupted"]


def test_a_dead_message_keeps_its_own_headers(passage: Passage) -> None:
    entry = passage.publish(4)[-1]
    other = passage.publish(1)[0]
    passage.reject(entry)
    stripped = died(other)._replace(body=bodies.body(entry.header, entry.size))
    assert "corrupted" in passage.restart_with([], [stripped])


def test_dead_messages_stand_in_the_order_of_their_rejects(passage: Passage) -> None:
    first, second = passage.publish(2)
    passage.reject(second, 1)
    passage.reject(first, 2)
    assert passage.restart_with([], [died(second), died(first)]) == []


def test_dead_messages_in_another_order_are_reordered(passage: Passage) -> None:
    first, second = passage.publish(2)
    passage.reject(second, 1)
    passage.reject(first, 2)
    assert passage.restart_with([], [died(first), died(second)]) == ["reordered"]


def test_a_transient_dead_message_must_be_gone(passage: Passage) -> None:
    (entry,) = passage.publish(transient=True)
    passage.reject(entry)
    assert passage.restart_with([], [died(entry)]) == ["came back"]


@pytest.mark.parametrize("place", ["here", "dead", "nowhere", "both"])
def test_a_message_that_may_die_by_itself_is_in_one_of_both_queues(place: str) -> None:
    passage = Passage(dies_by="maxlen", is_consumed=False)
    (entry,) = passage.publish()
    here = [observed(entry)] if place in ("here", "both") else []
    dead = [died(entry, "maxlen")] if place in ("dead", "both") else []
    kinds = {"here": [], "dead": [], "nowhere": ["lost"], "both": ["in two places"]}
    assert passage.restart_with(here, dead) == kinds[place]


def test_a_message_that_died_by_itself_once_must_stay_dead() -> None:
    passage = Passage(dies_by="maxlen", is_consumed=False)
    (entry,) = passage.publish()
    passage.restart_with([], [died(entry, "maxlen")])
    heir = passage.grave.entries[entry.header]
    ledgers.known_durable([], [heir])
    heir.requeue()
    assert passage.restart_with([], [], THIRD) == ["lost"]


def test_a_death_that_a_consumer_saw_and_that_is_not_known_durable_may_not_have_happened() -> None:
    passage = Passage(dies_by="maxlen", is_consumed=False)
    (entry,) = passage.publish()
    passage.deliver_dead(entry, "maxlen").settle(FIRST)
    assert passage.restart_with([observed(entry)], []) == []


def test_a_death_that_a_consumer_saw_and_that_is_known_durable_must_have_happened() -> None:
    passage = Passage(dies_by="maxlen", is_consumed=False)
    (entry,) = passage.publish()
    ledgers.known_durable([], [passage.deliver_dead(entry, "maxlen")])
    assert "in two places" in passage.restart_with([observed(entry)], [])


def test_what_is_too_much_dies_from_the_front() -> None:
    passage = Passage(dies_by="maxlen", is_consumed=False)
    first, second = passage.publish(2)
    assert passage.restart_with([observed(first)], [died(second, "maxlen")]) == ["reordered"]


def test_a_queue_must_not_have_more_than_its_limit() -> None:
    passage = Passage(dies_by="maxlen", is_consumed=False, max_length=1)
    assert passage.restart_with([observed(entry) for entry in passage.publish(2)], []) == ["count"]


def timed(published_s: float, **rules: Any) -> tuple[Passage, Any]:
    """A message published, and confirmed, so many seconds before it is looked for."""
    passage = Passage(ttl_ms=1500, dies_by="expired", is_consumed=False, **rules)
    (entry,) = passage.publish()
    entry.sent_s = entry.answered_s = ASKED_S - published_s
    return passage, entry


def reading(started_before_s: float = 60.0) -> Any:
    """Read at the time of the scenarios, in a life that began so long before."""
    return comparison.Reading(ASKED_S - started_before_s, ASKED_S, ASKED_S)


def test_a_message_must_not_die_before_its_time_to_live_is_over() -> None:
    passage, entry = timed(1.4)
    assert passage.restart_with([], [died(entry, "expired")], reading=reading()) == ["early"]


def test_a_message_may_die_when_its_time_to_live_is_over() -> None:
    passage, entry = timed(1.6)
    assert passage.restart_with([], [died(entry, "expired")], reading=reading()) == []


def test_a_message_with_a_shorter_time_of_its_own_may_die_then() -> None:
    passage, entry = timed(1.4, own_ttl_ms=lambda _: 1300)
    assert passage.restart_with([], [died(entry, "expired")], reading=reading()) == []


def test_the_time_to_live_goes_on_while_the_broker_is_down() -> None:
    passage, entry = timed(1.6)
    assert passage.restart_with([observed(entry)], [], reading=reading(started_before_s=0.1)) == ["late"]


def ranked(entry: Any) -> Any:
    """The message of an entry of the queue with priorities."""
    body = bodies.body(entry.header, entry.size)
    return comparison.Observed(body, bodies.ranked(entry.header, entry.transient), False)


def by_priority() -> tuple[Scenario, list[Any]]:
    """A queue with priorities, and its messages in the order in which they have to be."""
    scenario = Scenario()
    scenario.queue.rules = rules_of_queues.Rules(properties=bodies.ranked, level=bodies.level)
    entries = sorted(scenario.publish(30), key=lambda entry: -bodies.level(entry.header))
    return scenario, entries


def test_messages_of_a_higher_priority_come_first() -> None:
    scenario, entries = by_priority()
    assert scenario.restart(*map(ranked, entries)) == []
    assert [entry.header for entry in entries] != sorted(entry.header for entry in entries)


def test_messages_in_the_order_of_arrival_are_reordered_where_there_are_priorities() -> None:
    scenario, entries = by_priority()
    arrived = sorted(entries, key=lambda entry: entry.header)
    assert set(scenario.restart(*map(ranked, arrived))) == {"reordered"}


def test_messages_of_the_same_priority_are_in_the_order_of_arrival() -> None:
    scenario, entries = by_priority()
    lowest = [entry for entry in entries if bodies.level(entry.header) == 0]
    assert len(lowest) > 1
    backwards = [*entries[: -len(lowest)], *reversed(lowest)]
    assert set(scenario.restart(*map(ranked, backwards))) == {"reordered"}


def test_a_message_of_another_priority_than_published_is_corrupted() -> None:
    scenario, entries = by_priority()
    messages = list(map(ranked, entries))
    messages[0] = observed(entries[0])
    assert scenario.restart(*messages) == ["corrupted"]


LIMIT = 2


class Quorum(Passage):
    """A quorum queue with a delivery limit."""

    def __init__(self) -> None:
        super().__init__(delivery_limit=LIMIT, dies_by="delivery_limit")

    def deliver_counted(self, entry: Any, count: int, life: int = FIRST) -> None:
        """It is delivered with a delivery count."""
        seen = counted(entry, count)
        self.ledger.deliver(self.queue, seen.body, seen.properties, count > 0, life)


def counted(entry: Any, count: int) -> Any:
    """The message of an entry with its delivery count."""
    sequence = bodies.parts(entry.header)[2]
    headers: dict[str, Any] = {} if sequence % 4 else {"sequence": sequence}
    if count:
        headers["x-delivery-count"] = count
    mode = b"\x01" if entry.transient else b"\x02"
    properties = b"\x30\x00" + table(headers) + mode if headers else b"\x10\x00" + mode
    return comparison.Observed(bodies.body(entry.header, entry.size), properties, count > 0)


@pytest.fixture
def quorum() -> Quorum:
    return Quorum()


@pytest.mark.parametrize(("count", "kinds"), [(0, ["delivery count"]), (1, []), (2, ["delivery count"])])
def test_each_return_to_a_quorum_queue_counts_one(quorum: Quorum, count: int, kinds: list[str]) -> None:
    (entry,) = quorum.publish()
    quorum.deliver_counted(entry, 0)
    quorum.queue.give_back(entry, FIRST)
    seen = counted(entry, count)
    quorum.ledger.deliver(quorum.queue, seen.body, seen.properties, True, FIRST)
    assert quorum.kinds == kinds


@pytest.mark.parametrize("count", [0, 1])
def test_a_return_that_is_not_known_durable_may_not_have_been_counted(quorum: Quorum, count: int) -> None:
    (entry,) = quorum.publish()
    quorum.deliver_counted(entry, 0)
    quorum.queue.give_back(entry, FIRST)
    assert quorum.restart_with([counted(entry, count)], []) == []


def test_the_count_of_a_return_that_is_known_durable_must_not_fall(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    for count in (0, 1):
        quorum.deliver_counted(entry, count)
        quorum.queue.give_back(entry, FIRST)
    ledgers.known_durable([], [entry])
    assert quorum.restart_with([counted(entry, 1)], []) == ["delivery count"]


def test_a_count_must_not_be_above_the_number_of_deliveries(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    quorum.deliver_counted(entry, 0)
    quorum.queue.give_back(entry, FIRST)
    assert quorum.restart_with([counted(entry, 2)], []) == ["delivery count"]


def test_a_delivery_that_never_arrived_may_have_been_counted(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    quorum.queue.attending.add("consumer")
    assert quorum.restart_with([counted(entry, 1)], []) == []


def return_too_often(quorum: Quorum) -> Any:
    (entry,) = quorum.publish()
    for count in range(LIMIT + 1):
        quorum.deliver_counted(entry, count)
        quorum.queue.give_back(entry, FIRST)
    return entry


def test_a_message_that_returns_too_often_dies(quorum: Quorum) -> None:
    entry = return_too_often(quorum)
    assert quorum.restart_with([], [died(entry, "delivery_limit")]) == []


def test_a_message_that_returns_too_often_must_not_vanish(quorum: Quorum) -> None:
    return_too_often(quorum)
    assert quorum.restart_with([], []) == ["lost"]


def test_a_message_must_not_be_delivered_more_often_than_its_limit(quorum: Quorum) -> None:
    entry = return_too_often(quorum)
    assert "delivery count" in quorum.restart_with([counted(entry, LIMIT + 1)], [])


def test_a_message_within_its_limit_must_not_die(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    quorum.deliver_counted(entry, 0)
    quorum.queue.give_back(entry, FIRST)
    assert "died for no reason" in quorum.restart_with([], [died(entry, "delivery_limit")])


def test_a_message_held_once_too_often_at_a_kill_may_have_died(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    for count in range(LIMIT):
        quorum.deliver_counted(entry, count)
        quorum.queue.give_back(entry, FIRST)
    quorum.deliver_counted(entry, LIMIT)
    assert quorum.restart_with([], [died(entry, "delivery_limit")]) == []


def test_a_message_may_die_when_the_connection_of_its_consumer_is_closed(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    for count in range(LIMIT):
        quorum.deliver_counted(entry, count)
        quorum.queue.give_back(entry, FIRST)
    quorum.queue.attending.add("consumer")
    quorum.deliver_dead(entry, "delivery_limit")
    assert quorum.kinds == []


def test_a_message_in_its_consumers_hands_may_die_when_the_connection_is_closed(quorum: Quorum) -> None:
    (entry,) = quorum.publish()
    for count in range(LIMIT):
        quorum.deliver_counted(entry, count)
        quorum.queue.give_back(entry, FIRST)
    quorum.deliver_counted(entry, LIMIT)
    quorum.deliver_dead(entry, "delivery_limit")
    assert quorum.kinds == []


def test_a_transient_message_stays_in_a_quorum_queue(quorum: Quorum) -> None:
    quorum.publish(transient=True)
    assert quorum.restart_with([], []) == ["lost"]


def test_a_transient_message_that_may_have_died_at_the_end_of_a_life_may_be_gone(quorum: Quorum) -> None:
    (entry,) = quorum.publish(transient=True)
    for count in range(LIMIT):
        quorum.deliver_counted(entry, count)
        quorum.queue.give_back(entry, FIRST)
    quorum.deliver_counted(entry, LIMIT)
    assert quorum.restart_with([], []) == []


def test_messages_that_never_came_back_keep_their_order_in_a_quorum_queue(quorum: Quorum) -> None:
    first, second = quorum.publish(2)
    assert quorum.restart_with([counted(second, 0), counted(first, 0)], []) == ["reordered"]


class Delaying(Scenario):
    """A queue behind an exchange that delays; published at a time."""

    def __init__(self, due_in_s: float, confirmed: bool = True) -> None:
        super().__init__()
        self.queue.rules = rules_of_queues.Rules("delays", bodies.delayed, delay_ms=bodies.delay_ms)
        (self.entry,) = self.publish(confirmed=confirmed)
        delay_s = bodies.delay_ms(self.entry.header) / 1000
        self.entry.sent_s = self.entry.answered_s = ASKED_S + due_in_s - delay_s

    def read(self, there: bool, life: int = SECOND, at: Any = None) -> list[str]:
        """Restart, and read the queue. Returns the kinds of all violations so far."""
        self.ledger.end_life(life - 1)
        messages = [delayed(self.entry)] * there
        comparison.compare(self.ledger, self.queue, messages, life, at or reading())
        return self.kinds


def delayed(entry: Any, sign: int = -1) -> Any:
    """The message of an entry after its delay."""
    headers: dict[str, Any] = {"x-delay": sign * bodies.delay_ms(entry.header)}
    sequence = bodies.parts(entry.header)[2]
    headers |= {} if sequence % 4 else {"sequence": sequence}
    properties = b"\x30\x00" + table(headers) + b"\x02"
    return comparison.Observed(bodies.body(entry.header, entry.size), properties, False)


def test_a_delayed_message_must_not_arrive_before_its_time() -> None:
    assert Delaying(due_in_s=0.1).read(there=True) == ["early"]


def test_a_delayed_message_may_arrive_at_its_time() -> None:
    assert Delaying(due_in_s=-0.1).read(there=True) == []


def test_a_message_whose_delay_is_not_over_is_not_lost() -> None:
    assert Delaying(due_in_s=0.1).read(there=False) == []


def test_a_message_whose_delay_was_over_long_ago_is_lost() -> None:
    assert Delaying(due_in_s=-60.0).read(there=False) == ["lost"]


def test_a_message_that_was_still_to_come_is_lost_if_it_never_comes() -> None:
    delaying = Delaying(due_in_s=0.1)
    delaying.read(there=False)
    later = comparison.Reading(ASKED_S, ASKED_S + 60, ASKED_S + 60)
    assert delaying.read(there=False, life=THIRD, at=later) == ["lost"]


def test_a_delay_that_was_over_while_the_broker_was_down_may_take_a_moment_more() -> None:
    assert Delaying(due_in_s=-60.0).read(there=False, at=reading(started_before_s=1.0)) == []


def test_a_delayed_message_that_arrived_and_was_acked_for_good_must_not_arrive_again() -> None:
    delaying = Delaying(due_in_s=-60.0)
    seen = delayed(delaying.entry)
    delaying.ledger.deliver(delaying.queue, seen.body, seen.properties, False, FIRST, ASKED_S)
    delaying.entry.settle(FIRST)
    ledgers.known_durable([delaying.entry], [])
    assert delaying.read(there=True) == ["came back"]


def test_an_unconfirmed_delayed_message_need_not_come() -> None:
    assert Delaying(due_in_s=-60.0, confirmed=False).read(there=False) == []


def test_a_delayed_message_tells_of_its_delay_with_another_sign() -> None:
    delaying = Delaying(due_in_s=-0.1)
    assert delaying.restart(delayed(delaying.entry, sign=1)) == ["corrupted"]


class Streaming:
    """A stream with some messages."""

    def __init__(self, retention: Any = None, number: int = 5, confirmed: bool = True) -> None:
        self.ledger = ledgers.Ledger()
        self.stream = streams.StreamLedger(self.ledger, "s", retention)
        self.entries = []
        for sequence in range(1, number + 1):
            header = bodies.header(self.stream.number, 7, sequence)
            entry = self.stream.publish(header, 100, FIRST, False, 0.0)
            if confirmed:
                entry.confirm()
            self.entries.append(entry)

    def records(self, first: int = 0) -> list[Any]:
        """All messages from an offset on, as they have to be."""
        return [record(entry, offset) for offset, entry in enumerate(self.entries) if offset >= first]

    def read(self, records: list[Any]) -> list[str]:
        """Read the whole stream after a restart. Returns the kinds of all violations so far."""
        self.stream.compare(records)
        return [violation.kind for violation in self.ledger.violations]


def record(entry: Any, offset: int) -> Any:
    """The message of an entry, as it is read."""
    sequence = bodies.parts(entry.header)[2]
    headers: dict[str, Any] = {} if sequence % 4 else {"sequence": sequence}
    properties = b"\x30\x00" + table({**headers, "x-stream-offset": offset}) + b"\x02"
    return streams.Record(bodies.body(entry.header, entry.size), properties)


def test_a_stream_that_is_read_as_it_was_published_violates_nothing() -> None:
    streaming = Streaming()
    assert streaming.read(streaming.records()) == []
    assert streaming.read(streaming.records()) == []


@pytest.mark.parametrize("missing", [0, 2, 4])
def test_a_confirmed_message_that_is_not_in_the_stream_is_lost(missing: int) -> None:
    streaming = Streaming()
    del streaming.entries[missing]
    assert streaming.read(streaming.records()) == ["lost"]


def test_an_unconfirmed_message_need_not_be_in_the_stream() -> None:
    streaming = Streaming(confirmed=False)
    assert streaming.read(streaming.records()[:-1]) == []


def test_a_message_that_was_read_stays_in_the_stream() -> None:
    streaming = Streaming(confirmed=False)
    streaming.stream.read_some(streaming.records(), -1)
    assert streaming.read(streaming.records()[:-1]) == ["lost"]


def test_a_message_that_is_in_the_stream_twice_is_duplicated() -> None:
    streaming = Streaming()
    again = record(streaming.entries[-1], 5)
    assert streaming.read([*streaming.records(), again]) == ["duplicated"]


def test_a_gap_between_offsets_is_noticed() -> None:
    streaming = Streaming()
    records = [record(entry, offset + (offset > 2)) for offset, entry in enumerate(streaming.entries)]
    assert streaming.read(records) == ["reordered"]


def test_a_gap_is_noticed_by_a_reader() -> None:
    streaming = Streaming()
    streaming.stream.read_some([streaming.records()[0], streaming.records()[2]], None)
    assert [violation.kind for violation in streaming.ledger.violations] == ["reordered"]


def test_messages_of_a_publisher_in_another_order_are_reordered() -> None:
    streaming = Streaming()
    streaming.entries.reverse()
    assert set(streaming.read(streaming.records())) == {"reordered"}


def test_another_message_at_the_same_offset_has_moved() -> None:
    streaming = Streaming(confirmed=False)
    streaming.read(streaming.records())
    del streaming.entries[1]
    assert "moved" in streaming.read(streaming.records())


def test_what_nobody_published_to_a_stream_is_invented() -> None:
    streaming = Streaming()
    stranger = ledgers.Entry(bodies.header(9, 9, 9), 100, FIRST, False)
    assert streaming.read([*streaming.records(), record(stranger, 5)]) == ["invented"]


@pytest.mark.parametrize("part", ["body", "properties"])
def test_a_changed_message_of_a_stream_is_corrupted(part: str) -> None:
    streaming = Streaming()
    records = streaming.records()
    body = records[0].body
    other = {
        "body": body[:-1] + bytes([body[-1] ^ 1]),
        "properties": b"\x20\x00" + table({"x-stream-offset": 0}),
    }
    records[0] = records[0]._replace(**{part: other[part]})
    assert streaming.read(records) == ["corrupted"]


def test_a_stream_that_keeps_everything_begins_with_its_first_message() -> None:
    streaming = Streaming()
    assert "lost" in streaming.read(streaming.records(first=1))


def test_a_stream_may_be_cut_to_what_it_has_to_keep() -> None:
    streaming = Streaming(streams.Retention(max_bytes=1000, segment_bytes=300), number=12)
    assert streaming.read(streaming.records(first=6)) == []


def test_a_stream_that_is_cut_too_short_has_lost_messages() -> None:
    streaming = Streaming(streams.Retention(max_bytes=3000, segment_bytes=300), number=12)
    assert streaming.read(streaming.records(first=10)) == ["lost"]


def test_what_was_cut_off_a_stream_must_not_come_back() -> None:
    streaming = Streaming(streams.Retention(max_bytes=1000, segment_bytes=300), number=12)
    streaming.read(streaming.records(first=6))
    assert "came back" in streaming.read(streaming.records(first=5))


def test_a_message_behind_the_cut_must_not_be_missing() -> None:
    streaming = Streaming(streams.Retention(max_bytes=1000, segment_bytes=300), number=12)
    assert "lost" in streaming.read(streaming.records(first=6)[:-1])
