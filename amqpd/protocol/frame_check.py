"""What RabbitMQ asks of a frame before it looks at the channel's state (RabbitMQ 3.10, observed)."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from amqpd.errors import FrameError
from amqpd.wire import terms
from amqpd.wire.frames import FRAME_HEADER, FRAME_METHOD, FrameReader
from amqpd.wire.methods import check_method_id

METHOD_MIN: Final = 4
CONTENT_HEADER_MIN: Final = 12


def check_frame(reader: FrameReader) -> None:
    """Raise FrameError (501) for a method or header that is cut, UnknownMethod for a method that AMQP has not.

    For frames that come at a wrong moment; of those that are expected, whoever reads them finds out.
    """
    size: i64 = reader.payload_end - reader.payload_start
    is_method = reader.type == FRAME_METHOD
    if (is_method and size < METHOD_MIN) or (reader.type == FRAME_HEADER and size < CONTENT_HEADER_MIN):
        raise FrameError(f"{terms.frame_octets(reader.type, reader.payload())}: unknown_frame")
    if is_method:
        check_method_id(reader.payload())
