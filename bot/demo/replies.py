"""Mails as people's mail programs build them: a plain one with files, and signed replies in their styles."""

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, localtime, make_msgid, parseaddr
from typing import Literal

from bot.demo.mailbox import parse, subject_of, text_of
from bot.demo.seals import Seal

_DOMAIN = "mail-program.example.jp"


@dataclass(frozen=True)
class Style:
    """How a program writes a reply: where the answer stands, how the old text is quoted, how it is wrapped.

    `mark` stands before each quoted line; with no mark a block of old headers stands before the old text.
    `wrapped`: inside a multipart/mixed that repeats the headers (RFC 9788). `flowed`: RFC 3676. `html`: the
    same in HTML stands beside the text.
    """

    answer: Literal["top", "bottom"]
    mark: str
    wrapped: bool = False
    flowed: bool = False
    html: bool = False


STYLES: Mapping[str, Style] = {
    "thunderbird": Style("bottom", "> ", wrapped=True, flowed=True),
    "outlook": Style("top", ""),
    "apple": Style("top", "> ", html=True),
    "mutt": Style("top", "> "),
    "bottom": Style("bottom", "> "),
}


def plain_mail(sender: str, to: str, subject: str, text: str, files: Mapping[str, bytes]) -> bytes:
    """A new mail with attached files, unsigned."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Date"], mail["Message-ID"] = localtime(), make_msgid(domain=_DOMAIN)
    mail.set_content(text)
    for name, data in files.items():
        subtype = "tab-separated-values" if name.endswith((".tsv", ".txt")) else "plain"
        mail.add_attachment(data, maintype="text", subtype=subtype, filename=name)
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))


def plain_reply(request: bytes, sender: str, text: str, *, quote: bool, style: str) -> bytes:
    """A reply without a signature, to the sender of `request`."""
    part = _payload(answer_text(request, text, quote=quote, style=STYLES[style]), STYLES[style], {})
    return _head(_reply_headers(request, sender)) + b"MIME-Version: 1.0\r\n" + part


def signed_reply(request: bytes, sender: str, text: str, *, quote: bool, style: str, seal: Seal) -> bytes:
    """A reply under a signature, to `request`'s sender."""
    headers = _reply_headers(request, sender)
    shape = STYLES[style]
    part = _payload(answer_text(request, text, quote=quote, style=shape), shape, headers)
    return _head(headers) + b"MIME-Version: 1.0\r\n" + seal(part)


def signed_mail(
    sender: str, to: str, subject: str, text: str, files: Mapping[str, bytes], *, seal: Seal
) -> bytes:
    """A new mail with files, all of it under one signature."""
    mail = EmailMessage()
    mail.set_content(text, cte="base64")
    for name, data in files.items():
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    del mail["MIME-Version"]
    part = mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))
    headers = {"From": sender, "To": to, "Subject": subject}
    headers |= {"Date": format_datetime(localtime()), "Message-ID": make_msgid(domain=_DOMAIN)}
    return _head(headers) + b"MIME-Version: 1.0\r\n" + seal(part)


def answer_text(request: bytes, text: str, *, quote: bool, style: Style) -> str:
    """The words of a reply with the old mail quoted; lines ended by LF."""
    if not quote:
        return text + "\n"
    mail = parse(request)
    old = text_of(request).rstrip("\n").split("\n")
    if style.mark:
        quoted = [f"On {mail['Date']}, {mail['From']} wrote:"]
        quoted += [(style.mark + line).rstrip() if line else style.mark.rstrip() for line in old]
    else:
        quoted = ["-----Original Message-----", f"From: {mail['From']}", f"Sent: {mail['Date']}"]
        quoted += [f"To: {mail['To']}", f"Subject: {mail['Subject']}", "", *old]
    parts = [text, "\n".join(quoted)]
    return "\n\n".join(parts if style.answer == "top" else reversed(parts)) + "\n"


def _reply_headers(request: bytes, sender: str) -> dict[str, str]:
    mail = parse(request)
    subject = subject_of(request)
    thread = " ".join(part for part in (mail["References"], mail["Message-ID"]) if part)
    return {
        "From": sender,
        "To": str(mail["From"]),
        "Subject": subject if re.match(r"(?i)re:", subject) else f"Re: {subject}",
        "Date": format_datetime(localtime()),
        "Message-ID": make_msgid(domain=_DOMAIN),
        "In-Reply-To": str(mail["Message-ID"]),
        "References": re.sub(r"\s+", "\r\n ", thread),
    }


def _head(headers: Mapping[str, str]) -> bytes:
    """Header lines, CRLF; words outside ASCII as encoded words (RFC 2047)."""
    return "".join(f"{name}: {_encoded(name, value)}\r\n" for name, value in headers.items()).encode("ascii")


def _encoded(name: str, value: str) -> str:
    if value.isascii():
        return value
    if name in ("From", "To"):
        return formataddr(parseaddr(value))
    return Header(value, "utf-8", header_name=name).encode(linesep="\r\n")


def _payload(text: str, style: Style, headers: Mapping[str, str]) -> bytes:
    """The MIME entity that gets signed: its headers, an empty line, its body; ends with CRLF."""
    part = _leaf(
        "text/plain", _flow(text) if style.flowed else text, "; format=flowed" if style.flowed else ""
    )
    if style.html:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br>\n")
        page = _leaf("text/html", f"<html><body>{escaped}</body></html>\n")
        part = _multipart('multipart/alternative; boundary="{}"', [part, page])
    if style.wrapped and headers:
        repeated = _head({name: value for name, value in headers.items() if name != "Date"})
        kind = 'multipart/mixed; boundary="{}";\r\n protected-headers="v1"; hp="clear"'
        part = _multipart(kind, [part], repeated)
    return part


def _leaf(kind: str, text: str, parameters: str = "") -> bytes:
    body = base64.encodebytes(text.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    head = f"Content-Type: {kind}; charset=UTF-8{parameters}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head.encode() + body


def _multipart(kind: str, parts: list[bytes], more_headers: bytes = b"") -> bytes:
    boundary = f"------------{secrets.token_hex(12)}"
    inner = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    head = f"Content-Type: {kind.format(boundary)}\r\n".encode() + more_headers + b"\r\n"
    return head + inner + f"--{boundary}--\r\n".encode()


def _flow(text: str) -> str:
    """Fixed lines written as format=flowed (RFC 3676 4.4): no soft breaks, stuffing where a line needs it."""
    lines = (line if line == "-- " else line.rstrip(" ") for line in text.split("\n"))
    return "\n".join(f" {line}" if line.startswith((" ", "From ")) else line for line in lines)
