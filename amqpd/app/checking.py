"""What would keep a broker with these settings from starting, as far as one can see without starting it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from amqpd.app.values import MANAGEMENT_SSL, PROMETHEUS_SSL, amqp_tls_options_of, tls_options_of
from amqpd.config.kinds import NOTHING
from amqpd.config.settings import Settings
from amqpd.server.tls import Tls, TlsError, TlsOptions


def mistakes_in_files(settings: Settings) -> list[str]:
    """What is wrong with the certificates and definitions that the settings name."""
    mistakes = []
    for options in _wanted_tls(settings):
        try:
            Tls(options)
        except TlsError as error:
            mistakes.append(str(error))
    if settings.load_definitions != NOTHING:
        mistakes += _mistakes_in_definitions(Path(settings.load_definitions))
    return mistakes


def _wanted_tls(settings: Settings) -> Iterator[TlsOptions]:
    if settings.ssl_listeners.addresses:
        yield amqp_tls_options_of(settings)
    for is_served, keys, tls in (
        (settings.management, MANAGEMENT_SSL, settings.management_ssl),
        (settings.prometheus, PROMETHEUS_SSL, settings.prometheus_ssl),
    ):
        if is_served and tls.is_wanted():
            yield tls_options_of(settings, tls, keys)


def _mistakes_in_definitions(path: Path) -> list[str]:
    """Whether they are JSON; what they may be about depends on what the data directory has."""
    from amqpd.management.definitions import read_files
    from amqpd.management.items import InvalidDefinitions, parse

    try:
        for name, body in read_files(path).items():
            try:
                parse(body)
            except InvalidDefinitions as invalid:
                return [f"load_definitions: {path}: {invalid.within(name).text}"]
    except OSError as error:
        return [f"load_definitions: {path}: {error.strerror or error}"]
    return []
