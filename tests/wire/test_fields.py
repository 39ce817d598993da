"""Field tables: every type of RabbitMQ's, any bytes, and pamqp as the judge where it has an opinion."""

import datetime
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import decode, encode

from amqpd.wire import fields
from amqpd.wire.fields import Field, MalformedField, Table

moderate = settings(max_examples=60, deadline=None)


def integers(bits: int, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def finite(width: int) -> st.SearchStrategy[float]:
    return st.floats(width=width, allow_nan=False, allow_infinity=False)  # type: ignore[arg-type]


texts = st.binary(max_size=12).map(fields.text_of) | st.text(max_size=12)

SCALARS = {
    "t": st.booleans(),
    "b": integers(8, True),
    "B": integers(8, False),
    "s": integers(16, True),
    "u": integers(16, False),
    "I": integers(32, True),
    "i": integers(32, False),
    "l": integers(64, True),
    "L": integers(64, True),
    "f": finite(32),
    "d": finite(64),
    "D": st.tuples(integers(8, False), integers(32, False)),
    "S": texts,
    "T": integers(64, False),
    "V": st.none(),
    "x": st.binary(max_size=12),
}


def typed(tag: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[Field]:
    return values.map(lambda value: Field(tag, value))


any_scalar = st.one_of([typed(tag, values) for tag, values in SCALARS.items()])
any_field = st.recursive(
    any_scalar,
    lambda inner: (
        typed("A", st.lists(inner, max_size=4)) | typed("F", st.dictionaries(texts, inner, max_size=4))
    ),
    max_leaves=8,
)
tables = st.dictionaries(texts, any_field, max_size=5)


def read(contents: bytes) -> Table:
    return fields.decode_table(contents, 0, len(contents))


def contents_of(table: Table) -> bytes:
    return fields.encode_table(table)[4:]


def outcome(contents: bytes) -> str | None:
    """The text of the error that reading raises, None if it succeeds."""
    try:
        read(contents)
    except MalformedField as error:
        return str(error)
    return None


def check_outcome(contents: bytes) -> str | None:
    try:
        fields.check_table(contents, 0, len(contents))
    except MalformedField as error:
        return str(error)
    return None


def in_arrays(depth: int) -> bytes:
    """The contents of a table whose one value is an empty array in `depth - 1` arrays."""
    value = b""
    for _ in range(depth):
        value = b"A" + len(value).to_bytes(4, "big") + value
    return b"\1k" + value


class TestRoundTrips:
    @moderate
    @given(tables)
    def test_a_table_comes_back_with_its_types(self, table: Table) -> None:
        data = fields.encode_table(table)
        assert fields.decode_table_at(data, 0, len(data)) == (table, len(data))

    @moderate
    @given(tables)
    def test_a_table_is_written_back_byte_for_byte(self, table: Table) -> None:
        data = contents_of(table)
        assert contents_of(read(data)) == data

    @moderate
    @given(tables, st.binary(max_size=5), st.binary(max_size=5))
    def test_a_table_is_read_in_place(self, table: Table, before: bytes, after: bytes) -> None:
        data = before + fields.encode_table(table) + after
        end = len(data) - len(after)
        assert fields.decode_table_at(data, len(before), len(data)) == (table, end)
        assert fields.decode_table(data, len(before) + 4, end) == table

    @pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308])
    def test_a_double_keeps_its_bits(self, value: float) -> None:
        field = read(contents_of({"k": Field("d", value)}))["k"]
        assert struct.pack(">d", field.value) == struct.pack(">d", value)

    @pytest.mark.parametrize("data", [b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"\0", b"\xf7\xbf\xbf\xbf"])
    def test_text_and_keys_that_are_not_utf8_come_back_unchanged(self, data: bytes) -> None:
        contents = bytes([len(data)]) + data + b"S" + len(data).to_bytes(4, "big") + data
        assert contents_of(read(contents)) == contents

    def test_any_octet_but_zero_is_true(self) -> None:
        assert read(b"\1at\x02\1bt\x00") == {"a": Field("t", True), "b": Field("t", False)}

    def test_the_first_of_equal_keys_wins(self) -> None:
        assert read(b"\1kI\0\0\0\1\1kI\0\0\0\2") == {"k": Field("I", 1)}

    def test_every_type_has_a_name_and_is_covered_here(self) -> None:
        assert set(fields.TYPE_NAMES) == set(SCALARS) | {"A", "F"}
        assert {tag for tag in SCALARS if tag in "bBsuIilL"} == fields.INTEGER_TYPES


class TestJudgedByPamqp:
    keys = st.text(max_size=20)
    values = st.recursive(
        st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | finite(32)
        | st.text(max_size=20)
        | st.binary(max_size=20)
        | st.none(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
        max_leaves=8,
    )

    def as_pamqp(self, value: object) -> object:
        """pamqp writes a bytearray where a byte array is wanted."""
        if isinstance(value, bytes):
            return bytearray(value)
        if isinstance(value, list):
            return [self.as_pamqp(item) for item in value]
        if isinstance(value, dict):
            return {key: self.as_pamqp(item) for key, item in value.items()}
        return value

    @moderate
    @given(st.dictionaries(keys, values, max_size=5))
    def test_what_pamqp_writes_is_read(self, table: dict[str, object]) -> None:
        data = encode.field_table(self.as_pamqp(table))  # type: ignore[arg-type]
        ours, end = fields.decode_table_at(data, 0, len(data))
        assert (fields.plain_table(ours), end) == (table, len(data))

    @moderate
    @given(st.dictionaries(keys, values, max_size=5))
    def test_pamqp_reads_what_is_written(self, table: dict[str, object]) -> None:
        data = fields.encode_table(fields.table_of(table))
        assert decode.field_table(data) == (len(data), table)

    @moderate
    @given(st.sampled_from("tbBsuIilLfdxV").flatmap(lambda tag: typed(tag, SCALARS[tag])))
    def test_every_type_means_to_pamqp_what_it_means_here(self, field: Field) -> None:
        data = fields.encode_table({"k": field})
        assert decode.field_table(data) == (len(data), {"k": field.value})

    @moderate
    @given(st.integers(0, 2**32 - 1))
    def test_a_timestamp_is_in_seconds(self, seconds: int) -> None:
        data = encode.field_table({"k": datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)})
        assert read(data[4:]) == {"k": Field("T", seconds)}


class TestMalformedTables:
    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60))
    def test_any_bytes_give_a_table_or_malformed_field(self, contents: bytes) -> None:
        assert outcome(contents) == check_outcome(contents)

    @settings(max_examples=200, deadline=None)
    @given(tables, st.data())
    def test_a_spoiled_table_gives_a_table_or_malformed_field(
        self, table: Table, data: st.DataObject
    ) -> None:
        contents = bytearray(contents_of(table) or b"\1kV")
        contents[data.draw(st.integers(0, len(contents) - 1))] = data.draw(st.integers(0, 255))
        assert outcome(bytes(contents)) == check_outcome(bytes(contents))

    @moderate
    @given(tables.filter(bool))
    def test_a_table_cut_anywhere_is_malformed(self, table: Table) -> None:
        data = fields.encode_table(table)
        for size in range(len(data)):
            with pytest.raises(MalformedField):
                fields.decode_table_at(data[:size], 0, size)

    @moderate
    @given(any_field)
    def test_a_value_cut_anywhere_is_malformed(self, field: Field) -> None:
        contents = contents_of({"k": field})
        for size in range(1, len(contents)):
            assert outcome(contents[:size]) is not None
            assert outcome(contents[:size]) == check_outcome(contents[:size])

    @pytest.mark.parametrize(
        ("tag", "size"), [*zip("tbBsuIilLfdDT", [1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 5, 8], strict=True)]
    )
    def test_a_number_cut_by_the_end_of_its_table_or_of_the_data_is_malformed(
        self, tag: str, size: int
    ) -> None:
        contents = b"\1k" + tag.encode() + b"\0" * size
        assert outcome(contents) is None
        for end in range(2, len(contents)):
            assert outcome(contents[:end]) is not None
            assert check_outcome(contents[:end]) == outcome(contents[:end])
            with pytest.raises(MalformedField):
                fields.check_table(contents, 0, end)
            with pytest.raises(MalformedField):
                fields.decode_table(contents, 0, end)

    @pytest.mark.parametrize("length", [2**31 - 9, 2**31 - 1, 2**31, 2**32 - 9, 2**32 - 5, 2**32 - 1])
    @pytest.mark.parametrize("tag", ["S", "x", "A", "F"])
    def test_a_length_of_gigabytes_is_malformed(self, tag: str, length: int) -> None:
        contents = b"\1k" + tag.encode() + length.to_bytes(4, "big") + b"abcd"
        assert outcome(contents) == f"value of type '{tag}' at offset 2 ends after its table"
        assert check_outcome(contents) == outcome(contents)

    @pytest.mark.parametrize("length", [1, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1])
    def test_a_table_longer_than_its_data_is_malformed(self, length: int) -> None:
        with pytest.raises(MalformedField, match="table at offset 0 ends after its data"):
            fields.decode_table_at(length.to_bytes(4, "big"), 0, 4)

    @pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 4), (2, 1), (4, 4), (2**40, 2**40)])
    def test_a_range_outside_the_data_is_malformed(self, start: int, end: int) -> None:
        for reader in (fields.check_table, fields.decode_table, fields.decode_table_at):
            with pytest.raises(MalformedField):
                reader(b"\1kV", start, end)

    def test_an_unknown_type_is_named_with_its_offset(self) -> None:
        assert outcome(b"\1aV\1kz") == "unknown field type b'z' at offset 5"

    @pytest.mark.parametrize("tag", [tag for tag in range(256) if chr(tag) not in fields.TYPE_NAMES])
    def test_other_tags_are_unknown(self, tag: int) -> None:
        contents = b"\1k" + bytes([tag]) + b"\0" * 9
        assert "unknown field type" in (outcome(contents) or "")
        assert check_outcome(contents) == outcome(contents)

    @pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
    @pytest.mark.parametrize("tag", ["f", "d"])
    def test_a_float_that_is_no_finite_number_is_malformed(self, tag: str, text: str) -> None:
        contents = b"\1k" + tag.encode() + struct.pack(f">{tag}", float(text))
        assert "is not a finite number" in (outcome(contents) or "")
        assert check_outcome(contents) == outcome(contents)
        with pytest.raises(MalformedField):
            fields.encode_table({"k": Field(tag, float(text))})

    def test_nesting_is_limited(self) -> None:
        assert outcome(in_arrays(fields.MAX_DEPTH)) is None
        assert "inside each other" in (outcome(in_arrays(fields.MAX_DEPTH + 1)) or "")

    @pytest.mark.parametrize("depth", [fields.MAX_DEPTH, fields.MAX_DEPTH + 1, 20_000])
    def test_checking_limits_nesting_as_reading_does(self, depth: int) -> None:
        contents = in_arrays(depth)
        assert check_outcome(contents) == outcome(contents)


class TestWhatCannotBeWritten:
    @pytest.mark.parametrize(
        "field",
        [
            Field("b", 128),
            Field("B", -1),
            Field("s", 2**15),
            Field("u", 2**16),
            Field("I", 2**31),
            Field("i", 2**32),
            Field("l", 2**63),
            Field("T", -1),
            Field("I", "1"),
            Field("f", 1e39),
            Field("d", "1"),
            Field("d", 10**400),
            Field("D", 1),
            Field("D", (256, 0)),
            Field("D", (0, 2**32)),
            Field("S", b"bytes"),
            Field("S", "\ud800"),
            Field("x", "text"),
            Field("F", []),
            Field("A", {}),
            Field("z", 1),
            Field("", None),
        ],
    )
    def test_a_value_that_does_not_fit_its_type_is_malformed(self, field: Field) -> None:
        with pytest.raises(MalformedField):
            fields.encode_table({"k": field})

    def test_a_key_has_at_most_255_bytes(self) -> None:
        assert len(fields.encode_table({"é" * 127 + "k": Field("V", None)})) == 4 + 1 + 255 + 1
        with pytest.raises(MalformedField, match="more than 255 bytes"):
            fields.encode_table({"é" * 128: Field("V", None)})

    @pytest.mark.parametrize("tag", ["A", "F"])
    def test_nesting_without_end_is_malformed(self, tag: str) -> None:
        array: list[Field] = []
        table: Table = {}
        field = Field(tag, array if tag == "A" else table)
        array.append(field)
        table["k"] = field
        with pytest.raises(MalformedField, match="inside each other"):
            fields.encode_table({"k": field})


class TestPlainValues:
    @pytest.mark.parametrize(
        ("value", "field"),
        [
            (True, Field("t", True)),
            (0, Field("I", 0)),
            (2**31 - 1, Field("I", 2**31 - 1)),
            (2**31, Field("l", 2**31)),
            (-(2**31), Field("I", -(2**31))),
            (-(2**31) - 1, Field("l", -(2**31) - 1)),
            ("a", Field("S", "a")),
            (b"a", Field("x", b"a")),
            (1.5, Field("d", 1.5)),
            (None, Field("V", None)),
            ([1, "a"], Field("A", [Field("I", 1), Field("S", "a")])),
            ({"k": 1}, Field("F", {"k": Field("I", 1)})),
        ],
    )
    def test_a_plain_value_has_a_field_and_comes_back(self, value: object, field: Field) -> None:
        assert fields.field_of(value) == field
        assert fields.plain(field) == value

    def test_a_field_stays_what_it_is(self) -> None:
        assert fields.table_of({"k": Field("T", 1)}) == {"k": Field("T", 1)}

    def test_an_integer_beyond_64_bits_is_malformed(self) -> None:
        with pytest.raises(MalformedField):
            fields.field_of(2**63)

    def test_other_objects_have_no_field_type(self) -> None:
        with pytest.raises(TypeError, match="object has no field type"):
            fields.field_of(object())

    def test_a_list_inside_itself_is_malformed(self) -> None:
        values: list[object] = []
        values.append(values)
        with pytest.raises(MalformedField, match="inside each other"):
            fields.field_of(values)


# Each pair was bound and published on RabbitMQ 3.10.8.
EQUIVALENT = [
    *[(Field("I", 1), Field(tag, 1)) for tag in "bBsuilLT"],
    (Field("I", 1), Field("f", 1.0)),
    (Field("T", 1), Field("d", 1.0)),
    (Field("d", 0.0), Field("d", -0.0)),
    (Field("S", "1"), Field("x", b"1")),
    (Field("S", "\udcff"), Field("x", b"\xff")),
    (Field("D", (1, 10)), Field("D", (1, 10))),
    (Field("F", {}), Field("A", [])),
    (Field("A", [Field("l", 1)]), Field("A", [Field("L", 1)])),
    (Field("V", None), Field("V", None)),
]
DIFFERENT = [
    (Field("I", 1), Field("I", 2)),
    (Field("I", 1), Field("S", "1")),
    (Field("I", 1), Field("t", True)),
    (Field("I", 0), Field("t", False)),
    (Field("I", 0), Field("V", None)),
    (Field("I", 1), Field("D", (0, 1))),
    (Field("D", (0, 1)), Field("D", (1, 10))),
    (Field("S", "true"), Field("t", True)),
    (Field("S", ""), Field("A", [])),
    (Field("l", 2**53 + 1), Field("d", float(2**53))),
    (Field("A", [Field("I", 1)]), Field("A", [Field("l", 1)])),
    (Field("A", [Field("S", "a")]), Field("A", [Field("x", b"a")])),
    (Field("A", [Field("I", 1)]), Field("A", [Field("I", 1), Field("I", 2)])),
    (Field("F", {"a": Field("I", 1)}), Field("F", {"a": Field("l", 1)})),
    (
        Field("F", {"a": Field("I", 1), "b": Field("I", 2)}),
        Field("F", {"b": Field("I", 2), "a": Field("I", 1)}),
    ),
]


class TestComparing:
    def test_fields_of_different_types_are_different_fields(self) -> None:
        assert Field("I", 1) == Field("I", 1)
        assert Field("I", 1) != Field("l", 1)
        assert Field("I", 1) != 1

    @moderate
    @given(any_field)
    def test_equal_fields_have_equal_hashes(self, field: Field) -> None:
        again = read(contents_of({"k": field}))["k"]
        assert (again, hash(again)) == (field, hash(field))

    def test_a_field_shows_its_type_and_value(self) -> None:
        assert repr(Field("S", "a")) == "Field('S', 'a')"

    @pytest.mark.parametrize(("one", "other"), EQUIVALENT)
    def test_a_headers_exchange_takes_these_for_equal(self, one: Field, other: Field) -> None:
        assert fields.equivalent(one, other)
        assert fields.equivalent(other, one)

    @pytest.mark.parametrize(("one", "other"), DIFFERENT)
    def test_a_headers_exchange_takes_these_for_different(self, one: Field, other: Field) -> None:
        assert not fields.equivalent(one, other)
        assert not fields.equivalent(other, one)

    def test_a_redeclared_integer_may_change_its_width_but_not_become_a_float(self) -> None:
        assert fields.same_argument(Field("I", 5), Field("l", 5))
        assert fields.same_argument(Field("I", 5), Field("T", 5))
        assert fields.same_argument(Field("S", "abc"), Field("x", b"abc"))
        assert fields.same_argument(Field("f", 5.0), Field("d", 5.0))
        assert not fields.same_argument(Field("I", 5), Field("d", 5.0))
        assert not fields.same_argument(Field("I", 5), Field("I", 6))
