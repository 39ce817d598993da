"""Reading the configuration again while the broker runs."""

from collections.abc import Callable, Sequence

from amqpd.config.configuration import Reread
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.settings import SETTINGS, Settings, with_values
from amqpd.logs.logger import FieldLogger

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
        settings = with_values(self.settings, {name: SETTINGS[name].of(wanted) for name in now})
        for reloaded in self._reloaded:
            reloaded(settings)
        self.settings = settings
        return now, later


def changes(before: Settings, after: Settings) -> tuple[list[str], list[str]]:
    """The names of settings that differ: those that can change now, and those that need a restart."""
    changed = [name for name, each in SETTINGS.items() if each.of(before) != each.of(after)]
    now = [name for name in changed if SETTINGS[name].is_reloadable]
    return now, [name for name in changed if name not in now]


def written(name: str) -> str:
    """A setting's name as it stands in a configuration file."""
    return SETTINGS[name].key
