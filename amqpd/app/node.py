"""The program as a whole: what an administrator can do to it while it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from amqpd.app.beginning import DefinitionFiles, StartError, begin_again
from amqpd.app.values import amqp_tls_options_of, https_options_of, machine_of, memory_bytes_of
from amqpd.config.kinds import Watermark
from amqpd.config.mistakes import InvalidConfiguration, InvalidSetting
from amqpd.config.settings import LOG_LEVELS, SETTINGS, Settings
from amqpd.logs.log import LogUnusable
from amqpd.management.node import CannotDo
from amqpd.server.listeners import Server
from amqpd.server.resources import Resources
from amqpd.server.tcp_sockets import ListenError
from amqpd.server.tls import Tls, TlsError, TlsOptions
from amqpd.wire.fields import Field

if TYPE_CHECKING:
    from amqpd.http.service import HttpService
    from amqpd.management.site import Listening, Machine, Site

CLUSTER_NAME = "cluster_name"
MAINTENANCE = "Node was put into maintenance mode"
HIDDEN_SUFFIXES = ("_pass", "_password")
HIDDEN = "..."


def cannot_stop() -> None:
    """Stop a broker that is a part of another program."""
    raise CannotDo("this broker is a part of another program, which ends it")


def cannot_log(_level: str = "") -> None:
    """Change the log where there is none."""
    raise CannotDo("this broker writes no log")


@dataclass(frozen=True, slots=True)
class Program:
    """What only the program around the broker can do; each raises CannotDo where there is none."""

    stop: Callable[[], None] = cannot_stop
    change_level: Callable[[str], None] = cannot_log
    rotate_logs: Callable[[], None] = cannot_log
    config_files: tuple[str, ...] = ()
    """What the settings were read from."""


class RunningNode:
    """A `Node`: the server, what watches over memory and disk, and the log."""

    def __init__(
        self,
        settings: Settings,
        server: Server,
        resources: Resources,
        definitions: DefinitionFiles,
        program: Program,
    ) -> None:
        self.settings = settings
        self.server = server
        self.resources = resources
        self.definitions = definitions
        self.is_running = True
        self.is_drained = False
        self.process_id = os.getpid()
        self.started_s = server.broker.clock.monotonic_s()
        self.services: list[HttpService] = []
        """What else listens."""
        self._site: Site | None = None
        self._program = program
        self._is_listening = True
        self._one_at_a_time = asyncio.Lock()

    def site(self) -> Site:
        """What the API stands on: made when somebody needs it, for most brokers never serve the API."""
        if self._site is None:
            from amqpd.management.site import Site

            self._site = Site(
                self.server.broker,
                self.server.users,
                self.server.parameters,
                self._machine(),
                self._listening(),
                control=self,
                name=self.settings.cluster_name,
                started_s=self.started_s,
            )
        return self._site

    def _machine(self) -> Machine:
        return machine_of(self.settings, self.resources, self._program.config_files)

    def _listening(self) -> list[Listening]:
        """Everything that listens, AMQP too as long as it is only suspended."""
        from amqpd.management.site import Listening

        server = self.server
        listening: list[Listening] = []
        if self.is_running:
            listening += [Listening("amqp", host, port) for host, port in server.addresses]
            listening += [
                Listening("amqp/ssl", host, port, *certificates_of(server.tls))
                for host, port in server.tls_addresses
            ]
        for service in self.services:
            listening += [
                Listening(protocol, host, port, *certificates_of(tls))
                for protocol, host, port, tls in service.listening()
            ]
        return listening

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Read certificates and definitions again, where these settings have them; what puts all of it in place.

        Raises InvalidConfiguration.
        """
        try:
            changes = self.server.prepare_certificates(amqp_tls_options_of(settings))
            for service in self.services:
                changes += service.prepare_certificates(https_options_of(settings))
            changes.append(self.definitions.prepare(settings))
        except (TlsError, StartError) as error:
            raise InvalidConfiguration([str(error)]) from None
        return partial(self._put_in_place, settings, changes)

    def _put_in_place(self, settings: Settings, changes: list[Callable[[], None]]) -> None:
        self.settings = settings
        for change in changes:
            change()
        self._tell_site()

    # Serving AMQP

    async def stop_app(self) -> None:
        """Close listeners and connections of AMQP; the API goes on."""
        async with self._one_at_a_time:
            if self.is_running:
                self.is_running = False
                self._tell("AMQP is not served any more")
                await self._listen_no_more()
                await self.server.close_connections()

    async def start_app(self) -> None:
        """Serve AMQP again; a node that was under maintenance is not any more. Raises CannotDo."""
        async with self._one_at_a_time:
            if not self.is_running:
                await self._listen()
                self.is_running = True
                self.is_drained = False
                self._tell("AMQP is served again")

    async def reset(self) -> None:
        """Forget everything, and be as a new node; AMQP must not be served then. Raises CannotDo."""
        async with self._one_at_a_time:
            if self.is_running:
                raise CannotDo("AMQP is served: stop_app first")
            parameters = self.server.parameters
            parameters.cluster_name = self.settings.cluster_name
            parameters.server_properties[CLUSTER_NAME] = Field("S", self.settings.cluster_name)
            try:
                begin_again(self.settings, self.server.broker, self.server.users, self.definitions)
            except StartError as error:
                raise CannotDo(str(error)) from None
            self._tell("node reset")

    async def drain(self) -> None:
        """Let no clients in, and close the connections of those that are (RabbitMQ 3.10)."""
        async with self._one_at_a_time:
            self._check_running()
            self.is_drained = True
            await self._listen_no_more()
            await self.server.close_connections(MAINTENANCE)
            self._tell("node under maintenance")

    async def revive(self) -> None:
        """Let clients in again. Raises CannotDo."""
        async with self._one_at_a_time:
            self._check_running()
            await self._listen()
            self.is_drained = False
            self._tell("node back from maintenance")

    async def suspend_listeners(self) -> None:
        """Let no more clients in; those that are connected stay."""
        async with self._one_at_a_time:
            self._check_running()
            await self._listen_no_more()
            self._tell("listeners suspended")

    async def resume_listeners(self) -> None:
        """Let clients in again. Raises CannotDo."""
        async with self._one_at_a_time:
            self._check_running()
            await self._listen()
            self._tell("listeners resumed")

    def _check_running(self) -> None:
        if not self.is_running:
            raise CannotDo("AMQP is not served: start_app first")

    async def _listen_no_more(self) -> None:
        self._is_listening = False
        await self.server.stop_listening()

    async def _listen(self) -> None:
        if self._is_listening:
            return
        try:
            await self.server.listen_again()
        except ListenError as error:
            raise CannotDo(str(error)) from None
        self._is_listening = True

    def _tell(self, sentence: str) -> None:
        self._tell_site()
        self.server.broker.events.tell("warning", sentence, {})

    def _tell_site(self) -> None:
        if self._site is not None:
            self._site.listening[:] = self._listening()
            self._site.machine = self._machine()

    # Limits

    def set_memory_limit(self, *, size_bytes: int | None = None, fraction: float | None = None) -> None:
        """Hold publishers back above this size, or this part of the machine's memory. Raises CannotDo."""
        memory_bytes = memory_bytes_of(self.settings)
        limit_bytes = _limit_bytes("vm_memory_high_watermark", size_bytes, fraction, memory_bytes)
        self.resources.set_memory_limit(min(limit_bytes, memory_bytes))

    def set_disk_free_limit(self, *, size_bytes: int | None = None, fraction: float | None = None) -> None:
        """Hold publishers back when less than this size, or this multiple of memory, is free. Raises CannotDo."""
        memory_bytes = memory_bytes_of(self.settings)
        self.resources.set_disk_free_limit(
            _limit_bytes("disk_free_limit", size_bytes, fraction, memory_bytes)
        )

    # What it tells and is told

    def stop(self) -> None:
        """End the program, soon. Raises CannotDo."""
        self._program.stop()

    def rotate_logs(self) -> None:
        """Go on in new log files, where there are any. Raises CannotDo."""
        try:
            self._program.rotate_logs()
        except LogUnusable as error:
            raise CannotDo(str(error)) from None

    def set_log_level(self, level: str) -> None:
        """Log what is at least so important. Raises CannotDo."""
        if level not in LOG_LEVELS:
            raise CannotDo(f"'{level}' is none of {', '.join(LOG_LEVELS)}")
        self._program.change_level(level)

    def environment(self) -> dict[str, object]:
        """The settings by their keys, without passwords."""
        return {each.key: _shown(name, each.of(self.settings)) for name, each in SETTINGS.items()}


def certificates_of(tls: Tls | None) -> tuple[str, str]:
    """The files with a listener's certificate, and with its authorities."""
    options = TlsOptions() if tls is None else tls.options
    return str(options.certfile or ""), str(options.cacertfile or "")


def _limit_bytes(name: str, size_bytes: int | None, fraction: float | None, memory_bytes: int) -> int:
    """What a setting of this name would mean on a machine with so much memory. Raises CannotDo."""
    try:
        watermark = Watermark(size_bytes, fraction)
        SETTINGS[name].check(watermark, name)
        limit_bytes = watermark.limit_bytes(memory_bytes)
        # What is too large may be so only on this machine.
        SETTINGS[name].check(Watermark(limit_bytes, None), name)
    except OverflowError:
        raise CannotDo(f"{name}: {fraction} times the memory of this machine is too much") from None
    except (InvalidSetting, ValueError) as error:
        raise CannotDo(str(error)) from None
    return limit_bytes


def _shown(name: str, value: object) -> object:
    """A value as JSON can have it; nobody may see passwords."""
    if name.endswith(HIDDEN_SUFFIXES):
        return None if value is None else HIDDEN
    if isinstance(value, tuple):
        return [_shown("", each) for each in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)
