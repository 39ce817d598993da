"""The content header of class basic."""

import datetime
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands, header

from amqpd.wire import fields, properties
from amqpd.wire.properties import MalformedProperties, Properties

moderate = settings(max_examples=80, deadline=None)

texts = st.binary(max_size=20).map(fields.text_of)
octets = st.integers(0, 255)
tables = st.dictionaries(
    texts,
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts | st.binary(max_size=9),
    max_size=3,
).map(fields.table_of)

VALUES: dict[str, st.SearchStrategy[object]] = {
    "content_type": texts,
    "content_encoding": texts,
    "headers": tables,
    "delivery_mode": octets,
    "priority": octets,
    "correlation_id": texts,
    "reply_to": texts,
    "expiration": texts,
    "message_id": texts,
    "timestamp": st.integers(0, 2**64 - 1),
    "type": texts,
    "user_id": texts,
    "app_id": texts,
    "cluster_id": texts,
}
FLAGS = {name: 1 << (15 - index) for index, name in enumerate(VALUES)}

some_properties = st.fixed_dictionaries({}, optional=VALUES).map(lambda values: Properties(**values))  # type: ignore[arg-type]


def header_of(flags: int, property_list: bytes = b"") -> bytes:
    return struct.pack(">HHQH", 60, 0, 5, flags) + property_list


def read_outcome(data: bytes) -> str | None:
    """The text of the error that reading raises, None if it succeeds."""
    try:
        properties.decode_properties(data)
    except MalformedProperties as error:
        return str(error)
    return None


def check_outcome(data: bytes) -> str | None:
    try:
        properties.check_properties(data)
    except MalformedProperties as error:
        return str(error)
    return None


class TestRoundTrips:
    @moderate
    @given(some_properties, st.integers(0, 2**64 - 1))
    def test_properties_come_back(self, sent: Properties, body_size: int) -> None:
        data = properties.encode_properties(sent, body_size)
        assert properties.decode_properties(data) == sent
        assert struct.unpack_from(">HHQ", data) == (60, 0, body_size)

    @moderate
    @given(some_properties)
    def test_checking_returns_the_flags_of_what_is_present(self, sent: Properties) -> None:
        flags = sum(FLAGS[name] for name in sent.present())
        assert properties.check_properties(properties.encode_properties(sent, 0)) == flags

    @moderate
    @given(some_properties)
    def test_a_property_is_found_where_it_is(self, sent: Properties) -> None:
        data = properties.encode_properties(sent, 0)
        for name, flag in FLAGS.items():
            position = properties.position_of(data, flag)
            value = getattr(sent, name)
            if value is None:
                assert position == -1
            elif isinstance(value, str):
                raw = fields.bytes_of(value)
                assert data[position : position + 1 + len(raw)] == bytes([len(raw)]) + raw
            elif isinstance(value, dict):
                assert fields.decode_table_at(data, position, len(data))[0] == value
            else:
                size = 8 if name == "timestamp" else 1
                assert int.from_bytes(data[position : position + size], "big") == value

    @moderate
    @given(some_properties)
    def test_the_delivery_mode_is_peeked(self, sent: Properties) -> None:
        data = properties.encode_properties(sent, 0)
        assert properties.delivery_mode_of(data) == (sent.delivery_mode or 0)

    def test_the_flags_are_those_of_the_specification(self) -> None:
        assert {name: getattr(properties, name.upper()) for name in FLAGS} == FLAGS

    def test_nothing_is_the_shortest_header(self) -> None:
        assert properties.encode_properties(Properties(), 7) == b"\0\x3c\0\0" + b"\0" * 7 + b"\7\0\0"

    def test_an_empty_text_is_present(self) -> None:
        data = properties.encode_properties(Properties(reply_to=""), 0)
        assert properties.decode_properties(data).reply_to == ""

    def test_properties_show_what_is_present(self) -> None:
        assert repr(Properties(priority=1, app_id="a")) == "Properties(priority=1, app_id='a')"
        assert Properties(priority=1) != Properties(priority=2)
        assert Properties() != "Properties()"


# pamqp drops empty text, reads timestamps as dates and refuses cluster ids.
names = st.text(min_size=1, max_size=20)
PAMQP_VALUES: dict[str, st.SearchStrategy[object]] = {
    name: names for name, values in VALUES.items() if values is texts and name != "cluster_id"
} | {
    "headers": st.dictionaries(names, st.text(max_size=9) | st.booleans(), max_size=3),
    "delivery_mode": st.sampled_from([1, 2]),
    "priority": octets,
    "timestamp": st.integers(0, 2**32 - 1),
}
pamqp_values = st.fixed_dictionaries({}, optional=PAMQP_VALUES)


class TestJudgedByPamqp:
    def both(self, values: dict[str, object]) -> tuple[commands.Basic.Properties, Properties]:
        theirs = dict(values)
        ours = dict(values)
        if "timestamp" in values:
            theirs["timestamp"] = datetime.datetime.fromtimestamp(values["timestamp"], tz=datetime.UTC)  # type: ignore[arg-type]
        if "type" in values:
            theirs["message_type"] = theirs.pop("type")
        if "headers" in values:
            ours["headers"] = fields.table_of(dict(sorted(values["headers"].items())))  # type: ignore[attr-defined]
        return commands.Basic.Properties(**theirs), Properties(**ours)  # type: ignore[arg-type]

    @moderate
    @given(pamqp_values, st.integers(0, 2**64 - 1))
    def test_the_bytes_are_those_of_pamqp(self, values: dict[str, object], body_size: int) -> None:
        theirs, ours = self.both(values)
        assert header.ContentHeader(0, body_size, theirs).marshal() == properties.encode_properties(
            ours, body_size
        )

    @moderate
    @given(pamqp_values)
    def test_pamqp_reads_what_is_written(self, values: dict[str, object]) -> None:
        theirs, ours = self.both(values)
        judge = header.ContentHeader()
        judge.unmarshal(properties.encode_properties(ours, 5))
        assert judge.properties == theirs


class TestMalformedProperties:
    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 0xFFFF), st.binary(max_size=40))
    def test_any_bytes_give_properties_or_malformed_properties(
        self, flags: int, property_list: bytes
    ) -> None:
        data = header_of(flags, property_list)
        assert (read_outcome(data) is None) == (check_outcome(data) is None)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=30), st.sampled_from(list(FLAGS.values())))
    def test_peeking_into_any_bytes_gives_a_place_in_them_or_malformed_properties(
        self, data: bytes, flag: int
    ) -> None:
        try:
            position = properties.position_of(data, flag)
        except MalformedProperties:
            position = -1
        assert -1 <= position < len(data)

    @moderate
    @given(some_properties)
    def test_a_header_cut_anywhere_is_malformed(self, sent: Properties) -> None:
        data = properties.encode_properties(sent, 0)
        for size in range(len(data)):
            assert read_outcome(data[:size]) is not None
            assert check_outcome(data[:size]) is not None

    @moderate
    @given(some_properties, st.binary(min_size=1, max_size=3))
    def test_bytes_after_the_property_list_are_malformed(self, sent: Properties, more: bytes) -> None:
        data = properties.encode_properties(sent, 0) + more
        assert read_outcome(data) == check_outcome(data) == f"{len(more)} bytes follow the property list"

    @pytest.mark.parametrize("bits", [1, 2, 3])
    def test_the_two_lowest_flag_bits_are_ignored(self, bits: int) -> None:
        assert properties.check_properties(header_of(bits)) == bits
        assert properties.check_properties(header_of(properties.DELIVERY_MODE | bits, b"\2")) == 0x1000 | bits
        assert properties.decode_properties(header_of(bits)) == Properties()

    def test_a_second_flags_word_is_malformed(self) -> None:
        assert check_outcome(header_of(1, b"\0\0")) == "2 bytes follow the property list"

    @pytest.mark.parametrize("length", [1, 2**31 - 1, 2**31, 2**32 - 18, 2**32 - 4, 2**32 - 1])
    def test_headers_longer_than_the_header_are_malformed(self, length: int) -> None:
        data = header_of(properties.HEADERS, length.to_bytes(4, "big"))
        assert (
            read_outcome(data) == check_outcome(data) == "headers at offset 14 ends after the content header"
        )

    def test_a_malformed_table_is_malformed(self) -> None:
        data = header_of(properties.HEADERS, b"\0\0\0\3\1kz")
        assert read_outcome(data) == check_outcome(data) == "headers: unknown field type b'z' at offset 20"

    def test_text_that_is_not_utf8_is_taken(self) -> None:
        data = header_of(properties.CONTENT_TYPE, b"\2\xff\xfe")
        assert check_outcome(data) is None
        assert properties.decode_properties(data).content_type == "\udcff\udcfe"

    def test_a_property_of_no_room_is_not_peeked(self) -> None:
        with pytest.raises(MalformedProperties, match="delivery_mode at offset 14"):
            properties.delivery_mode_of(header_of(properties.DELIVERY_MODE))

    @pytest.mark.parametrize(
        "sent",
        [
            Properties(content_type="x" * 256),
            Properties(content_type="\ud800"),
            Properties(delivery_mode=256),
            Properties(priority=-1),
            Properties(timestamp=2**64),
            Properties(headers={"k": fields.Field("I", "text")}),
        ],
    )
    def test_a_value_that_does_not_fit_cannot_be_written(self, sent: Properties) -> None:
        with pytest.raises(MalformedProperties):
            properties.encode_properties(sent, 0)

    @pytest.mark.parametrize("body_size", [-1, 2**64])
    def test_a_body_size_beyond_64_bits_cannot_be_written(self, body_size: int) -> None:
        with pytest.raises(MalformedProperties):
            properties.encode_properties(Properties(), body_size)


# One more header


def headers_read_by_pamqp(data: bytes) -> dict[str, object]:
    content_header = header.ContentHeader()
    content_header.unmarshal(data)
    return dict(content_header.properties.headers)


def test_a_header_that_is_added_is_read_by_pamqp_as_are_all_others() -> None:
    sample = properties.encode_properties(
        Properties(
            content_type="text/plain",
            headers=fields.table_of({"a": 1, "b": "x"}),
            delivery_mode=2,
            app_id="z",
        ),
        5,
    )
    added = properties.with_header(sample, b"x-stream-offset", 2**40)
    content_header = header.ContentHeader()
    content_header.unmarshal(added)
    assert content_header.body_size == 5
    assert content_header.properties.headers == {"a": 1, "b": "x", "x-stream-offset": 2**40}
    assert content_header.properties.content_type == "text/plain"
    assert content_header.properties.delivery_mode == 2
    assert content_header.properties.app_id == "z"


def test_a_header_is_added_where_there_are_no_headers_and_no_properties() -> None:
    assert headers_read_by_pamqp(properties.with_header(header_of(0), b"x-delivery-count", 1)) == {
        "x-delivery-count": 1
    }


def test_a_header_that_is_added_takes_the_place_of_one_that_has_its_name() -> None:
    sample = properties.encode_properties(
        Properties(headers=fields.table_of({"n": "text", "m": {"n": 1}, "nn": "n"})), 0
    )
    added = properties.with_header(sample, b"n", -7)
    assert headers_read_by_pamqp(added) == {"n": -7, "m": {"n": 1}, "nn": "n"}
    assert properties.with_header(added, b"n", 9) == properties.with_header(sample, b"n", 9)


@moderate
@given(some_properties, st.integers(-(2**63), 2**63 - 1))
def test_adding_a_header_changes_no_other_property(sample: Properties, value: int) -> None:
    added = properties.decode_properties(
        properties.with_header(properties.encode_properties(sample, 5), b"x-stream-offset", value)
    )
    assert added.headers is not None
    assert added.headers.pop("x-stream-offset") == fields.Field("l", value)
    if sample.headers is None:
        assert added.headers == {}
        added.headers = None
    assert added == sample


def test_a_header_can_not_be_added_to_a_list_that_is_cut() -> None:
    with pytest.raises(MalformedProperties):
        properties.with_header(header_of(properties.HEADERS, b"\0\0\0\5a"), b"n", 1)
