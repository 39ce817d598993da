"""The one node there is."""

from __future__ import annotations

import os
import sys

from amqpd import __version__
from amqpd.broker.alarms import DISK, MEMORY
from amqpd.management import access
from amqpd.management.answers import Missing
from amqpd.management.asked import Asked
from amqpd.management.lists import columns_of, listed
from amqpd.management.ranges import Ranges, ranges_of
from amqpd.management.resources import resource
from amqpd.management.rows import CHURN, NO_ERLANG_FILES, NO_GARBAGE, RESOURCES
from amqpd.management.site import Site
from amqpd.management.stats import node_counted
from amqpd.management.views.overview import auth_mechanisms, contexts, exchange_types

PROCESSES_MAX = 1048576

NODES = resource("/nodes", access.monitors)
NODE = resource("/nodes/:node", access.monitors)
MEMORY_OF = resource("/nodes/:node/memory", access.monitors)
MEMORY_RELATIVE = resource("/nodes/:node/memory/relative", access.monitors)
ATTEMPTS = resource("/auth/attempts/:node", access.monitors)
ATTEMPTS_BY_SOURCE = resource("/auth/attempts/:node/source", access.monitors)


@NODES.on("GET")
async def nodes(asked: Asked) -> object:
    """A list of one."""
    return await listed(asked, [_node(asked, ranges_of(asked))], ("name",))


@NODE.on("GET")
async def node(asked: Asked) -> object:
    """That one; `memory=true` adds what it takes."""
    _check(asked)
    told = _node(asked, ranges_of(asked))
    if asked.is_set("memory"):
        told["memory"] = _memory(asked.site)
    return columns_of(asked, told)


@MEMORY_OF.on("GET")
async def memory(asked: Asked) -> object:
    """What it takes of the machine's memory; not who has it, as in Python nobody knows."""
    _check(asked)
    return {"memory": _memory(asked.site)}


@MEMORY_RELATIVE.on("GET")
async def relative_memory(asked: Asked) -> object:
    """The same in per cent."""
    _check(asked)
    return {"memory": {"other_proc": 100, "total": 100}}


@ATTEMPTS.on("GET")
@ATTEMPTS_BY_SOURCE.on("GET")
async def attempts(asked: Asked) -> object:
    """Who has tried to log in is in the log."""
    _check(asked)
    return []


@ATTEMPTS.on("DELETE")
@ATTEMPTS_BY_SOURCE.on("DELETE")
async def forget_attempts(asked: Asked) -> None:
    """None are kept."""
    _check(asked)


def _check(asked: Asked) -> None:
    if asked.names["node"] != asked.site.node:
        raise Missing()


def _memory(site: Site) -> dict[str, object]:
    used = site.machine.memory_used_bytes() or 0
    return {
        "other_proc": used,
        "strategy": "rss",
        "total": {"erlang": used, "rss": used, "allocated": used},
    }


def _node(asked: Asked, ranges: Ranges) -> dict[str, object]:
    site = asked.site
    if asked.without_stats():
        return {"name": site.node, "type": "disc", "running": is_running(site)}
    machine = site.machine
    told: dict[str, object] = {
        "partitions": [],
        "os_pid": str(site.process_id),
        "fd_total": _files_max(),
        "sockets_total": _files_max(),
        "mem_limit": machine.memory_limit_bytes,
        "mem_alarm": site.broker.alarms.is_raised(MEMORY),
        "disk_free_limit": machine.disk_free_limit_bytes,
        "disk_free_alarm": site.broker.alarms.is_raised(DISK),
        "proc_total": PROCESSES_MAX,
        "rates_mode": "basic",
        "uptime": int((site.broker.clock.monotonic_s() - site.started_s) * 1000),
        "run_queue": 0,
        "processors": os.cpu_count() or 1,
        "exchange_types": exchange_types(),
        "auth_mechanisms": auth_mechanisms(),
        "applications": [
            {"name": "amqpd", "description": "AMQP 0-9-1 broker", "version": __version__},
            {"name": "python", "description": "Python", "version": sys.version.split()[0]},
        ],
        "contexts": contexts(site),
        "log_files": list(machine.log_files),
        "db_dir": machine.data_dir,
        "config_files": list(machine.config_files),
        "net_ticktime": 60,
        "enabled_plugins": _plugins(site),
        "mem_calculation_strategy": "rss",
        "name": site.node,
        "type": "disc",
        "running": is_running(site),
        "cluster_links": [],
    }
    if site.control is not None and site.control.is_drained:
        told["being_drained"] = True
    numbers = (*RESOURCES, *NO_GARBAGE, *NO_ERLANG_FILES, *CHURN)
    return told | node_counted(site).told(numbers, ranges.node_stats)


def _plugins(site: Site) -> list[str]:
    """Those of RabbitMQ's that do what is served here."""
    protocols = {listening.protocol for listening in site.listening}
    plugins = {
        "rabbitmq_management": {"http", "https"},
        "rabbitmq_prometheus": {"http/prometheus", "https/prometheus"},
    }
    return [name for name, served in plugins.items() if served & protocols]


def is_running(site: Site) -> bool:
    """Whether AMQP is served."""
    return site.control is None or site.control.is_running


def _files_max() -> int:
    if sys.platform == "win32":
        return 0
    import resource as limits

    return limits.getrlimit(limits.RLIMIT_NOFILE)[0]
