"""Reading the configuration again while the broker runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from amqpd.config.conf_format import InvalidConfiguration
from amqpd.config.configuration import Configuration
from amqpd.config.settings import SETTINGS, Settings
from amqpd.logs.logger import FieldLogger

Reread = Callable[[], Configuration]
"""Reads the configuration from where it was read at start. Raises InvalidConfiguration."""
Reloaded = Callable[[Settings], None]
"""Told the settings with every reload, changed or not: certificates have new contents under the same name.

May raise InvalidConfiguration; nobody after it is told then, so what cannot refuse comes last.
"""


class Reloading:
    """What the broker runs with, and how to change it."""

    def __init__(
        self, settings: Settings, reread: Reread, log: FieldLogger, reloaded: Sequence[Reloaded]
    ) -> None:
        self.settings = settings
        self._reread = reread
        self._log = log
        self._reloaded = reloaded

    def reload(self) -> None:
        """Read the configuration again, and change what can change. Any mistake in it changes nothing."""
        try:
            now, later = self._change(self._reread().settings)
        except InvalidConfiguration as invalid:
            for mistake in invalid.mistakes:
                self._log.error("configuration not reloaded", fields={"mistake": mistake})
            return
        self._log.info("configuration reloaded", fields={"changed": ", ".join(map(written, now))})
        if later:
            self._log.warning(
                "changed settings need a restart", fields={"settings": ", ".join(map(written, later))}
            )

    def _change(self, wanted: Settings) -> tuple[list[str], list[str]]:
        """`changes`, of which the first are made."""
        now, later = changes(self.settings, wanted)
        settings = replace(self.settings, **{name: getattr(wanted, name) for name in now})
        for reloaded in self._reloaded:
            reloaded(settings)
        self.settings = settings
        return now, later


def changes(before: Settings, after: Settings) -> tuple[list[str], list[str]]:
    """The names of settings that differ: those that can change now, and those that need a restart."""
    changed = [name for name in SETTINGS if getattr(before, name) != getattr(after, name)]
    now = [name for name in changed if SETTINGS[name].metadata["reloadable"]]
    return now, [name for name in changed if name not in now]


def written(name: str) -> str:
    """A setting's name as it stands in a configuration file."""
    return str(SETTINGS[name].metadata["key"])
