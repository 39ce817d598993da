"""Reading the configuration again while the broker runs."""

from collections.abc import Callable, Sequence

from amqpd.config.configuration import Reread
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.settings import SETTINGS, Settings, with_values
from amqpd.logs.logger import FieldLogger

HTTPS = ("management_ssl", "prometheus_ssl")
"""The groups of settings with which something listens."""

Change = Callable[[], None]
"""Puts in place what was made ready; nothing can keep it from that."""
Prepare = Callable[[Settings], Change]
"""Makes ready what the settings want, without changing anything. Raises InvalidConfiguration.

It is asked with every reload, whether settings are others or not: certificates have new contents under the same name.
"""


class Reloading:
    """What the broker runs with, and how to change it."""

    def __init__(
        self, settings: Settings, reread: Reread, log: FieldLogger, prepare: Sequence[Prepare]
    ) -> None:
        """Of `prepare` the last one must leave nothing behind if it raises, and is the first to be put in place."""
        self.settings = settings
        self._reread = reread
        self._log = log
        self._prepare = prepare

    def reload(self) -> None:
        """Read the configuration again, and change what can change. Any mistake in it changes nothing."""
        try:
            now, later = self._change(self._reread().settings)
        except InvalidConfiguration as invalid:
            for mistake in invalid.mistakes:
                self._tell_mistake(mistake)
            return
        except Exception as error:
            # A fault of ours is no reason to end a broker that runs.
            self._tell_mistake(f"{type(error).__name__}: {error}")
            return
        self._log.info("configuration reloaded", fields={"changed": ", ".join(map(written, now))})
        if later:
            self._log.warning(
                "changed settings need a restart", fields={"settings": ", ".join(map(written, later))}
            )

    def _tell_mistake(self, mistake: str) -> None:
        self._log.error("configuration not reloaded", fields={"mistake": mistake})

    def _change(self, wanted: Settings) -> tuple[list[str], list[str]]:
        """`changes`, of which the first are made."""
        now, later = changes(self.settings, wanted)
        settings = with_values(self.settings, {name: SETTINGS[name].of(wanted) for name in now})
        prepared = [prepare(settings) for prepare in self._prepare]
        for change in reversed(prepared):
            change()
        self.settings = settings
        return now, later


def changes(before: Settings, after: Settings) -> tuple[list[str], list[str]]:
    """The names of settings that differ: those that can change now, and those that need a restart."""
    changed = [name for name, each in SETTINGS.items() if each.of(before) != each.of(after)]
    # Who does not listen yet, or is not to any more, has nothing to give certificates to.
    begin_or_end = tuple(
        f"{group}_"
        for group in HTTPS
        if getattr(before, group).is_wanted() != getattr(after, group).is_wanted()
    )
    now = [name for name in changed if SETTINGS[name].is_reloadable and not name.startswith(begin_or_end)]
    return now, [name for name in changed if name not in now]


def written(name: str) -> str:
    """A setting's name as it stands in a configuration file."""
    return SETTINGS[name].key
