"""A whole broker in memory: what its clients send is worked through when they send it."""

from __future__ import annotations

from amqpd.app import make_broker
from amqpd.auth.users import Users, default_users
from amqpd.broker.broker import Broker
from amqpd.events import DEFAULT, Events
from amqpd.protocol.parameters import Parameters
from amqpd.testing.clock import FakeClock
from amqpd.testing.peer import Peer


class RecordedEvents(Events):
    """Keeps what the core tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, object]]] = []
        """Level, sentence and fields of each event."""
        self.categories: list[str] = []
        """What each event is about."""

    def tell(self, level: str, sentence: str, fields: dict[str, object], category: str = DEFAULT) -> None:
        """Take one event."""
        self.told.append((level, sentence, fields))
        self.categories.append(category)

    def sentences(self) -> list[str]:
        """The sentences alone."""
        return [sentence for _level, sentence, _fields in self.told]


class MemoryBroker:
    """A broker with the user guest and the vhost "/", a fake clock, and as many peers as a test wants."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.clock = FakeClock()
        self.events = RecordedEvents()
        self.users: Users = default_users()
        self.parameters = parameters or Parameters()
        self.peers: list[Peer] = []
        """Every peer there ever was."""
        self.broker = self.make_broker()
        self.clock.drive(self.broker.timers)

    def make_broker(self) -> Broker:
        """The broker itself; called once."""
        return make_broker(self.clock, self.events)

    def settle(self) -> None:
        """What a peer has sent is worked through."""

    def advance(self, seconds: float) -> None:
        """Let this much time pass, and run all that falls due."""
        self.clock.advance(seconds)

    def peer(self, *, is_loopback: bool = True, external_name: str | None = None) -> Peer:
        """A client that has connected and said nothing yet."""
        peer = Peer(
            self.broker,
            self.users,
            self.parameters,
            name=f"memory:{len(self.peers) + 1} -> memory:0",
            is_loopback=is_loopback,
            external_name=external_name,
            after_sending=self.settle,
        )
        self.peers.append(peer)
        return peer

    def connect(self, *, channels: int = 1) -> Peer:
        """A client that is through the handshake and has opened channels 1, 2, and so on."""
        peer = self.peer().open()
        for channel_id in range(1, channels + 1):
            peer.open_channel(channel_id)
        return peer
