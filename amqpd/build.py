"""Which of the two builds runs: the core compiled by mypyc, or the same files interpreted."""

import importlib.util

COMPILED_SUFFIXES = (".so", ".pyd")


def build() -> str:
    """ "compiled" or "interpreted", judged by where the protocol core is loaded from."""
    spec = importlib.util.find_spec("amqpd.protocol.connection")
    origin = spec.origin if spec is not None else None
    return "compiled" if origin is not None and origin.endswith(COMPILED_SUFFIXES) else "interpreted"
