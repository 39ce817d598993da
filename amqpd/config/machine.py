"""What settings are on this machine unless they are set: its name, and where it keeps state."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

SYSTEM_DIRECTORY = Path("/var/lib/amqpd")
STATE_BELOW_HOME = {"darwin": "Library/Application Support", "win32": "AppData/Local"}
"""Where state goes on platforms that know neither the system's directory nor XDG_STATE_HOME."""


def host_name() -> str:
    """This machine's name, without its domain."""
    return platform.node().split(".")[0] or "localhost"


def default_cluster_name() -> str:
    """The name of the cluster where none is given, like a RabbitMQ node on this host."""
    return "rabbit@" + host_name()


def default_log_file() -> str:
    """The name of the log file where none is given (RabbitMQ 3.10)."""
    return f"{default_cluster_name()}.log"


def state_directory(
    platform_name: str, environment: Mapping[str, str], home: Path | None, is_root: bool
) -> Path:
    """Where amqpd keeps its data on a platform (as `sys.platform` names it), unless told otherwise.

    Root's is the system's, on Linux and whatever is like it, and so is that of a user without a home. XDG_STATE_HOME
    counts if it is absolute, as the XDG specification demands.
    """
    if platform_name == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"], "amqpd")
    is_like_linux = platform_name not in STATE_BELOW_HOME
    state_home = Path(environment.get("XDG_STATE_HOME", ""))
    if is_like_linux and not is_root and state_home.is_absolute():
        return state_home / "amqpd"
    if home is None or (is_like_linux and is_root):
        return SYSTEM_DIRECTORY
    return home / STATE_BELOW_HOME.get(platform_name, ".local/state") / "amqpd"


def default_data_dir() -> Path:
    """`state_directory` of this process."""
    is_root = sys.platform != "win32" and os.geteuid() == 0
    try:
        home = Path.home()
    except RuntimeError:
        return state_directory(sys.platform, os.environ, None, is_root)
    return state_directory(sys.platform, os.environ, home, is_root)
