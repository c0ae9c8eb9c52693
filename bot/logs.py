"""Logging: one event a line, JSON or text, on standard error, the libraries' own warnings too.

A line about a mail names `mail` and `uid`, about an application its `number`, about rows `entry` (SEQ) too, about a
mail of ours `outgoing`: whoever works on one mail binds it with `about`, and every line written meanwhile has it.
Tokens, passphrases and mail bodies are never logged (threats INJ4).

A log that can't be written, on a full disk, stops no work: an event is told after a commit as well as before one.
"""

import json
import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import TextIO

import structlog

from bot.config import Log

# what ends a line, hides or turns text somewhere: C1, DEL, the separators, bidi and zero-width, lone surrogates
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def set_up_logging(settings: Log) -> None:
    """Route structlog and the libraries' own loggers to one stream; the libraries speak only from warnings on."""
    level = getattr(logging, settings.level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_one_line_of_json)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Patient(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_Patient(sys.stderr))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def about(
    *, mail: str | None = None, uid: int | None = None, number: str | None = None, outgoing: int | None = None
) -> AbstractContextManager[None]:
    """What the lines within are about. `mail`: SHA-256 of the raw bytes. `outgoing`: the outbox's id."""
    given = {"mail": mail[:16] if mail else None, "uid": uid, "number": number, "outgoing": outgoing}
    bound = {name: value for name, value in given.items() if value is not None}
    return structlog.contextvars.bound_contextvars(**bound)


def _one_line_of_json(event: object, **options: object) -> str:
    text = json.dumps(event, ensure_ascii=False, default=str)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _name_library(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    record = event.get("_record")
    event["library"] = getattr(record, "name", "")
    return event


class _Patient:
    """What can't be written now waits in the stream's own buffer, as long as that has room. As soon as it can be
    written again, it is told that it could not."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failures = 0

    def write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError:
            self._failures += 1

    def flush(self) -> None:
        try:
            self._stream.flush()
            if self._failures:
                # by a logger on the stream itself: the one that is speaking holds a lock on this object
                told = structlog.wrap_logger(structlog.PrintLogger(self._stream))
                told.warning("log", error="it could not be written for a while", failures=self._failures)
                self._failures = 0
        except OSError:
            self._failures += 1
