"""The connections that are open: who they are, and how somebody else can end them."""

from __future__ import annotations

from typing import final

from mypy_extensions import trait


@trait
class OpenConnection:
    """A connection that has entered a virtual host, as those know it who want to list or to close it."""

    def connection_name(self) -> str:
        """`127.0.0.1:43580 -> 127.0.0.1:5672`: no other open connection has it."""
        raise NotImplementedError

    def vhost_name(self) -> str:
        """The virtual host it has entered."""
        raise NotImplementedError

    def user_name(self) -> str:
        """Who has logged in."""
        raise NotImplementedError

    def close_for(self, reason: str) -> None:
        """Close it: the client gets 320 `CONNECTION_FORCED - reason`."""
        raise NotImplementedError


@final
class OpenConnections:
    """All of them, in the order in which they were opened."""

    def __init__(self) -> None:
        self._connections: dict[OpenConnection, int] = {}
        """Each has a number, higher than those that were opened before."""
        self._last_number = 0

    def add(self, connection: OpenConnection) -> None:
        """One has been opened."""
        self._last_number += 1
        self._connections[connection] = self._last_number

    def remove(self, connection: OpenConnection) -> None:
        """It is not open any more."""
        self._connections.pop(connection, None)

    def all(self) -> list[OpenConnection]:
        """Every open connection; the list stays as it is when some are closed."""
        return list(self._connections)

    def numbered(self, first: int) -> list[tuple[int, OpenConnection]]:
        """Those with this number or a higher one, with their numbers, in order."""
        return [(number, connection) for connection, number in self._connections.items() if number >= first]

    def named(self, name: str) -> OpenConnection | None:
        """The open connection of this name, or None."""
        for connection in self._connections:
            if connection.connection_name() == name:
                return connection
        return None

    def in_vhost(self, vhost: str) -> list[OpenConnection]:
        """Those in one virtual host."""
        return [connection for connection in self._connections if connection.vhost_name() == vhost]

    def of_user(self, user: str) -> list[OpenConnection]:
        """Those of one user."""
        return [connection for connection in self._connections if connection.user_name() == user]
