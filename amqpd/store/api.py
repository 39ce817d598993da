"""The seam between the broker and what makes its state last."""

from __future__ import annotations

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Log:
    """An ordered record of everything durable; this one keeps nothing: the broker lives in memory alone."""

    def append_definition(self, vhost: str, definition: object) -> None:
        """Record a durable change of a vhost's definitions, a value of `broker/definitions.py`."""
