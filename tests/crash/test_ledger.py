"""The crash test's ledger notices every kind of broken promise, and nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

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
ledgers = load("ledger")
comparison = load("comparison")
definitions = load("definitions")

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
