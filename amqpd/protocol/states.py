"""The states of connections and channels, and which methods move a connection from one to the next.

Numbers, not an Enum: the state is asked for every frame, and compiled code compares integers fastest.
"""

from __future__ import annotations

from typing import Final

# A connection (2.2.4)
AWAITING_HEADER: Final = 0  # the protocol header has not arrived
STARTING: Final = 1  # we sent connection.start
SECURING: Final = 2  # we sent connection.secure
TUNING: Final = 3  # we sent connection.tune
OPENING: Final = 4  # tuned; connection.open must follow
OPEN: Final = 5  # channels may be used
CLOSING: Final = 6  # we sent connection.close; all but close and close-ok is ignored
CLOSED: Final = 7  # the client's close was answered, or nothing more is to be said

# A channel (2.2.5)
CHANNEL_OPEN: Final = 10  # methods are accepted
CHANNEL_HEADER: Final = 11  # a basic.publish was read; its content header must follow
CHANNEL_BODY: Final = 12  # a content header was read; body frames must follow
CHANNEL_CLOSING: Final = 13  # we sent channel.close; all but close and close-ok is ignored

START_OK: Final = 0x000A000B
SECURE_OK: Final = 0x000A0015
TUNE_OK: Final = 0x000A001F
CONNECTION_OPEN: Final = 0x000A0028
CONNECTION_CLOSE: Final = 0x000A0032
CONNECTION_CLOSE_OK: Final = 0x000A0033
UPDATE_SECRET: Final = 0x000A0046
CHANNEL_OPEN_METHOD: Final = 0x0014000A
CHANNEL_CLOSE: Final = 0x00140028
CHANNEL_CLOSE_OK: Final = 0x00140029
BASIC_PUBLISH: Final = 0x003C0028
BASIC_ACK: Final = 0x003C0050
BASIC_REJECT: Final = 0x003C005A
BASIC_NACK: Final = 0x003C0078

EXPECTED: Final = {
    STARTING: frozenset((START_OK,)),
    SECURING: frozenset((SECURE_OK,)),
    TUNING: frozenset((TUNE_OK,)),
    OPENING: frozenset((CONNECTION_OPEN,)),
    OPEN: frozenset((UPDATE_SECRET,)),
    CLOSING: frozenset((CONNECTION_CLOSE, CONNECTION_CLOSE_OK)),
}
"""The methods of class connection that each state accepts, besides connection.close when it is OPEN."""
