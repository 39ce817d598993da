"""What a setting can be: kinds of values, how each is read from what users write, and why a value is refused."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from amqpd.logs.levels import CATEGORIES
from amqpd.logs.rotation import read_date

LOOPBACK = ("127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::")
"""Where RabbitMQ listens if it is told a port only."""
NOTHING = "none"
"""The text of a setting that has no value."""
TRUTH_VALUES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LARGEST_SIZE_BYTES = 2**62

Hosts = Annotated[tuple[str, ...], "addresses to listen on"]


@dataclass(frozen=True, slots=True)
class Watermark:
    """A limit for memory or disk: a size, or a fraction of this machine's memory (also a multiple of it).

    Raises ValueError unless exactly one of the two is given, and is neither negative nor infinite.
    """

    size_bytes: int | None = None
    fraction: float | None = None

    def __post_init__(self) -> None:
        given = [number for number in (self.size_bytes, self.fraction) if number is not None]
        if len(given) != 1:
            raise ValueError("a watermark is either a size or a fraction")
        if not 0 <= given[0] < math.inf:
            raise ValueError(f"a watermark is not negative, and not infinite: {given[0]}")

    def limit_bytes(self, memory_bytes: int) -> int:
        """The limit in bytes on a machine with that much memory."""
        if self.fraction is not None:
            return int(self.fraction * memory_bytes)
        return self.size_bytes or 0

    def __str__(self) -> str:
        return str(self.fraction) if self.size_bytes is None else f"{self.size_bytes} bytes"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Addresses to listen on, each with its port; None leaves it to host and port, an empty tuple is nowhere."""

    addresses: tuple[tuple[str, int], ...] | None = None

    def __str__(self) -> str:
        if self.addresses is None:
            return "host and port"
        return ",".join(f"{host}:{port}" for host, port in self.addresses) or NOTHING


class FileMode(int):
    """Permissions of a file, in octal digits: `0660`."""

    def __str__(self) -> str:
        return f"{int(self):04o}"


@dataclass(frozen=True, slots=True)
class ByCategory:
    """Values by category of the log: `connection=debug,channel=none`."""

    values: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ",".join(f"{category}={value}" for category, value in self.values) or NOTHING


class RotationDate(str):
    """Times at which a log file is rotated, as newsyslog has them; `none` is never."""

    __slots__ = ()

    def date(self) -> str:
        """The same, empty for never."""
        return "" if self == NOTHING else str(self)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which values of its kind a setting can have; `maximum` is, for a Watermark, that of its fraction."""

    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()


# Reading what users write: each raises ValueError with the reason why it can't


def _read_int(text: str) -> int:
    # int() alone would also take "1_000", " 7 " and digits of other scripts
    # 18 digits are more than any setting has, and less than int() refuses
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise ValueError("is not a whole number")
    return int(text)


def _units() -> dict[str, int]:
    units = {"": 1, "kB": 1000, "kiB": 1024}
    for power, letter in enumerate("KMGTP", start=1):
        small = letter.lower()
        binary = (letter, small, f"{letter}iB", f"{letter}IB", f"{small}ib")
        decimal = (f"{letter}B", f"{letter}b", f"{small}b")
        units |= dict.fromkeys(binary, 1024**power) | dict.fromkeys(decimal, 1000**power)
    return units


UNITS = _units()
"""Bytes in each unit of a size. What RabbitMQ 3.10.8 reads, it reads the same; tera- and petabytes, which it does not know, and
KiB, on which it fails, are ours."""


def read_size(text: str) -> int:
    """Bytes of a size as RabbitMQ writes it: `1048576`, `1024k`, `1MiB` (1024s), `50MB` (1000s). Raises ValueError."""
    parts = re.fullmatch("([0-9]{1,18})([A-Za-z]*)", text)
    if parts is None or parts[2] not in UNITS:
        raise ValueError("is not a size in bytes, such as 50000000, 50MB or 48MiB")
    return int(parts[1]) * UNITS[parts[2]]


def _read_watermark(text: str) -> Watermark:
    if re.fullmatch(r"[0-9]{1,18}\.[0-9]{1,18}", text):
        return Watermark(fraction=float(text))
    try:
        return Watermark(size_bytes=read_size(text))
    except ValueError:
        reason = "is neither a size, such as 50MB or 48MiB, nor with a dot a part of memory, such as 0.4"
        raise ValueError(reason) from None


def _read_bool(text: str) -> bool:
    if text.lower() not in TRUTH_VALUES:
        raise ValueError(f"is none of {', '.join(TRUTH_VALUES)}")
    return TRUTH_VALUES[text.lower()]


def _read_names(text: str) -> tuple[str, ...]:
    return () if text == NOTHING else tuple(name.strip() for name in text.split(","))


def _read_hosts(text: str) -> tuple[str, ...]:
    return expand_hosts(_read_names(text))


def expand_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses to listen on, each once: localhost is both loopback addresses."""
    addresses: dict[str, None] = {}
    for host in hosts:
        addresses.update(dict.fromkeys(LOOPBACK if host == "localhost" else (host,)))
    return tuple(addresses)


def read_listener(text: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:5672`, `::1:5672` or `[::1]:5672`. Raises ValueError."""
    parts = re.fullmatch(r"(\[[^\[\]]+\]|[^\[\]]+):([0-9]{1,5})", text)
    if parts is None or int(parts[2]) > 65535:
        raise ValueError("is not an address with a port, such as 127.0.0.1:5672")
    return parts[1].strip("[]"), int(parts[2])


def _read_listeners(text: str) -> Listeners:
    return Listeners(tuple(read_listener(each) for each in _read_names(text)))


def _read_directory(text: str) -> Path:
    return _read_path(text, "is not a directory")


def _read_file(text: str) -> Path:
    return _read_path(text, "is not the name of a file")


def _read_path(text: str, reason: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(reason)
    return Path(text)


def _read_mode(text: str) -> FileMode:
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueError("is not a mode in octal digits, such as 0660")
    return FileMode(text, 8)


def _read_by_category(text: str) -> ByCategory:
    pairs = [each.partition("=") for each in _read_names(text)]
    if not all(equals for _category, equals, _value in pairs):
        raise ValueError("is not a list of categories with their values, such as connection=debug")
    return ByCategory(tuple((category, value) for category, _equals, value in pairs))


# Refusing values: each says why, or nothing if the value is good

Refusal = Callable[[object, Allowed], str]


def _int_refusal(value: object, allowed: Allowed) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        return "is not a whole number"
    assert allowed.minimum is not None and allowed.maximum is not None
    in_range = allowed.minimum <= value <= allowed.maximum
    return "" if in_range else f"is not between {allowed.minimum} and {allowed.maximum}"


def _text_refusal(value: object, allowed: Allowed) -> str:
    if not isinstance(value, str) or not value:
        return "is empty" if value == "" else "is not text"
    choices = allowed.choices
    return f"is none of {', '.join(choices)}" if choices and value not in choices else ""


def _watermark_refusal(value: object, allowed: Allowed) -> str:
    if not isinstance(value, Watermark):
        return "is not a watermark"
    if allowed.maximum is not None and value.fraction is not None and value.fraction > allowed.maximum:
        return f"is not between 0.0 and {allowed.maximum}.0"
    too_large = value.size_bytes is not None and value.size_bytes > LARGEST_SIZE_BYTES
    return f"is not between 0 and {LARGEST_SIZE_BYTES}" if too_large else ""


def _bool_refusal(value: object, _allowed: Allowed) -> str:
    return "" if isinstance(value, bool) else "is neither true nor false"


def _path_refusal(value: object, _allowed: Allowed) -> str:
    return "" if isinstance(value, Path) else "is not a path"


def _names_refusal(value: object, _allowed: Allowed) -> str:
    return ""


def _hosts_refusal(value: object, _allowed: Allowed) -> str:
    return "" if isinstance(value, tuple) and value and "" not in value else "names no address"


def _listeners_refusal(value: object, _allowed: Allowed) -> str:
    return "" if isinstance(value, Listeners) else "is not a list of addresses with their ports"


def _mode_refusal(value: object, _allowed: Allowed) -> str:
    return "" if isinstance(value, FileMode) and 0 <= value <= 0o777 else "is not between 0000 and 0777"


def _by_category_refusal(value: object, allowed: Allowed) -> str:
    if not isinstance(value, ByCategory):
        return "is not a list of categories with their values"
    choices = allowed.choices
    for category, each in value.values:
        if category not in CATEGORIES:
            return f"has the category '{category}', which is none of {', '.join(CATEGORIES)}"
        if not each or (choices and each not in choices):
            return f"has '{each}', which is none of {', '.join(choices)}" if choices else "has an empty value"
    return ""


def _rotation_date_refusal(value: object, _allowed: Allowed) -> str:
    if not isinstance(value, RotationDate):
        return "is not a time"
    try:
        read_date(value.date())
    except ValueError as error:
        return str(error)
    return ""


def _optional(refusal: Refusal) -> Refusal:
    """That of a kind which may also be None."""

    def refuse(value: object, allowed: Allowed) -> str:
        return "" if value is None else refusal(value, allowed)

    return refuse


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of a type are read from text, and refused."""

    read: Callable[[str], object]
    refusal: Refusal


KINDS: dict[object, Kind] = {
    int: Kind(_read_int, _int_refusal),
    int | None: Kind(_read_int, _optional(_int_refusal)),
    str: Kind(str, _text_refusal),
    str | None: Kind(str, _optional(_text_refusal)),
    bool: Kind(_read_bool, _bool_refusal),
    Path: Kind(_read_directory, _path_refusal),
    Path | None: Kind(_read_file, _optional(_path_refusal)),
    tuple[str, ...]: Kind(_read_names, _names_refusal),
    Hosts: Kind(_read_hosts, _hosts_refusal),
    Listeners: Kind(_read_listeners, _listeners_refusal),
    Watermark: Kind(_read_watermark, _watermark_refusal),
    FileMode: Kind(_read_mode, _mode_refusal),
    ByCategory: Kind(_read_by_category, _by_category_refusal),
    RotationDate: Kind(RotationDate, _rotation_date_refusal),
}
"""By the types that fields of Settings have."""
