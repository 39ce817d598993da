"""What happened, for whoever wants to know: the core tells, the shell logs or counts."""

from __future__ import annotations

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Events:
    """Hears what happens in the core; this one ignores it."""

    def tell(self, level: str, sentence: str, fields: dict[str, object]) -> None:
        """Take one event: a level of logging ("debug" to "error"), a fixed sentence, and its fields."""
