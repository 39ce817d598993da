"""Resources that run short: publishers are held back until there is enough again, consumers never."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import mypyc_attr

MEMORY: Final = "memory"
DISK: Final = "disk"


@mypyc_attr(allow_interpreted_subclasses=True)
class Blocked:
    """Whoever is held back by an alarm."""

    def unblock(self) -> None:
        """The last alarm was cleared."""
        raise NotImplementedError


@final
class Alarms:
    """The alarms that are raised now, and who waits for their end."""

    def __init__(self) -> None:
        self.active = False
        """Whether any alarm is raised; asked for every publish."""
        self._raised: dict[str, None] = {}
        self._blocked: dict[Blocked, None] = {}

    def raise_alarm(self, resource: str) -> None:
        """`resource`, MEMORY or DISK, runs short."""
        self._raised[resource] = None
        self.active = True

    def clear_alarm(self, resource: str) -> None:
        """There is enough of it again; when that was the last alarm, everybody goes on."""
        self._raised.pop(resource, None)
        if self._raised or not self.active:
            return
        self.active = False
        blocked = self._blocked
        self._blocked = {}
        for waiting in blocked:
            waiting.unblock()

    def is_raised(self, resource: str) -> bool:
        """Whether this resource runs short."""
        return resource in self._raised

    def add_blocked(self, waiting: Blocked) -> None:
        """Call `unblock` when the last alarm is cleared."""
        self._blocked[waiting] = None

    def remove_blocked(self, waiting: Blocked) -> None:
        """It waits no more."""
        self._blocked.pop(waiting, None)

    def reason(self) -> str:
        """What connection.blocked says: `low on memory`, `low on disk` or `low on memory & disk`."""
        return "low on " + " & ".join([resource for resource in (MEMORY, DISK) if resource in self._raised])
