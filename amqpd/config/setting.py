"""What a setting is, and how it is declared: a field of a dataclass, or of a group that is such a field."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any

from amqpd.config.kinds import KINDS, Allowed, Hosts, read_size
from amqpd.config.mistakes import InvalidSetting

UNLIMITED = -1
"""What RabbitMQ's settings call infinity."""
BYTES = "bytes"
DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as it is declared, and with the rest of its names where the declaration is used."""

    key: str
    """Its name in rabbitmq.conf, with "amqpd." in front where RabbitMQ has no such setting."""
    description: str
    """One sentence."""
    unit: str
    """What a number counts."""
    allowed: Allowed
    is_reloadable: bool
    """Whether it can change while the broker runs."""
    type: object = None
    name: str = ""
    """What option and environment variable are made from."""
    attribute: str = ""
    """Where the value is: `ssl.certfile`."""

    @property
    def is_list(self) -> bool:
        """Whether it is any number of texts."""
        return self.type in (tuple[str, ...], Hosts)

    @property
    def is_numbered(self) -> bool:
        """Whether a file gives each text a number: `ssl_options.versions.1`."""
        return self.is_list and self.key.endswith(".*")

    def of(self, settings: object) -> Any:
        """Its value."""
        return attrgetter(self.attribute)(settings)

    def read(self, text: str, option: str) -> object:
        """The value that a user's text gives to it; option is what the user wrote. Raises InvalidSetting naming both."""
        if text == "infinity" and self.allowed.minimum == UNLIMITED:
            return UNLIMITED
        try:
            value = (read_size if self.unit == BYTES else KINDS[self.type].read)(text)
        except ValueError as error:
            raise InvalidSetting(option, text, str(error)) from None
        reason = self.refusal(value)
        if reason:
            raise InvalidSetting(option, text, reason)
        return value

    def check(self, value: object, option: str) -> None:
        """Raises InvalidSetting, naming the option, if it cannot have this value."""
        reason = self.refusal(value)
        if reason:
            raise InvalidSetting(option, value, reason)

    def refusal(self, value: object) -> str:
        """Why it cannot have this value; empty if it can."""
        return KINDS[self.type].refusal(value, self.allowed)


def setting(
    key: str,
    default: Any,
    description: str,
    unit: str = "",
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    reloadable: bool = False,
) -> Any:
    """A field that is a setting; a callable default is called for every new object."""
    metadata = {DECLARED: Setting(key, description, unit, Allowed(minimum, maximum, choices), reloadable)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def limit(key: str, what: str, unit: str) -> Any:
    """A field that says how much of something there may be, without a limit by default."""
    description = f"{what}; infinity, or -1, is no limit."
    return setting(key, UNLIMITED, description, unit, minimum=UNLIMITED, maximum=2**31 - 1)


@dataclass(frozen=True, slots=True)
class _Group:
    key: str
    words: dict[str, str]


def group(key: str, settings: type, **words: str) -> Any:
    """A field that is a group of settings, those of this dataclass.

    Their names begin with that of the field, and their keys with `key`; the words are for the braces in their
    descriptions.
    """
    return field(default_factory=settings, metadata={DECLARED: _Group(key, words)})


def settings_in(owner: Any) -> Iterator[Setting]:
    """The settings that a dataclass declares, those of its groups in their places."""
    for each in fields(owner):
        declared = each.metadata[DECLARED]
        if isinstance(declared, Setting):
            yield replace(declared, type=each.type, name=each.name, attribute=each.name)
        else:
            for inner in settings_in(each.type):
                yield replace(
                    inner,
                    key=f"{declared.key}.{inner.key}",
                    description=inner.description.format_map(declared.words),
                    name=f"{each.name}_{inner.name}",
                    attribute=f"{each.name}.{inner.attribute}",
                )
