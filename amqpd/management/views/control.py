"""What administrators do to the node as a whole; RabbitMQ has no such paths, as its commands speak to Erlang."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from amqpd.management import access
from amqpd.management.answers import Missing, Refused, bad_request
from amqpd.management.asked import Asked, text
from amqpd.management.node import CannotDo, Node
from amqpd.management.resources import resource

ABSOLUTE, RELATIVE = "absolute", "relative"


def locals_only(asked: Asked) -> str:
    """Whoever may open the broker's UNIX socket: nobody ends the program from afar."""
    return "" if access.is_local(asked.request) else "Only over the broker's UNIX socket"


STATE = resource("/nodes/:node/state", access.monitors)
ENVIRONMENT = resource("/nodes/:node/environment", access.administrators)
MEMORY_LIMIT = resource("/nodes/:node/memory-limit", access.administrators)
DISK_FREE_LIMIT = resource("/nodes/:node/disk-free-limit", access.administrators)
LOG_LEVEL = resource("/nodes/:node/log-level", access.administrators)

ACTIONS: dict[str, Callable[[Node], Awaitable[None] | None]] = {
    "stop-app": lambda node: node.stop_app(),
    "start-app": lambda node: node.start_app(),
    "reset": lambda node: node.reset(),
    "drain": lambda node: node.drain(),
    "revive": lambda node: node.revive(),
    "suspend-listeners": lambda node: node.suspend_listeners(),
    "resume-listeners": lambda node: node.resume_listeners(),
    "rotate-logs": lambda node: node.rotate_logs(),
    "stop": lambda node: node.stop(),
}
"""What can be done to the node without saying more, by the last part of its path."""

RULES = {"stop": locals_only}
"""Who may do it, if not every administrator."""


def node_of(asked: Asked) -> Node:
    """The node in the path. Raises Missing, or Refused (409) where nobody can do anything to it."""
    if asked.names["node"] != asked.site.node:
        raise Missing()
    if asked.site.control is None:
        raise Refused(409, "conflict", "this broker has nobody who could do that")
    return asked.site.control


def _register(name: str, act: Callable[[Node], Awaitable[None] | None]) -> None:
    @resource(f"/nodes/:node/{name}", RULES.get(name, access.administrators)).on("POST")
    async def do(asked: Asked) -> None:
        try:
            doing = act(node_of(asked))
            if doing is not None:
                await doing
        except CannotDo as error:
            raise Refused(409, "conflict", error.text) from None

    do.__doc__ = getattr(Node, name.replace("-", "_")).__doc__


for _name, _act in ACTIONS.items():
    _register(_name, _act)


@STATE.on("GET")
async def state(asked: Asked) -> object:
    """Whether AMQP is served, and whether the node is under maintenance."""
    node = node_of(asked)
    return {"running": node.is_running, "being_drained": node.is_drained, "os_pid": node.process_id}


@ENVIRONMENT.on("GET")
async def environment(asked: Asked) -> object:
    """The settings by their keys."""
    return node_of(asked).environment()


@MEMORY_LIMIT.on("PUT")
async def set_memory_limit(asked: Asked) -> bool:
    """Hold publishers back above another size, or another part of the machine's memory."""
    _set_limit(asked, node_of(asked).set_memory_limit)
    return False


@DISK_FREE_LIMIT.on("PUT")
async def set_disk_free_limit(asked: Asked) -> bool:
    """Hold publishers back below another size, or another multiple of the machine's memory."""
    _set_limit(asked, node_of(asked).set_disk_free_limit)
    return False


def _set_limit(asked: Asked, set_limit: Callable[..., None]) -> None:
    values = asked.values()
    if len(values) != 1 or next(iter(values)) not in (ABSOLUTE, RELATIVE):
        raise bad_request("a limit is either absolute, in bytes, or relative to this machine's memory")
    size_bytes, fraction = values.get(ABSOLUTE), values.get(RELATIVE)
    number = fraction if size_bytes is None else size_bytes
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise bad_request("a limit is a number")
    try:
        if size_bytes is None:
            set_limit(fraction=float(number))
        else:
            set_limit(size_bytes=int(number))
    except CannotDo as error:
        raise bad_request(error.text) from None
    except OverflowError:
        raise bad_request("a limit this large is none") from None


@LOG_LEVEL.on("PUT")
async def set_log_level(asked: Asked) -> bool:
    """Log what is at least so important."""
    level = text(asked.values("level")["level"], "level")
    try:
        node_of(asked).set_log_level(level)
    except CannotDo as error:
        raise bad_request(error.text) from None
    return False
