"""Structured logs on standard error: JSON for machines, text for a terminal. Nothing secret is ever logged."""

import contextlib
import logging
import sys
from typing import Any, TextIO, cast

import msgspec
import structlog

from blazon.settings import Logging

__all__ = ["configure"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(settings: Logging) -> None:
    """Sets logging up for the process."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    processors: list[structlog.types.Processor] = [
        _add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if text:
        # A plain traceback: the other kind shows local variables, and a password may be among them.
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        processors.append(structlog.dev.ConsoleRenderer(0, colors, exception_formatter=plain, pad_level=False))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=_Factory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries: only what is worth a person's time, in the same stream.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)


class _Lossy:
    """Where lines go. A full disk under the log costs lines, and nothing else."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._file.flush()


class _Logger(structlog.WriteLogger):
    """Writes lines, and knows which part of Blazon it is for."""

    def __init__(self, name: str, file: TextIO) -> None:
        super().__init__(cast("TextIO", _Lossy(file)))
        self.name = name


class _Factory:
    """Makes a logger for the name that stands in `structlog.get_logger`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __call__(self, *names: Any) -> _Logger:
        return _Logger(names[0] if names else "blazon", self._file)


def _add_logger_name(logger: Any, _: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    event["logger"] = logger.name
    return event


def _json(value: object, **_: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
