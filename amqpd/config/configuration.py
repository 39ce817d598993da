"""All that configures a broker, put together: defaults, files, environment, command line; the later one wins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amqpd.config import rabbitmq_environment
from amqpd.config.environment import CONFIG, from_environment
from amqpd.config.kinds import Hosts
from amqpd.config.machine import default_data_dir
from amqpd.config.mistakes import WARNING, InvalidConfiguration, InvalidSetting, Notice
from amqpd.config.plugins import KNOWN, enabled
from amqpd.config.plugins import SETTINGS as SWITCHES
from amqpd.config.settings import SETTINGS, Settings, settings_of

DEFAULT_HOST = "default_host"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, the files they were read from, and what in those had no effect."""

    settings: Settings
    files: tuple[Path, ...] = ()
    notices: tuple[Notice, ...] = ()


Reread = Callable[[], Configuration]
"""Reads the configuration from where it was read at start. Raises InvalidConfiguration."""


def named_file(option: str | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file: what --config says, or else AMQPD_CONFIG, or RABBITMQ_CONFIG_FILE."""
    written = option or environment.get(CONFIG) or environment.get(rabbitmq_environment.CONFIG_FILE)
    return Path(written) if written else None


def read_configuration(
    file: Path | None, environment: Mapping[str, str], command_line: Mapping[str, object]
) -> Configuration:
    """Read everything. Raises InvalidConfiguration with all mistakes, of which none has changed anything."""
    rabbitmq_environment.refuse_deprecated(environment)
    try:
        below = rabbitmq_environment.below_files(environment)
        above = (
            rabbitmq_environment.above_files(environment),
            from_environment(environment),
            dict(command_line),
        )
    except InvalidSetting as invalid:
        raise InvalidConfiguration([str(invalid)]) from None
    from_files = FromFiles() if file is None else read_files(file, environment)
    values = with_hosts(merged(below, from_files.values, *above))
    plugins = plugins_of(environment, values)
    for name in SWITCHES.keys() & set(plugins):
        values.setdefault(SWITCHES[name], True)
    try:
        settings = settings_of(values)
    except InvalidSetting as invalid:
        raise InvalidConfiguration([str(invalid)]) from None
    notices = (*from_files.notices, *_notices_of(environment), *_notices_of_plugins(plugins))
    return Configuration(settings, from_files.files, notices)


def plugins_of(environment: Mapping[str, str], values: Mapping[str, object]) -> list[str]:
    """The plugins that are enabled: by the environment, by a file that it names, or by one in the data directory."""
    if values.get("in_memory"):
        return enabled(environment, None)
    data_dir = values.get("data_dir") or default_data_dir()
    assert isinstance(data_dir, Path)
    return enabled(environment, data_dir)


@dataclass(frozen=True, slots=True)
class FromFiles:
    """What configuration files say."""

    values: Mapping[str, object] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    notices: tuple[Notice, ...] = ()


def read_files(file: Path, environment: Mapping[str, str]) -> FromFiles:
    """Read a configuration file and those that go with it. Raises InvalidConfiguration with all mistakes."""
    # imported late: without a file nobody needs what knows RabbitMQ's keys
    from amqpd.config.conf_files import configuration_files, neighbours, read_entries
    from amqpd.config.keys import read_keys

    files = configuration_files(file, environment.get(rabbitmq_environment.CONFIG_FILES) or None)
    values, without_effect, mistakes = read_keys(read_entries(files, environment))
    if mistakes:
        raise InvalidConfiguration(mistakes)
    notices = [
        Notice(group.level, "configuration keys without effect", group.reason, tuple(keys))
        for group, keys in without_effect.items()
    ]
    beside = tuple(map(str, neighbours(files[0])))
    if beside:
        reason = "only the format of rabbitmq.conf is read"
        notices.append(Notice(WARNING, "configuration files without effect", reason, beside))
    return FromFiles(values, tuple(files), tuple(notices))


def merged(*layers: Mapping[str, object]) -> dict[str, Any]:
    """The values of all layers; a later one wins over those before."""
    values: dict[str, object] = {}
    for layer in layers:
        if "data_dir" in layer:
            # Whoever asks for a directory wants it written to, whatever a layer below says.
            values.pop("in_memory", None)
        if "host" in layer or "port" in layer:
            values.pop("listeners", None)
        values |= layer
    return values


def with_hosts(values: dict[str, Any]) -> dict[str, Any]:
    """The values, and the default host for everything that listens and has none of its own."""
    if DEFAULT_HOST not in values:
        return values
    hosts = [name for name, each in SETTINGS.items() if each.type == Hosts]
    return {**dict.fromkeys(hosts, values[DEFAULT_HOST]), **values}


def _notices_of(environment: Mapping[str, str]) -> list[Notice]:
    found = {
        "amqpd has nothing like it": rabbitmq_environment.without_effect(environment),
        "of Bitnami's image; here it is RABBITMQ_DEFAULT_USER and the like": rabbitmq_environment.of_bitnami(
            environment
        ),
    }
    sentence = "environment variables without effect"
    return [Notice(WARNING, sentence, reason, tuple(names)) for reason, names in found.items() if names]


def _notices_of_plugins(plugins: list[str]) -> list[Notice]:
    names = tuple(name for name in plugins if name not in KNOWN)
    reason = "amqpd has nothing like it"
    return [Notice(WARNING, "enabled plugins without effect", reason, names)] if names else []
