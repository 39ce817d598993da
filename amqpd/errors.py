"""Errors that carry their AMQP reply code; the code decides what they close (1.5, RabbitMQ's scopes)."""

from __future__ import annotations

from typing import ClassVar

REPLY_TEXT_MAX_BYTES = 255


class AmqpError(Exception):
    """A protocol error, raised wherever it is noticed and answered in `protocol/closing.py` only."""

    reply_code: ClassVar[int] = 541
    reply_name: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, explanation: str = "") -> None:
        super().__init__(explanation)
        self.explanation = explanation

    def reply_text(self) -> str:
        """`NAME - explanation`, cut to what fits a shortstr: 252 bytes and `...` (RabbitMQ 3.10, observed).

        A client's bytes that are no UTF-8 stand in it as they came, escaped as surrogates.
        """
        if not self.explanation:
            return self.reply_name
        text = f"{self.reply_name} - {self.explanation}"
        encoded = text.encode(errors="surrogateescape")
        if len(encoded) <= REPLY_TEXT_MAX_BYTES:
            return text
        return encoded[: REPLY_TEXT_MAX_BYTES - 3].decode(errors="ignore") + "..."


class SoftError(AmqpError):
    """Closes the channel."""


class HardError(AmqpError):
    """Closes the connection."""


class AccessRefused(SoftError):
    """The user may not do this, or nobody may."""

    reply_code = 403
    reply_name = "ACCESS_REFUSED"


class NotFound(SoftError):
    """The queue or exchange does not exist."""

    reply_code = 404
    reply_name = "NOT_FOUND"


class ResourceLocked(SoftError):
    """The queue is exclusive to another connection."""

    reply_code = 405
    reply_name = "RESOURCE_LOCKED"


class PreconditionFailed(SoftError):
    """What was asked does not fit what is there."""

    reply_code = 406
    reply_name = "PRECONDITION_FAILED"


class ResourceError(SoftError):
    """The broker lacks what it needs for this, such as a disk that takes what is written."""

    reply_code = 506
    reply_name = "RESOURCE_ERROR"


class ConnectionForced(HardError):
    """An operator, or the broker's end, closes the connection."""

    reply_code = 320
    reply_name = "CONNECTION_FORCED"


class FrameError(HardError):
    """Bytes that are no frame, or a method that can't be decoded."""

    reply_code = 501
    reply_name = "FRAME_ERROR"


class CommandInvalid(HardError):
    """A method that a client may not send, or not here."""

    reply_code = 503
    reply_name = "COMMAND_INVALID"


class ChannelError(HardError):
    """A method on a channel, or in a connection state, that is not ready for it."""

    reply_code = 504
    reply_name = "CHANNEL_ERROR"


class UnexpectedFrame(HardError):
    """A frame of the wrong kind at this point of a message."""

    reply_code = 505
    reply_name = "UNEXPECTED_FRAME"


class NotAllowed(HardError):
    """A limit or an access rule of the connection."""

    reply_code = 530
    reply_name = "NOT_ALLOWED"


class NotImplementedByBroker(HardError):
    """A feature of AMQP that RabbitMQ refuses, and so does amqpd."""

    reply_code = 540
    reply_name = "NOT_IMPLEMENTED"


class InternalError(HardError):
    """What RabbitMQ answers when input made it crash: the bare name, without explanation."""
