"""Which mails were written by a machine and are never answered (threats LP1, RFC 3834)."""

import re
from collections.abc import Callable

from bot.mime.header import Headers, read_media_type

# what we write into every mail of ours: a mail that brings it back went in a circle
LOOP_HEADER = "X-Ringi-Loop"

_MACHINE = re.compile(
    r"(?:mailer-daemon|postmaster|(?:no|do-?not)[-_.]?reply)(?:[-_.+][^@]*)?",
    re.IGNORECASE,
)
# delivery reports of some servers name themselves without a domain
_BARE_MACHINE = re.compile(r"(?:^|[<\s])(?:mailer-daemon|postmaster)(?:[>\s]|$)", re.IGNORECASE)


def find_automatic(headers: Headers, sender: str | None) -> str | None:
    """The name of the header that marks a mail as automatic, or None.

    `sender` is its one From address, None where there is no such.
    """
    if _MACHINE.fullmatch((sender or "").partition("@")[0]):
        return "From"
    if sender is None and any(_is_nobody(value) for value in headers.all("from")):
        return "From"
    if any(name.startswith("list-") for name, _ in headers.fields):
        return "List-*"
    return next((name for name, marks in _MARKS if any(marks(v) for v in headers.all(name.lower()))), None)


def _is_nobody(value: str) -> bool:
    return value.strip().endswith("<>") or _BARE_MACHINE.search(value) is not None


def _first_word(value: str) -> str:
    return re.split(r"[\s;(]", value.strip().lower(), maxsplit=1)[0]


def _is_present(value: str) -> bool:
    return True


def _is_auto_submitted(value: str) -> bool:
    return _first_word(value) != "no"


def _is_null_path(value: str) -> bool:
    return re.sub(r"\s", "", value) == "<>"


def _is_bulk(value: str) -> bool:
    return _first_word(value) in ("bulk", "junk", "list", "auto_reply")


def _asks_for_silence(value: str) -> bool:
    return not {"all", "autoreply"}.isdisjoint(re.split(r"[\s,]+", value.lower()))


def _is_report(value: str) -> bool:
    return read_media_type(value, "").value == "multipart/report"


_MARKS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (LOOP_HEADER, _is_present),
    ("Auto-Submitted", _is_auto_submitted),
    ("Return-Path", _is_null_path),
    ("Content-Type", _is_report),
    ("Precedence", _is_bulk),
    ("X-Auto-Response-Suppress", _asks_for_silence),
    ("X-Autoreply", _is_present),
    ("X-Autorespond", _is_present),
    ("X-Failed-Recipients", _is_present),
)
