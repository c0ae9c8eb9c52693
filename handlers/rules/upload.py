"""The line that makes a signed mail with a TSV an officer's upload (manual 1-1-4, 1-3-3 by mail)."""

import re
from dataclasses import dataclass

from handlers.rules.approval import own_lines
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
    found = [match for line in own_lines(text) if (match := _LINE.match(line))]
    if len(found) != 1:
        return None
    approves = found[0]["verb"].upper() in ("申請承認", "APPLY AND APPROVE")
    return UploadLine(_KINDS[found[0]["kind"].upper()], approves, bool(found[0]["faultless"]))
