"""Listening sockets in the file system."""

from __future__ import annotations

import os
import socket
import stat
import sys
from contextlib import suppress
from pathlib import Path


class UnixListener:
    """A UNIX socket that is bound, and whose file goes when it is closed."""

    def __init__(self, path: Path, mode: int) -> None:
        """Bind, with these permissions for the file. Raises OSError.

        A file that a broker left behind is replaced, unless somebody listens on it.
        """
        if sys.platform == "win32":
            raise OSError("this system has no UNIX sockets")
        _remove_stale(path)
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        try:
            # Where the system goes by it, nobody can connect before the file has its permissions.
            with suppress(OSError):
                os.fchmod(self.socket.fileno(), 0)
            self.socket.bind(str(path))
            os.chmod(path, mode)
        except BaseException:
            self.socket.close()
            raise
        self._inode = os.stat(path).st_ino

    def remove(self) -> None:
        """Remove the file, if it still is this listener's."""
        try:
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        except OSError:
            return


def _remove_stale(path: Path) -> None:
    """Remove a socket's file on which nobody listens. Raises OSError for anything else that is there."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError("it exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            # Its queue is full, so there is somebody.
            pass
    raise FileExistsError("another process listens on it")
