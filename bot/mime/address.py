"""Who a mail is from, which address part it was sent to, and which mails it answers (threats ID1)."""

import re

from bot.mime.header import Headers

REFERENCES = 20
LONGEST_ADDRESS = 254  # RFC 5321 4.5.3.1.3: a path, less its brackets

_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,20}"
_ENCODED_WORD = re.compile(r"=\?[^?\s<>]+\?[bBqQ]\?[^?\s<>]*\?=")
# what may stand before <address>: quoted strings, comments, words; each begins with a character of its own
_DISPLAY = r"""(?:"(?:[^"\\]|\\.)*"|\([^()<>]*\)|[^\x00-\x08\x0a-\x1f\x7f"(),:;<>@\\])*"""
_ONE_MAILBOX = re.compile(rf"(?:{_DISPLAY}<\s*({_ADDRESS})\s*>|({_ADDRESS}))\s*(?:\([^()<>]*\))?")
# some programs write the address twice, without quotes: `a@x <a@x>`
_TWICE = re.compile(rf"({_ADDRESS})\s*<({_ADDRESS})>")
_DETAIL = re.compile(r"[A-Za-z0-9._%-]{1,64}\+([A-Za-z0-9._-]{1,64})@")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")


def read_mailbox(value: str) -> str | None:
    """The address of a raw From value that is exactly one mailbox, in lower case, else None (ID1).

    Names are read past, never used. `a@x <b@y>`, groups, lists, routes and quoted local parts are refused, and
    what no server could deliver to.
    """
    address = _read_one(value)
    return address if address and len(address) <= LONGEST_ADDRESS else None


def _read_one(value: str) -> str | None:
    plain = _ENCODED_WORD.sub("_", value).strip()
    if twice := _TWICE.fullmatch(plain):
        return twice[1].lower() if twice[1].lower() == twice[2].lower() else None
    match = _ONE_MAILBOX.fullmatch(plain)
    return (match[1] or match[2]).lower() if match else None


def find_sender(headers: Headers) -> str | None:
    """The one From address of the mail, or None where From is missing, repeated or not one mailbox."""
    values = headers.all("from")
    return read_mailbox(values[0]) if len(values) == 1 else None


def find_detail(headers: Headers) -> str | None:
    """`issue` of `desk+issue@…`, in lower case: of the first recipient that has one."""
    for name in ("to", "delivered-to", "x-original-to"):
        for value in headers.all(name):
            if match := _DETAIL.search(value):
                return match[1].lower()
    return None


def find_message_id(headers: Headers) -> str | None:
    match = _MESSAGE_ID.search(headers.first("message-id") or "")
    return match[0] if match else None


def find_references(headers: Headers) -> tuple[str, ...]:
    """The Message-IDs this mail answers, oldest first, each once, the newest 20 (RFC 5322 3.6.4)."""
    values = [*headers.all("references"), *headers.all("in-reply-to")]
    ids = dict.fromkeys(match for value in values for match in _MESSAGE_ID.findall(value))
    return tuple(ids)[-REFERENCES:]
