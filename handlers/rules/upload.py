"""The line that makes a signed mail with a TSV an officer's upload (manual 1-1-4, 1-3-3 by mail)."""

import re
from dataclasses import dataclass

from handlers.rules.approval import own_lines, read_decision
from handlers.rules.commands import read_command
from handlers.rules.reasons import Reason
from store.states import Kind

_KINDS = {"発行": Kind.ISSUE, "更新": Kind.RENEW, "失効": Kind.REVOKE}
_KINDS |= {"ISSUE": Kind.ISSUE, "RENEW": Kind.RENEW, "REVOKE": Kind.REVOKE}
_LINE = re.compile(
    r"^(?P<verb>申請承認|申請|APPLY AND APPROVE|APPLY) (?P<kind>発行|更新|失効|ISSUE|RENEW|REVOKE)"
    r"(?P<faultless> (?:有効分のみ|FAULTLESS-ONLY))?[。.]?$",
    re.I,
)


@dataclass(frozen=True)
class UploadLine:
    """`申請 発行` or `申請承認 発行 有効分のみ`. `approves`: what is uploaded is approved by the same mail."""

    kind: Kind
    approves: bool
    faultless_only: bool


def read_upload(text: str) -> UploadLine | None:
    """The one upload line among the officer's own; None if there is none, or two."""
    found = _find_lines(text)
    if len(found) != 1:
        return None
    approves = found[0]["verb"].upper() in ("申請承認", "APPLY AND APPROVE")
    return UploadLine(_KINDS[found[0]["kind"].upper()], approves, bool(found[0]["faultless"]))


def speaks_of_file(text: str) -> bool:
    """Whether a signed text is about the file beside it alone: with a decision, the code of a sheet or a command in it
    the mail is something else, and the file approves nothing (threats AP3)."""
    reading = read_decision(text)
    return reading.fault is Reason.NO_DECISION and not reading.codes and read_command(text) is None


def returns_file(text: str) -> bool:
    """Whether the text leaves it to the file: no upload line says what else is to become of it."""
    return speaks_of_file(text) and not _find_lines(text)


def _find_lines(text: str) -> list[re.Match[str]]:
    return [match for line in own_lines(text) if (match := _LINE.match(line))]
