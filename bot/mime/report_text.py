"""Delivery reports that only have sentences: qmail, Exim, old Sendmail, Yahoo!, Notes, Japanese providers.

Each format is one row of a table: how it is known, and where its own words end and the returned mail begins.
"""

import re
from dataclasses import dataclass

from handlers.rules.delivery import Action

_ADDRESSES = 50
_OWN_WORDS = 16 * 1024  # characters of the report itself that are read


@dataclass(frozen=True)
class SentenceReport:
    """`addresses`: all that it names, in lower case. `said`: the paragraph that names the last, for people."""

    addresses: tuple[str, ...]
    action: Action
    said: str


# what was given up; the first lines of qmail's and Yahoo!'s form, then those of the others
_FAILED = re.compile(
    r"""
      ^Hi\.\ This\ is\ the\ .{1,200}\ (?:program|deliver)   # qmail: "Hi. This is the qmail-send program at …"
    | ^(?:Message\ from|Hi\.\ This\ is)\ .{0,80}yahoo
    | unable\ to\ deliver\ (?:your\ |the\ )?(?:following\ )?message
    | could\ not\ be\ delivered
    | cannot\ be\ delivered
    | (?:was|were)\ not\ delivered\ to
    | (?:could\ not|couldn't)\ be\ reached
    | did\ not\ reach\ (?:some|all|the)
    | delivery\ to\ the\ following\ recipients?\ (?:has\ |have\ )?failed
    | had\ permanent\ (?:fatal\ )?(?:delivery\ )?errors
    | permanent\ (?:delivery\ )?(?:error|failure)
    | user\ unknown
    | undeliverable
    | (?:配信|配送|送信|配達)(?:に失敗|できません|できなかった|不能|エラー)
    | 届けることができません
    | (?:届き|お届けでき)ませんでした
    | (?:宛先|あて先|メールアドレス|アカウント)[^\n]{0,40}(?:存在しません|見つかりません(?:でした)?|不明)
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# what will be tried again is no failure, whatever else the sentence says
_DELAYED = re.compile(
    r"""
      not\ yet\ been\ delivered
    | will\ (?:keep\ trying|continue\ to\ be\ tried|be\ retried|retry)
    | you\ do\ not\ need\ to\ resend
    | no\ action\ is\ required\ on\ your\ part
    | warning\ message\ only
    | delivery\ attempts\ will\ continue
    | (?:遅延|遅れて)
    | 再送(?:信)?を(?:試み|続け|行い)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# where the returned mail begins
_RETURNED = re.compile(
    r"""
      ^---+\ (?:Below\ this\ line\ is\ a\ copy|This\ is\ a\ copy\ of|The\ body\ of\ the\ message|Original\ message
              |Unsent\ message|Message\ header|Returned\ message|Message\ text|以下|元のメ)
    | ^(?:Received|Return-Path|Message-ID|Content-Type|MIME-Version):[ ]
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_MESSAGE_ID = re.compile(r"^[>| \t]{0,8}Message-ID:\s{0,8}(<[!-;=?-~]{1,250}>)", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")


def read_sentences(text: str, failed: list[str]) -> SentenceReport | None:
    """What a report in words says, or None where nothing in it says that a mail did not arrive.

    `failed`: values of X-Failed-Recipients. Every address in the report's own words is one it may be about: whether
    one of them is the row's recipient, and the Message-ID that of the row, is judged by whoever reads this.
    """
    start = _RETURNED.search(text)
    own = text[: min(start.start() if start else len(text), _OWN_WORDS)]
    is_delayed = _DELAYED.search(own) is not None
    if not (is_delayed or failed or _FAILED.search(own)):
        return None
    listed = _ADDRESS.findall("\n".join((*failed, own)))[:_ADDRESSES]
    if not listed:
        return None
    action = Action.DELAYED if is_delayed else Action.FAILED
    addresses = tuple(dict.fromkeys(address.strip("'.").lower() for address in listed))
    return SentenceReport(addresses, action, _last_paragraph(own))


def quoted_id(text: str) -> tuple[str, ...]:
    """The Message-ID of a returned mail that is no part of its own: the first, the others being of what it quotes."""
    return tuple(_MESSAGE_ID.findall(text)[:1])


def _last_paragraph(own: str) -> str:
    """From the line that names an address to the end of its paragraph, or of the next where that is all it holds."""
    paragraphs = [paragraph.strip() for paragraph in re.split(r"\n[ \t]*\n", own)]
    for place in reversed(range(len(paragraphs))):
        paragraph = paragraphs[place]
        if address := _ADDRESS.search(paragraph):
            lines = paragraph[paragraph.rfind("\n", 0, address.start()) + 1 :]
            follows = paragraphs[place + 1 : place + 2] if "\n" not in lines else []
            return " ".join((lines, *follows))
    return ""
