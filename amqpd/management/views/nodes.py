"""The one node there is."""

from __future__ import annotations

import os
import sys

from amqpd import __version__
from amqpd.broker.alarms import DISK, MEMORY
from amqpd.management import access
from amqpd.management.answers import Missing
from amqpd.management.asked import Asked
from amqpd.management.lists import check_ranges, columns_of, listed
from amqpd.management.resources import resource
from amqpd.management.site import Site
from amqpd.management.stats import with_rates
from amqpd.management.views.overview import auth_mechanisms, churn_rates, contexts, exchange_types

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
    check_ranges(asked)
    return await listed(asked, [_node(asked)], ("name",))


@NODE.on("GET")
async def node(asked: Asked) -> object:
    """That one; `memory=true` adds what it takes."""
    _check(asked)
    told = _node(asked)
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
async def attempts(asked: Asked) -> object:
    """Who has tried to log in is in the log."""
    _check(asked)
    return []


@ATTEMPTS_BY_SOURCE.on("GET")
async def attempts_by_source(asked: Asked) -> object:
    """Who has tried to log in is in the log."""
    _check(asked)
    return []


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


def _node(asked: Asked) -> dict[str, object]:
    site = asked.site
    if asked.without_stats():
        return {"name": site.node, "type": "disc", "running": True}
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
        "log_files": ["<stderr>"],
        "db_dir": machine.data_dir,
        "config_files": list(machine.config_files),
        "net_ticktime": 60,
        "enabled_plugins": ["rabbitmq_management"],
        "mem_calculation_strategy": "rss",
        "name": site.node,
        "type": "disc",
        "running": True,
        "cluster_links": [],
    }
    numbers = {
        "mem_used": machine.memory_used_bytes() or 0,
        "disk_free": machine.disk_free_bytes() or 0,
        "fd_used": _files_open(),
        "sockets_used": len(site.connections()),
        "proc_used": 1,
        "gc_num": 0,
        "gc_bytes_reclaimed": 0,
        "context_switches": 0,
    }
    return told | with_rates(site, ("node",), numbers) | churn_rates(site, ("node",))


def _files_max() -> int:
    if sys.platform == "win32":
        return 0
    import resource as limits

    return limits.getrlimit(limits.RLIMIT_NOFILE)[0]


def _files_open() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
