"""Methods of the control plane: every method there is, any bytes, and pamqp as the judge."""

import string
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.base import Frame

from amqpd.wire import fields, methods
from amqpd.wire.methods import (
    Access,
    MalformedMethod,
    MalformedShortString,
    MalformedTable,
    MethodError,
    TruncatedMethod,
    UnknownMethod,
)

moderate = settings(max_examples=80, deadline=None)

COMMANDS: list[type[Frame]] = [*commands.INDEX_MAPPING.values(), Access.Request, Access.RequestOk]
BY_NAME = {command.name: command for command in COMMANDS}
WITH_CONTENT = {"Basic.Publish", "Basic.Return", "Basic.Deliver", "Basic.GetOk"}

plain_tables = st.dictionaries(st.text(max_size=5), st.integers(-128, 127) | st.text(max_size=5), max_size=3)
ARGUMENTS: dict[str, st.SearchStrategy[object]] = {
    "bit": st.booleans(),
    "octet": st.integers(0, 2**8 - 1),
    "short": st.integers(0, 2**16 - 1),
    "long": st.integers(0, 2**32 - 1),
    "longlong": st.integers(0, 2**64 - 1),
    "shortstr": st.text(max_size=30),
    "longstr": st.binary(max_size=30).map(fields.text_of),
    "table": plain_tables.map(fields.table_of),
}
ascii_names = st.text(string.ascii_letters + string.digits + "-_.:", max_size=30)
# What pamqp has no quarrel with.
FOR_PAMQP = ARGUMENTS | {
    "longlong": st.integers(0, 2**63 - 1),
    "shortstr": ascii_names,
    "longstr": st.text(max_size=30),
    "table": plain_tables,
}


def filled(command: type[Frame], values: Mapping[str, object]) -> Frame:
    method = command.__new__(command)
    for name, value in values.items():
        setattr(method, name, value)
    return method


def of(command: type[Frame], kinds: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[Frame]:
    arguments = {name: kinds[command.amqp_type(name)] for name in command.attributes()}
    return st.fixed_dictionaries(arguments).map(lambda values: filled(command, values))


any_method = st.sampled_from(COMMANDS).flatmap(lambda command: of(command, ARGUMENTS))
pamqp_method = st.sampled_from(list(commands.INDEX_MAPPING.values())).flatmap(
    lambda command: of(command, FOR_PAMQP)
)


def ids(class_id: int, method_id: int) -> bytes:
    return struct.pack(">HH", class_id, method_id)


def read_error(payload: bytes) -> MethodError:
    with pytest.raises(MethodError) as caught:
        methods.decode_method(payload)
    return caught.value


class TestRoundTrips:
    @moderate
    @given(any_method)
    def test_a_method_comes_back(self, sent: Frame) -> None:
        received = methods.decode_method(methods.encode_method(sent))
        assert type(received) is type(sent)
        assert dict(received) == dict(sent)

    @pytest.mark.parametrize("name", sorted(BY_NAME))
    def test_every_method_can_be_written_and_read(self, name: str) -> None:
        empty = {
            "bit": False,
            "octet": 0,
            "short": 0,
            "long": 0,
            "longlong": 0,
            "shortstr": "",
            "longstr": "",
            "table": {},
        }
        command = BY_NAME[name]
        sent = filled(command, {name: empty[command.amqp_type(name)] for name in command.attributes()})
        payload = methods.encode_method(sent)
        assert payload[:4] == command.index.to_bytes(4, "big")
        assert dict(methods.decode_method(payload)) == dict(sent)

    @pytest.mark.parametrize("bits", range(32))
    def test_bits_share_an_octet_from_the_lowest_up(self, bits: int) -> None:
        names = ["passive", "durable", "exclusive", "auto_delete", "nowait"]
        payload = ids(50, 10) + b"\0\0\1q" + bytes([bits | 0xE0]) + b"\0\0\0\0"
        method = methods.decode_method(payload)
        assert [method[name] for name in names] == [bool(bits & 1 << place) for place in range(5)]
        assert methods.encode_method(method) == ids(50, 10) + b"\0\0\1q" + bytes([bits]) + b"\0\0\0\0"

    def test_a_table_keeps_its_types(self) -> None:
        payload = ids(50, 10) + b"\0\0\1q\0\0\0\0\x05\1ks\0\7"
        method = methods.decode_method(payload)
        assert method["arguments"] == {"k": fields.Field("s", 7)}
        assert methods.encode_method(method) == payload

    def test_a_long_string_keeps_its_bytes(self) -> None:
        payload = ids(10, 21) + b"\0\0\0\5\0a\0\xff\xc3"
        method = methods.decode_method(payload)
        assert fields.bytes_of(str(method["response"])) == b"\0a\0\xff\xc3"
        assert methods.encode_method(method) == payload

    def test_a_long_string_may_be_given_as_bytes(self) -> None:
        assert (
            methods.encode_method(filled(commands.Connection.Secure, {"challenge": b"\xff"}))[4:]
            == b"\0\0\0\1\xff"
        )

    def test_no_table_is_an_empty_table(self) -> None:
        sent = commands.Queue.Declare(queue="q")
        sent.arguments = None  # type: ignore[assignment]
        assert methods.encode_method(sent)[-4:] == b"\0\0\0\0"

    def test_a_delivery_tag_is_unsigned(self) -> None:
        assert methods.decode_method(ids(60, 80) + b"\xff" * 8 + b"\1")["delivery_tag"] == 2**64 - 1

    def test_exchange_unbind_ok_is_method_51(self) -> None:
        assert methods.encode_method(commands.Exchange.UnbindOk()) == ids(40, 51)

    def test_access_request_is_that_of_amqp_0_8(self) -> None:
        payload = methods.encode_method(Access.Request("/data", exclusive=True, write=False))
        assert payload == ids(30, 10) + b"\5/data\x17"
        assert methods.encode_method(Access.RequestOk(1)) == ids(30, 11) + b"\0\1"
        assert methods.decode_method(payload).name == "Access.Request"


class TestJudgedByPamqp:
    @moderate
    @given(pamqp_method)
    def test_the_bytes_are_those_of_pamqp(self, sent: Frame) -> None:
        ours = methods.encode_method(as_pamqp_writes(sent))
        sent.validate = lambda: None  # type: ignore[method-assign]  # rules for values, such as an empty ticket
        assert frame.marshal(sent, 1)[7:-1] == ours


def as_pamqp_writes(sent: Frame) -> Frame:
    """The same with tables as pamqp writes them: keys sorted, the narrowest type for an integer."""
    values: dict[str, object] = dict(sent)
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = {
                key: fields.Field("b", item) if isinstance(item, int) else item
                for key, item in sorted(value.items())
            }
    return filled(type(sent), values)


class TestMalformedMethods:
    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(COMMANDS), st.binary(max_size=40))
    def test_any_arguments_give_a_method_or_a_method_error(
        self, command: type[Frame], arguments: bytes
    ) -> None:
        try:
            method = methods.decode_method(command.index.to_bytes(4, "big") + arguments)
        except MethodError as error:
            assert (error.class_id, error.method_id) == (command.index >> 16, command.index & 0xFFFF)
        else:
            assert set(dict(method)) == set(command.attributes())

    @moderate
    @given(st.binary(max_size=40))
    def test_any_bytes_give_a_method_or_a_method_error(self, payload: bytes) -> None:
        try:
            method = methods.decode_method(payload)
        except MethodError:
            return
        assert method.index == int.from_bytes(payload[:4], "big")

    @moderate
    @given(any_method)
    def test_a_method_cut_anywhere_is_malformed(self, sent: Frame) -> None:
        payload = methods.encode_method(sent)
        for size in range(4, len(payload)):
            error = read_error(payload[:size])
            assert isinstance(error, MalformedMethod)
            assert error.arguments == payload[4:size]

    @moderate
    @given(any_method, st.binary(min_size=1, max_size=3))
    def test_bytes_after_the_arguments_are_malformed(self, sent: Frame, more: bytes) -> None:
        payload = methods.encode_method(sent) + more
        error = read_error(payload)
        assert isinstance(error, MalformedMethod)
        assert error.arguments == payload[4:]

    @pytest.mark.parametrize("payload", [b"", b"\0", b"\0\x3c", b"\0\x3c\0"])
    def test_less_than_class_and_method_id_is_a_truncated_method(self, payload: bytes) -> None:
        assert isinstance(read_error(payload), TruncatedMethod)

    @pytest.mark.parametrize(
        ("class_id", "method_id"), [(60, 99), (61, 10), (0, 0), (65535, 65535), (32768, 1)]
    )
    def test_an_unknown_method_is_told_by_its_ids(self, class_id: int, method_id: int) -> None:
        error = read_error(ids(class_id, method_id) + b"abc")
        assert isinstance(error, UnknownMethod)
        assert (error.class_id, error.method_id) == (class_id, method_id)

    @pytest.mark.parametrize("length", [2**31 - 1, 2**31, 2**32 - 8, 2**32 - 1])
    def test_a_length_of_gigabytes_is_malformed(self, length: int) -> None:
        for before in (ids(10, 21), ids(50, 10) + b"\0\0\1q\0"):
            assert isinstance(read_error(before + length.to_bytes(4, "big") + b"abcd"), MalformedMethod)

    def test_a_malformed_table_is_told_apart(self) -> None:
        error = read_error(ids(50, 10) + b"\0\0\1q\0\0\0\0\3\1kz")
        assert isinstance(error, MalformedTable)
        assert str(error) == "arguments: unknown field type b'z' at offset 15"

    def test_a_name_that_is_not_utf8_is_told_apart(self) -> None:
        error = read_error(ids(50, 10) + b"\0\0\1\xff\0\0\0\0\0")
        assert isinstance(error, MalformedShortString)
        assert str(error) == "Malformed UTF-8 in shortstr"

    def test_the_leftmost_fault_inside_arguments_is_told(self) -> None:
        name_then_table = ids(50, 10) + b"\0\0\1\xff\0\0\0\0\3\1kz"
        table_then_name = ids(10, 11) + b"\0\0\0\3\1kz\1\xff\0\0\0\0\0"
        assert isinstance(read_error(name_then_table), MalformedShortString)
        assert isinstance(read_error(table_then_name), MalformedTable)

    def test_lengths_come_before_what_is_inside(self) -> None:
        assert isinstance(read_error(ids(50, 10) + b"\0\0\1\xff\0\0\0\0\0z"), MalformedMethod)

    @pytest.mark.parametrize("name", sorted(WITH_CONTENT))
    def test_names_of_methods_with_content_may_be_any_bytes(self, name: str) -> None:
        command = BY_NAME[name]
        values = {"bit": True, "short": 1, "long": 1, "longlong": 1, "shortstr": "\udcff"}
        sent = filled(command, {name: values[command.amqp_type(name)] for name in command.attributes()})
        assert dict(methods.decode_method(methods.encode_method(sent))) == dict(sent)

    @pytest.mark.parametrize("name", sorted(set(BY_NAME) - WITH_CONTENT))
    def test_names_of_other_methods_may_not(self, name: str) -> None:
        command = BY_NAME[name]
        values = dict.fromkeys(["bit", "octet", "short", "long", "longlong"], 0) | {
            "longstr": "",
            "table": {},
        }
        for bad in command.attributes():
            if command.amqp_type(bad) == "shortstr":
                arguments = {
                    other: values.get(command.amqp_type(other), "") for other in command.attributes()
                }
                payload = methods.encode_method(filled(command, arguments | {bad: "\udcff"}))
                assert isinstance(read_error(payload), MalformedShortString)


class TestUtf8:
    @moderate
    @given(st.text(max_size=10))
    def test_text_is_utf8(self, text: str) -> None:
        assert methods.is_utf8(text.encode())

    # Each was asked of RabbitMQ 3.10.8, as the name of a queue.
    @pytest.mark.parametrize("data", [b"", b"\0", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf"])
    def test_surrogates_and_great_numbers_pass(self, data: bytes) -> None:
        assert methods.is_utf8(data)

    @pytest.mark.parametrize(
        "data",
        [
            b"\x80",
            b"\xbf",
            b"\xc3",
            b"\xc3A",
            b"\xc3\xc0",
            b"\xe3\x80",
            b"\xe3\x80A",
            b"\xc0\x80",
            b"\xc1\xbf",
            b"\xe0\x9f\xbf",
            b"\xf0\x8f\xbf\xbf",
            b"\xf8\x88\x80\x80\x80",
            b"\xfe",
            b"\xff",
        ],
    )
    def test_broken_sequences_overlong_ones_and_other_octets_do_not(self, data: bytes) -> None:
        assert not methods.is_utf8(data)
        assert not methods.is_utf8(b"a" + data)


class TestWhatCannotBeWritten:
    def test_a_short_string_has_at_most_255_bytes(self) -> None:
        sent = methods.decode_method(ids(60, 21) + b"\0")
        sent.consumer_tag = "é" * 127 + "x"  # type: ignore[attr-defined]
        assert len(methods.encode_method(sent)) == 4 + 1 + 255
        sent.consumer_tag = "é" * 128  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match=r"consumer_tag of Basic\.ConsumeOk has 256 bytes"):
            methods.encode_method(sent)

    @pytest.mark.parametrize(
        ("command", "values"),
        [
            (commands.Queue.PurgeOk, {"message_count": 2**32}),
            (commands.Queue.PurgeOk, {"message_count": -1}),
            (commands.Queue.PurgeOk, {"message_count": "1"}),
            (commands.Queue.PurgeOk, {"message_count": None}),
            (commands.Basic.ConsumeOk, {"consumer_tag": None}),
            (commands.Basic.ConsumeOk, {"consumer_tag": b"bytes"}),
            (commands.Basic.ConsumeOk, {"consumer_tag": "\ud800"}),
            (commands.Connection.Secure, {"challenge": None}),
            (commands.Channel.OpenOk, {"channel_id": 1}),
        ],
    )
    def test_a_value_that_does_not_fit_its_argument_is_refused(
        self, command: type[Frame], values: dict[str, object]
    ) -> None:
        with pytest.raises(ValueError):
            methods.encode_method(filled(command, values))
