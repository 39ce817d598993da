"""Queue and exchange names that no other test uses, removed at the end of the test."""

import contextlib
import uuid
from types import TracebackType

import pika
from pika.exceptions import ChannelClosedByBroker

from interop.broker import Broker


class Names:
    """Call it with a label for a name of its own; leaving the block deletes what has such a name."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.prefix = f"interop.{uuid.uuid4().hex[:12]}"
        self._given: list[str] = []

    def __call__(self, label: str) -> str:
        """Return a name unique to this test that ends in label."""
        return self.also_remove(f"{self.prefix}.{label}")

    def also_remove(self, name: str) -> str:
        """Delete this queue or exchange too; for clients that make up names around ours."""
        self._given.append(name)
        return name

    def __enter__(self) -> "Names":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._given:
            return
        with pika.BlockingConnection(pika.URLParameters(self._broker.url)) as connection:
            for name in self._given:
                # A queue still exclusive to another connection is refused, and goes with that connection.
                with contextlib.suppress(ChannelClosedByBroker):
                    connection.channel().queue_delete(name)
                connection.channel().exchange_delete(name)
