"""What can be done to the broker as a whole: the shell does it, the API and its clients only ask."""

from __future__ import annotations

from typing import Protocol


class CannotDo(Exception):
    """What was asked of the node can't be done now; the text says why."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Node(Protocol):
    """The program around the broker, as those see it who administrate it. Every method may raise CannotDo."""

    @property
    def is_running(self) -> bool:
        """Whether AMQP is served, as far as `stop_app` has to do with it."""

    @property
    def is_drained(self) -> bool:
        """Whether the node is under maintenance."""

    @property
    def process_id(self) -> int:
        """The operating system's number of it."""

    def stop(self) -> None:
        """End the program, soon."""

    async def stop_app(self) -> None:
        """Close listeners and connections of AMQP; the API goes on."""

    async def start_app(self) -> None:
        """Serve AMQP again."""

    async def reset(self) -> None:
        """Forget everything, and be as a new node; only when AMQP is not served."""

    async def drain(self) -> None:
        """Let no clients in, and close the connections of those that are."""

    async def revive(self) -> None:
        """Let clients in again."""

    async def suspend_listeners(self) -> None:
        """Let no more clients in; those that are connected stay."""

    async def resume_listeners(self) -> None:
        """Let clients in again."""

    def set_memory_limit(self, *, size_bytes: int | None = None, fraction: float | None = None) -> None:
        """Hold publishers back above this size, or this part of the machine's memory."""

    def set_disk_free_limit(self, *, size_bytes: int | None = None, fraction: float | None = None) -> None:
        """Hold publishers back when less than this size, or this multiple of the machine's memory, is free."""

    def set_log_level(self, level: str) -> None:
        """Log what is at least so important."""

    def rotate_logs(self) -> None:
        """Go on in new log files, where there are any."""

    def environment(self) -> dict[str, object]:
        """The settings by their keys; those that nobody may see are hidden."""
