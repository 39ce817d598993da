"""What a message looks like after it died, octet for octet as RabbitMQ 3.10 answers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.broker.dead_letter import (
    DELIVERY_LIMIT,
    EXPIRED,
    MAXLEN,
    REJECTED,
    FirstDeath,
    died,
    has_cycled,
    routing_keys,
)
from amqpd.message import EXPIRES, NOT_LOGGED, PERSISTENT, Message
from amqpd.wire.fields import Field, Table
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, Octets, frame
from amqpd.wire.properties import Properties, decode_properties, encode_properties

moderate = settings(max_examples=60, deadline=None)

NOW_S = 1_700_000_000


def text(value: str) -> Field:
    return Field("S", value)


def texts(*values: str) -> Field:
    return Field("A", [text(value) for value in values])


def message_with(
    properties: Properties | None = None,
    exchange: str = "",
    routing_key: str = "q",
    pieces: list[Octets] | None = None,
) -> Message:
    pieces = [b"body"] if pieces is None else pieces
    header = encode_properties(properties or Properties(), sum(map(len, pieces)))
    address = bytes([len(exchange)]) + exchange.encode() + bytes([len(routing_key)]) + routing_key.encode()
    return Message(address, header, sum(map(len, pieces)), b"", 0, pieces)


def dead(
    message: Message,
    queue: str = "q",
    reason: str = REJECTED,
    exchange: str = "dlx",
    routing_key: str | None = None,
) -> Message:
    return died(message, queue, reason, NOW_S, exchange, routing_key)


def properties_of(message: Message) -> Properties:
    return decode_properties(message.header)


def headers_of(message: Message) -> Table:
    headers = properties_of(message).headers
    assert headers is not None
    return headers


def deaths_of(message: Message) -> list[Table]:
    deaths = headers_of(message)["x-death"]
    assert deaths.type == "A"
    return [field.value for field in deaths.value]  # type: ignore[attr-defined]


def summary(message: Message) -> list[tuple[object, object, object]]:
    """Count, reason and queue of each entry."""
    return [
        (death["count"].value, death["reason"].value, death["queue"].value) for death in deaths_of(message)
    ]


def with_deaths(*deaths: Table) -> Message:
    """A message whose publisher wrote x-death."""
    return message_with(Properties(headers={"x-death": Field("A", [Field("F", death) for death in deaths])}))


def assert_looks_like(message: Message, properties: Properties) -> None:
    """Octet for octet, the order of tables included."""
    assert properties_of(message) == properties
    assert message.header == encode_properties(properties, message.body_size)


class TestTheFirstDeath:
    def test_is_told_in_x_death_and_in_headers_of_its_own(self) -> None:
        before = Properties(headers={"a": Field("I", 1)}, delivery_mode=2, expiration="60000")
        death: Table = {
            "count": Field("l", 1),
            "reason": text("rejected"),
            "queue": text("fm.s"),
            "time": Field("T", NOW_S),
            "exchange": text("ex"),
            "routing-keys": texts("key"),
            "original-expiration": text("60000"),
        }
        expected = Properties(
            headers={
                "a": Field("I", 1),
                "x-death": Field("A", [Field("F", death)]),
                "x-first-death-exchange": text("ex"),
                "x-first-death-queue": text("fm.s"),
                "x-first-death-reason": text("rejected"),
            },
            delivery_mode=2,
        )
        assert_looks_like(dead(message_with(before, "ex", "key"), "fm.s"), expected)

    @pytest.mark.parametrize("reason", ["rejected", "expired", "maxlen", "delivery_limit"])
    def test_has_a_reason(self, reason: str) -> None:
        message = dead(message_with(), "q", reason)
        assert summary(message) == [(1, reason, "q")]
        assert headers_of(message)["x-first-death-reason"] == text(reason)

    def test_the_reasons_have_rabbitmqs_names(self) -> None:
        assert [REJECTED, EXPIRED, MAXLEN, DELIVERY_LIMIT] == [
            "rejected",
            "expired",
            "maxlen",
            "delivery_limit",
        ]

    def test_of_a_message_without_properties_writes_the_four_headers(self) -> None:
        assert list(headers_of(dead(message_with()))) == [
            "x-death",
            "x-first-death-exchange",
            "x-first-death-queue",
            "x-first-death-reason",
        ]

    def test_sorts_all_headers_by_their_octets(self) -> None:
        before = Properties(headers={name: Field("V", None) for name in ["é", "z", "Z", "a", "\udcff"]})
        names = [name for name in headers_of(dead(message_with(before))) if not name.startswith("x-")]
        assert names == ["Z", "a", "z", "é", "\udcff"]

    def test_does_not_know_of_an_expiration_that_was_none(self) -> None:
        assert "original-expiration" not in deaths_of(dead(message_with(), reason=EXPIRED))[0]

    def test_replaces_what_a_publisher_wrote_about_a_first_death(self) -> None:
        before = Properties(headers={"x-first-death-queue": Field("I", 7)})
        assert headers_of(dead(message_with(before)))["x-first-death-queue"] == text("q")

    def test_writes_a_long_with_the_tag_that_rabbitmq_writes(self) -> None:
        inside = Field("A", [Field("F", {"n": Field("L", -1)}), Field("I", 2)])
        before = Properties(headers={"a": Field("L", 5), "b": inside})
        headers = headers_of(dead(message_with(before)))
        assert headers["a"] == Field("l", 5)
        assert headers["b"] == Field("A", [Field("F", {"n": Field("l", -1)}), Field("I", 2)])


class TestALaterDeath:
    def test_in_the_same_queue_for_the_same_reason_only_counts(self) -> None:
        first = died(message_with(routing_key="one"), "q", REJECTED, NOW_S, "", "q")
        second = died(first, "q", REJECTED, NOW_S + 9, "", "q")
        [death] = deaths_of(second)
        assert death["count"] == Field("l", 2)
        assert death["time"] == Field("T", NOW_S)
        assert death["routing-keys"] == texts("one")
        assert list(death) == ["count", "exchange", "queue", "reason", "routing-keys", "time"]

    def test_for_another_reason_is_another_entry_in_front(self) -> None:
        message = dead(dead(message_with()), reason=EXPIRED)
        assert summary(message) == [(1, "expired", "q"), (1, "rejected", "q")]

    def test_tells_where_the_message_was_published_last(self) -> None:
        first = dead(message_with(Properties(expiration="50"), "ex", "key"), "a", EXPIRED, "dlx", "dead")
        second = dead(first, "b", REJECTED, "", "end")
        latest, earliest = deaths_of(second)
        assert (latest["exchange"], latest["routing-keys"]) == (text("dlx"), texts("dead"))
        assert "original-expiration" not in latest
        assert list(latest) == ["count", "exchange", "queue", "reason", "routing-keys", "time"]
        assert (earliest["exchange"], earliest["routing-keys"]) == (text("ex"), texts("key"))
        assert earliest["original-expiration"] == text("50")

    def test_leaves_the_headers_about_the_first_alone(self) -> None:
        headers = headers_of(dead(dead(message_with(exchange="ex"), "a", EXPIRED), "b"))
        assert headers["x-first-death-exchange"] == text("ex")
        assert headers["x-first-death-queue"] == text("a")
        assert headers["x-first-death-reason"] == text("expired")

    def test_stands_in_front_and_turns_the_entries_behind_it_round(self) -> None:
        message = message_with()
        orders = []
        for queue in "abcd":
            message = dead(message, queue)
            orders.append("".join([str(death["queue"].value) for death in deaths_of(message)]))
        assert orders == ["a", "ba", "cab", "dbac"]

    def test_moves_the_entry_of_its_queue_to_the_front(self) -> None:
        message = message_with()
        for queue in "abca":
            message = dead(message, queue)
        assert summary(message) == [(2, "rejected", "a"), (1, "rejected", "b"), (1, "rejected", "c")]


class TestWhatThePublisherWrote:
    """An x-death that no broker of ours wrote."""

    @pytest.mark.parametrize(
        "deaths",
        [text("once"), Field("I", 3), Field("V", None), Field("F", {"queue": text("q")}), texts("q", "r")],
        ids=["text", "number", "void", "table", "texts"],
    )
    def test_is_forgotten_if_it_is_no_list_of_tables(self, deaths: Field) -> None:
        message = dead(message_with(Properties(headers={"x-death": deaths})))
        assert summary(message) == [(1, "rejected", "q")]
        assert list(deaths_of(message)[0])[:3] == ["count", "reason", "queue"]
        assert list(headers_of(message)) == ["x-death"]

    def test_counts_for_the_queue_and_reason_it_names(self) -> None:
        message = with_deaths({"queue": text("q"), "count": Field("s", 41), "reason": text("rejected")})
        assert deaths_of(dead(message)) == [
            {"count": Field("l", 42), "queue": text("q"), "reason": text("rejected")}
        ]
        assert list(headers_of(dead(message))) == ["x-death"]

    def test_starts_at_one_if_a_single_entry_has_no_count(self) -> None:
        message = with_deaths({"queue": text("q"), "reason": text("rejected")})
        assert summary(dead(message)) == [(1, "rejected", "q")]

    def test_counts_its_entries_if_they_have_no_count(self) -> None:
        one: Table = {"queue": text("q"), "reason": text("rejected")}
        other: Table = {"queue": text("other"), "reason": text("expired")}
        message = dead(with_deaths(one, other, one, one))
        assert summary(message) == [(4, "rejected", "q"), (1, "expired", "other")]

    def test_has_the_first_entry_of_a_queue_and_reason_stand_for_all(self) -> None:
        counts = [5, 7]
        deaths: list[Table] = [
            {"count": Field("l", count), "queue": text("p"), "reason": text("rejected")} for count in counts
        ]
        assert summary(dead(with_deaths(*deaths))) == [(1, "rejected", "q"), (5, "rejected", "p")]

    def test_keeps_a_single_entry_that_says_nothing(self) -> None:
        assert deaths_of(dead(with_deaths({})))[1] == {}

    def test_may_be_empty(self) -> None:
        message = dead(with_deaths())
        assert summary(message) == [(1, "rejected", "q")]
        assert list(headers_of(message)) == ["x-death"]

    @pytest.mark.parametrize("count", [text("many"), Field("V", None), Field("d", 1.5), Field("t", True)])
    def test_starts_at_one_if_its_count_is_no_number(self, count: Field) -> None:
        message = with_deaths({"queue": text("q"), "reason": text("rejected"), "count": count})
        assert deaths_of(dead(message))[0]["count"] == Field("l", 1)

    def test_counts_as_far_as_64_bits_go(self) -> None:
        most = Field("l", 2**63 - 1)
        message = with_deaths({"count": most, "queue": text("q"), "reason": text("rejected")})
        assert deaths_of(dead(message))[0]["count"] == Field("l", -(2**63))


class TestTheAddress:
    def test_is_the_dead_letter_exchange_and_the_messages_own_key(self) -> None:
        message = dead(message_with(exchange="ex", routing_key="key"), exchange="dlx")
        assert (message.exchange(), message.routing_key()) == ("dlx", "key")
        assert routing_keys(message) == ["key"]

    def test_is_the_dead_letter_exchange_and_the_queues_key(self) -> None:
        message = dead(message_with(exchange="ex", routing_key="key"), exchange="", routing_key="dead")
        assert (message.exchange(), message.routing_key()) == ("", "dead")
        assert routing_keys(message) == ["dead"]

    def test_keeps_the_keys_in_cc_with_the_messages_own(self) -> None:
        copies = Field("A", [text("one"), Field("I", 2), text("two")])
        message = dead(message_with(Properties(headers={"CC": copies}), routing_key="key"))
        assert headers_of(message)["CC"] == copies
        assert routing_keys(message) == ["key", "one", "two"]
        assert deaths_of(message)[0]["routing-keys"] == texts("key", "one", "two")

    def test_loses_the_keys_in_cc_to_the_queues_key_and_remembers_them(self) -> None:
        before = Properties(headers={"CC": texts("one")})
        message = dead(message_with(before, routing_key="key"), routing_key="dead")
        assert "CC" not in headers_of(message)
        assert routing_keys(message) == ["dead"]
        assert deaths_of(message)[0]["routing-keys"] == texts("key", "one")

    def test_may_be_an_empty_key(self) -> None:
        message = dead(message_with(Properties(headers={"CC": texts("one")})), routing_key="")
        assert routing_keys(message) == [""]

    def test_may_have_octets_that_are_no_text(self) -> None:
        message = dead(message_with(), "\udcfe", exchange="\udcff", routing_key="\udcfd")
        assert message.address == b"\x01\xff\x01\xfd"
        assert headers_of(message)["x-first-death-queue"] == text("\udcfe")

    def test_cuts_a_key_that_no_message_could_have(self) -> None:
        assert dead(message_with(), routing_key="k" * 300).routing_key() == "k" * 255


class TestTheRest:
    @moderate
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "content_type": st.text(max_size=3),
                "content_encoding": st.text(max_size=3),
                "headers": st.dictionaries(st.sampled_from(["a", "CC", "z"]), st.just(texts("v"))),
                "delivery_mode": st.sampled_from([1, 2]),
                "priority": st.integers(0, 255),
                "correlation_id": st.text(max_size=3),
                "reply_to": st.text(max_size=3),
                "expiration": st.just("1"),
                "message_id": st.text(max_size=3),
                "timestamp": st.integers(0, 2**64 - 1),
                "type": st.text(max_size=3),
                "user_id": st.text(max_size=3),
                "app_id": st.text(max_size=3),
                "cluster_id": st.text(max_size=3),
            },
        )
    )
    def test_of_the_properties_stays(self, values: dict[str, object]) -> None:
        before = Properties(**values)  # type: ignore[arg-type]
        after = properties_of(dead(message_with(before)))
        for name, value in (before.headers or {}).items():
            assert after.headers is not None
            assert after.headers[name] == value
        after.headers = before.headers
        before.expiration = None
        assert after == before

    def test_of_the_flags_goes(self) -> None:
        message = message_with()
        message = Message(message.address, message.header[:13] + b"\x03", 4, b"", 0, [b"body"])
        assert dead(message).header[12:14] == b"\x20\x00"

    def test_is_a_message_that_no_log_has_and_that_does_not_expire(self) -> None:
        header = encode_properties(Properties(delivery_mode=2, expiration="50"), 4)
        message = Message(b"\x00\x01q", header, 4, b"", 0, [b"body"], PERSISTENT | EXPIRES)
        message.arrived_ms = 5
        message.log_position = 7
        after = dead(message)
        assert after.flags & PERSISTENT
        assert not after.flags & EXPIRES
        assert (after.arrived_ms, after.log_position) == (0, NOT_LOGGED)
        assert (message.arrived_ms, message.log_position, message.header) == (5, 7, header)

    def test_of_a_large_body_is_the_same_pieces(self) -> None:
        pieces: list[Octets] = [b"a" * 70000, b"b" * 70000]
        after = dead(message_with(pieces=pieces))
        assert after.body_size == 140000
        assert [piece is mine for piece, mine in zip(after.body_pieces(), pieces, strict=True)] == [True] * 2

    def test_of_a_message_in_frames_is_its_body(self) -> None:
        header = encode_properties(Properties(), 4)
        frames = frame(FRAME_HEADER, 3, header) + frame(FRAME_BODY, 3, b"body")
        assert dead(Message(b"\x00\x01q", header, 4, frames, 3, None)).body() == b"body"

    def test_of_a_message_without_body_is_nothing(self) -> None:
        header = encode_properties(Properties(), 0)
        after = dead(Message(b"\x00\x01q", header, 0, frame(FRAME_HEADER, 3, header), 3, None))
        assert (after.body(), after.body_size) == (b"", 0)


class TestACycle:
    def test_is_to_come_back_to_the_queue_it_died_in(self) -> None:
        message = dead(message_with(), "a", EXPIRED)
        assert has_cycled(message, "a", EXPIRED)
        assert not has_cycled(message, "b", EXPIRED)

    def test_may_lead_through_several_queues(self) -> None:
        message = dead(dead(message_with(), "a", EXPIRED), "b", MAXLEN)
        assert has_cycled(message, "a", MAXLEN)
        assert has_cycled(message, "b", MAXLEN)

    def test_is_none_if_the_last_death_was_a_consumers_doing(self) -> None:
        assert not has_cycled(dead(message_with(), "a", REJECTED), "a", REJECTED)

    def test_is_none_if_a_consumer_had_a_hand_in_it(self) -> None:
        message = dead(dead(message_with(), "a", REJECTED), "b", EXPIRED)
        assert not has_cycled(message, "a", EXPIRED)
        assert has_cycled(message, "b", EXPIRED)

    def test_is_judged_from_the_last_death_back_to_the_queue(self) -> None:
        message = dead(dead(message_with(), "old", REJECTED), "a", EXPIRED)
        assert has_cycled(dead(message, "b", EXPIRED), "b", EXPIRED)

    def test_is_not_told_by_a_name_elsewhere_in_the_headers(self) -> None:
        message = dead(message_with(Properties(headers={"queue": text("b")})), "a", EXPIRED)
        assert not has_cycled(message, "b", EXPIRED)

    @pytest.mark.parametrize("deaths", [text("q"), texts("q"), Field("F", {"queue": text("q")})])
    def test_is_not_told_by_an_x_death_that_is_no_list_of_tables(self, deaths: Field) -> None:
        inside = Field("F", {"queue": text("q")})
        message = message_with(Properties(headers={"a": inside, "x-death": deaths}))
        assert not has_cycled(message, "q", EXPIRED)


DEATHS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                Properties(),
                Properties(content_type="text/plain", priority=3),
                Properties(headers={"a": Field("I", 1)}),
                Properties(expiration="60000"),
            ]
        ),
        st.sampled_from(["", "x"]),
        st.sampled_from(["q", "r"]),
        st.sampled_from([REJECTED, EXPIRED]),
        st.sampled_from([NOW_S, NOW_S + 1]),
        st.sampled_from([None, "dead"]),
    ),
    max_size=20,
)


@given(DEATHS)
@moderate
def test_a_death_that_is_remembered_leaves_the_same_message(
    deaths: list[tuple[Properties, str, str, str, int, str | None]],
) -> None:
    last = FirstDeath()
    for properties, exchange, queue, reason, time_s, routing_key in deaths:
        message = message_with(properties, exchange)
        anew = died(message, queue, reason, time_s, "dlx", routing_key)
        after = died(message, queue, reason, time_s, "dlx", routing_key, last)
        assert (after.address, after.header, after.body()) == (anew.address, anew.header, anew.body())
