"""RabbitMQ's plugins, as far as this broker does what they do, and the file that says which are enabled."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from amqpd.config.mistakes import InvalidConfiguration

BUILT_IN = {
    "rabbitmq_auth_mechanism_ssl": "RabbitMQ SSL authentication (SASL EXTERNAL)",
    "rabbitmq_consistent_hash_exchange": "Consistent Hash Exchange Type",
    "rabbitmq_delayed_message_exchange": "RabbitMQ Delayed Message Exchange",
    "rabbitmq_random_exchange": "RabbitMQ Random Exchange",
    "rabbitmq_recent_history_exchange": "RabbitMQ Recent History Exchange",
}
"""What needs no plugin here, with RabbitMQ's words for it."""
SWITCHED = {
    "rabbitmq_management": "RabbitMQ Management Console",
    "rabbitmq_prometheus": "Prometheus metrics for monitoring",
}
"""What is served only if it is enabled."""
SETTINGS = {"rabbitmq_management": "management", "rabbitmq_prometheus": "prometheus"}
"""The settings that enable it."""
IMPLIED = {
    "rabbitmq_management_agent": "RabbitMQ Management Agent",
    "rabbitmq_web_dispatch": "RabbitMQ Web Dispatcher",
}
"""What RabbitMQ enables with either of those."""
KNOWN = {**BUILT_IN, **SWITCHED, **IMPLIED}

FILE = "enabled_plugins"
"""Its name in the data directory."""
FILE_VARIABLE = "RABBITMQ_ENABLED_PLUGINS_FILE"
NAMES_VARIABLE = "RABBITMQ_ENABLED_PLUGINS"


def enabled_in(file: Path) -> list[str]:
    """The plugins that a file names, as RabbitMQ writes it: `[rabbitmq_management,rabbitmq_prometheus].` None without it."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return []
    without_comments = re.sub("%[^\n]*", "", text)
    return re.findall("[a-z][a-z0-9_@]*", without_comments)


def write_enabled(file: Path, names: Iterable[str]) -> None:
    """Let the file name these. Raises OSError."""
    # It may be the data directory, which is for nobody else, as the broker makes it.
    file.parent.mkdir(0o700, parents=True, exist_ok=True)
    file.write_text(f"[{','.join(sorted(names))}].\n")


def file_of(environment: Mapping[str, str], data_dir: Path) -> Path:
    """Where the file is."""
    named = environment.get(FILE_VARIABLE)
    return Path(named) if named else data_dir / FILE


def enabled(environment: Mapping[str, str], data_dir: Path | None) -> list[str]:
    """The plugins that the environment names, or else that file; without a directory only one that is named.

    Raises InvalidConfiguration if it is named and can't be read.
    """
    names = environment.get(NAMES_VARIABLE)
    if names is not None:
        return list(KNOWN) if names == "ALL" else [name for name in names.split(",") if name]
    named = environment.get(FILE_VARIABLE)
    if named:
        _check_readable(Path(named))
        return enabled_in(Path(named))
    return [] if data_dir is None else enabled_in(data_dir / FILE)


def _check_readable(file: Path) -> None:
    """A file need not be there; one that can't be read, a directory for instance, stops the start (RabbitMQ 3.10)."""
    try:
        file.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidConfiguration([f"{FILE_VARIABLE}: {file}: {error.strerror or error}"]) from None
