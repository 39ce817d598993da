"""Frames: control methods by pamqp, the few that are sent or received by the thousand by hand."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pamqp.base
import pamqp.commands
import pamqp.frame

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, CONTENT_HEADER, CONTENT_BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_OVERHEAD_BYTES = 8

BASIC_PUBLISH, BASIC_RETURN, BASIC_DELIVER = 60 << 16 | 40, 60 << 16 | 50, 60 << 16 | 60
BASIC_GET_OK, BASIC_GET_EMPTY = 60 << 16 | 71, 60 << 16 | 72
BASIC_ACK, BASIC_REJECT, BASIC_NACK = 60 << 16 | 80, 60 << 16 | 90, 60 << 16 | 120
WITH_CONTENT = (BASIC_RETURN, BASIC_DELIVER, BASIC_GET_OK)

MULTIPLE, REQUEUE = 1, 2  # bits of basic.nack

_FRAME = struct.Struct(">BHI")
_METHOD_TAG_BITS = struct.Struct(">BHIIQBB")
_HEADER = struct.Struct(">BHIHHQ")


class Delivery(NamedTuple):
    """basic.deliver or basic.get-ok with its content; `properties` with their flags, as they came."""

    delivery_tag: int
    redelivered: bool
    consumer_tag: str
    routing_key: str
    properties: bytes
    body: bytes


def method(channel: int, value: pamqp.base.Frame) -> bytes:
    """A frame with any method."""
    return pamqp.frame.marshal(value, channel)


def decode(payload: bytes) -> pamqp.base.Frame:
    """The method in the payload of a method frame."""
    value: pamqp.base.Frame = pamqp.commands.INDEX_MAPPING[int.from_bytes(payload[:4], "big")]()
    value.unmarshal(payload[4:])
    return value


def settle(channel: int, index: int, delivery_tag: int, bits: int = 0) -> bytes:
    """basic.ack, basic.nack or basic.reject (whose requeue bit is the lowest)."""
    return _METHOD_TAG_BITS.pack(METHOD, channel, 13, index, delivery_tag, bits, 0xCE)


def publish_method(channel: int, exchange: str, routing_key: str) -> bytes:
    """basic.publish, without its content."""
    names = _short(exchange) + _short(routing_key)
    payload = struct.pack(">IH", BASIC_PUBLISH, 0) + names + b"\x00"
    return _FRAME.pack(METHOD, channel, len(payload)) + payload + b"\xce"


def content(channel: int, properties: bytes, body: bytes, frame_max_bytes: int) -> list[bytes]:
    """Header and body frames."""
    pieces = [
        _HEADER.pack(CONTENT_HEADER, channel, 12 + len(properties), 60, 0, len(body)),
        properties,
        b"\xce",
    ]
    largest = frame_max_bytes - FRAME_OVERHEAD_BYTES
    for start in range(0, len(body), largest):
        piece = body[start : start + largest]
        pieces += (_FRAME.pack(CONTENT_BODY, channel, len(piece)), piece, b"\xce")
    return pieces


def names_of_content(index: int, payload: bytes) -> tuple[int, bool, str, str]:
    """Delivery tag, redelivered, consumer tag, routing key of basic.deliver and basic.get-ok."""
    position, consumer_tag = 4, ""
    if index == BASIC_RETURN:
        return 0, False, "", ""
    if index == BASIC_DELIVER:
        consumer_tag, position = _short_at(payload, position)
    delivery_tag, redelivered = struct.unpack_from(">QB", payload, position)
    _, position = _short_at(payload, position + 9)
    routing_key, _ = _short_at(payload, position)
    return delivery_tag, bool(redelivered), consumer_tag, routing_key


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


def _short_at(payload: bytes, position: int) -> tuple[str, int]:
    end = position + 1 + payload[position]
    return payload[position + 1 : end].decode(), end
