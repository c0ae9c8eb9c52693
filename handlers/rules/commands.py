"""Reading an officer's information command out of the text that officer signed (manual 1-4).

As with decisions, only a line of the officer's own that equals one of the forms counts: `approval.own_lines`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from handlers.rules.approval import own_lines, read_decision
from handlers.rules.reasons import Reason


class Topic(StrEnum):
    """What an officer may ask for."""

    INVENTORY = "inventory"  # 証明書情報一括ダウンロード
    STATISTICS = "statistics"  # 発行証明書統計照会
    ALLOWLIST = "allowlist"  # 許可リスト一括ダウンロード
    STATUS = "status"
    RESEND = "resend"
    TIMESTAMP = "timestamp"  # タイムスタンプURL
    HELP = "help"


_FORMS = (
    (Topic.INVENTORY, re.compile(r"^(?:一覧|INVENTORY)[。.]?$", re.I)),
    (Topic.STATISTICS, re.compile(r"^(?:統計|STATISTICS)[。.]?$", re.I)),
    (Topic.ALLOWLIST, re.compile(r"^(?:許可リスト|ALLOWLIST)[。.]?$", re.I)),
    (Topic.STATUS, re.compile(r"^(?:状況|STATUS)(?: (?P<about>\S{1,255}?))?[。.]?$", re.I)),
    (Topic.RESEND, re.compile(r"^(?:再送|RESEND)(?: (?P<about>\S{1,255}?))?[。.]?$", re.I)),
    (Topic.TIMESTAMP, re.compile(r"^(?:タイムスタンプ|TIMESTAMP)[。.]?$", re.I)),
    (Topic.HELP, re.compile(r"^(?:ヘルプ|HELP)[。.]?$", re.I)),
)


@dataclass(frozen=True)
class Command:
    """One command. `about`: an application's number, a serial, an FQDN, as typed (NFKC folded); empty: none given."""

    topic: Topic
    about: str = ""


def read_command(text: str) -> Command | Reason | None:
    """The one command in a signed text (LF line ends, unflowed); None if there is none.

    TWO_COMMANDS where there are several, or one beside a decision: then nothing in the text may be carried out.
    """
    found = [command for line in own_lines(text) if (command := _parse_line(line))]
    if not found:
        return None
    if len(found) > 1 or read_decision(text).fault is not Reason.NO_DECISION:
        return Reason.TWO_COMMANDS
    return found[0]


def _parse_line(line: str) -> Command | None:
    for topic, form in _FORMS:
        if match := form.match(line):
            return Command(topic, match.groupdict().get("about") or "")
    return None
