"""A fixed sentence, then fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from amqpd.logs.levels import LEVELS


class FieldLogger:
    """Writes sentences with fields; those bound (connection, vhost, user, channel) come with every line."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object] | None = None) -> None:
        self._logger = logger
        self._fields = dict(fields or {})

    def bind(self, fields: Mapping[str, object]) -> FieldLogger:
        """A logger that adds these fields to its own on every line."""
        return FieldLogger(self._logger, {**self._fields, **fields})

    def debug(self, sentence: str, *, fields: Mapping[str, object] | None = None) -> None:
        """For finding out what happens."""
        self._log(logging.DEBUG, sentence, fields)

    def info(self, sentence: str, *, fields: Mapping[str, object] | None = None) -> None:
        """Something happened as it should."""
        self._log(logging.INFO, sentence, fields)

    def warning(self, sentence: str, *, fields: Mapping[str, object] | None = None) -> None:
        """Someone should look."""
        self._log(logging.WARNING, sentence, fields)

    def error(
        self, sentence: str, *, fields: Mapping[str, object] | None = None, cause: BaseException | None = None
    ) -> None:
        """We have a bug or lost something; the traceback of the cause follows, indented."""
        self._log(logging.ERROR, sentence, fields, cause)

    def write(self, level: str, sentence: str, fields: Mapping[str, object]) -> None:
        """A line of the level with this name."""
        self._log(LEVELS[level], sentence, fields)

    def _log(
        self,
        level: int,
        sentence: str,
        fields: Mapping[str, object] | None,
        cause: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {"fields": {**self._fields, **(fields or {})}}
            # the sentence is an argument: a percent sign in it must not be read as a format
            self._logger.log(level, "%s", sentence, extra=extra, exc_info=cause)
