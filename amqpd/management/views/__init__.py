"""What is behind each path; every module registers its own."""

from __future__ import annotations

import importlib

MODULES = (
    "bindings",
    "connections",
    "control",
    "definitions",
    "exchanges",
    "health",
    "limits",
    "looking",
    "messages",
    "moving",
    "nodes",
    "overview",
    "parameters",
    "permissions",
    "policies",
    "queues",
    "users",
    "vhosts",
)


def load() -> None:
    """Import them all, so that the table of resources is whole."""
    for name in MODULES:
        importlib.import_module(f"amqpd.management.views.{name}")
