"""One notice to one mail: the frozen bytes that go into the outbox (RFC 5322, CRLF, ready for SMTP)."""

import hashlib
import json
import re
from base64 import encodebytes
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.quoprimime import body_encode
from email.utils import format_datetime, formataddr
from typing import Any
from urllib.parse import quote

from bot.compose.lines import one_line
from bot.compose.words import Words
from handlers.context import Desk
from handlers.incoming import Attachment, Scheme
from handlers.letters.applicant import (
    ApplicantDeclined,
    ApplicantDownload,
    ApplicantHeld,
    ApplicantLapsed,
    ApplicantReceived,
    ApplicantRefused,
    ApplicantRevoked,
)
from handlers.letters.monitor import MonitorAlarm, MonitorRecovered, MonitorTrouble
from handlers.letters.officer import (
    OfficerDecided,
    OfficerDownloaded,
    OfficerLapsed,
    OfficerRenewalDownloaded,
    OfficerRevocationReminder,
    OfficerRevoked,
)
from handlers.notices import Letter, Notice
from handlers.rules.reasons import Reason
from store.states import Verb

# the manual's own mails hold text and signature only
_MANUAL = (
    ApplicantDownload,
    OfficerDownloaded,
    OfficerRenewalDownloaded,
    OfficerRevocationReminder,
    OfficerRevoked,
    ApplicantRevoked,
)

_VERB_REASON = {
    Verb.APPROVE: Reason.APPROVED,
    Verb.DECLINE: Reason.DECLINED,
    Verb.HOLD: Reason.HELD,
    Verb.RESUME: Reason.RESUMED,
}
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,240}>")
_THREAD_LENGTH = 10  # so that an answer's References stay far below the limit on one header
_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|;%]')
_LONGEST_NAME = 120

# two columns less than the limit of 76, for the two that `=46` and `=2E` add to a line
_QP_WIDTH = 74


Sign = Callable[[bytes], bytes]


class Composer:
    """Turns notices into mails.

    `signers`: bytes -> a detached signature with SHA-256 over exactly these: an armored OpenPGP block, or a CMS in
    DER. A mail whose reader's system we have no key for leaves unsigned: the other one would look broken there. A
    reader of no known system (applicants, monitors) gets S/MIME where we have it: programs check that unasked.
    """

    def __init__(self, desk: Desk, bot_name: str, signers: Mapping[Scheme, Sign]) -> None:
        self._desk = desk
        self._from = formataddr((one_line(bot_name), one_line(desk.address)), "utf-8")
        self._signers = signers
        self._words = Words(desk)

    def compose(self, notice: Notice, *, now: datetime, message_id: str, journal_head: str | None) -> bytes:
        """The whole mail. The same arguments give the same bytes, unless the signature differs."""
        written = self._words.write(notice.letter, notice.language)
        marker = f"──── Ringi {one_line(notice.number)} ────" if notice.number else "──── Ringi ────"
        seed = hashlib.sha256(message_id.encode()).hexdigest()[:24]
        entity = _entity(f"{marker}\n\n{written.body}", _attachments(notice), seed)
        scheme = notice.sign or Scheme.SMIME
        if sign := self._signers.get(scheme):
            entity = SEALS[scheme](entity, sign(entity), f"=_signed_{seed}")
        thread = [i for i in notice.thread if _MESSAGE_ID.fullmatch(i)][-_THREAD_LENGTH:]
        zone = timezone(timedelta(hours=self._desk.utc_offset_hours))
        headers = [
            f"From: {self._from}",
            f"To: {one_line(notice.to)}",
            f"Subject: {_encoded(written.subject, 'Subject')}",
            f"Date: {format_datetime(now.astimezone(zone))}",
            f"Message-ID: <{one_line(message_id).strip('<>')}>",
            *([f"In-Reply-To: {thread[-1]}", "References: " + "\r\n ".join(thread)] if thread else []),
            f"Auto-Submitted: {'auto-replied' if notice.thread else 'auto-generated'}",
            *([f"X-Ringi-Number: {one_line(notice.number)}"] if notice.number else []),
            *([f"X-Ringi-Journal: {one_line(journal_head)}"] if journal_head else []),
            f"X-Ringi-Loop: {one_line(self._desk.instance)}",
            "MIME-Version: 1.0",
        ]
        return "".join(f"{line}\r\n" for line in headers).encode("ascii") + entity


def _attachments(notice: Notice) -> tuple[Attachment, ...]:
    if isinstance(notice.letter, _MANUAL):
        return notice.attachments
    facts = json.dumps(_facts(notice), ensure_ascii=True, indent=1).encode()
    return (*notice.attachments, Attachment("ringi.json", "application/json", facts + b"\n"))


def _facts(notice: Notice) -> dict[str, object]:
    """What a script may rely on: stable codes only, never free text."""
    return {
        "schema": 1,
        "template": notice.letter.template,
        "number": notice.number,
        "reason": _reason_of(notice.letter),
        "rows": _rows_of(notice.letter),
    }


def _reason_of(letter: Letter) -> str | None:
    match letter:
        case ApplicantReceived():
            return Reason.CHECKED if letter.dry_run else Reason.TAKEN
        case ApplicantRefused():
            return Reason.FILE_FAULT if letter.file_errors else Reason.ROW_FAULT
        case ApplicantHeld() | OfficerDecided():
            return _VERB_REASON[letter.verb]
        case ApplicantDeclined():
            return Reason.DECLINED
        case ApplicantLapsed() | OfficerLapsed():
            return Reason.LAPSED
        case MonitorAlarm() | MonitorTrouble() | MonitorRecovered():
            return letter.what
    reason = getattr(letter, "reason", None)
    return reason if isinstance(reason, Reason) else None


def _rows_of(letter: Letter) -> list[dict[str, object]]:
    """The result table where the letter has one; else the rows it is about, their warnings, and no result."""
    outcomes: Any = getattr(letter, "rows", None)
    if outcomes is not None:
        return [
            {
                "seq": row.seq,
                "result": row.result,
                "codes": [int(e.code) for e in (*row.errors, *row.warnings)],
            }
            for row in outcomes
        ]
    application = getattr(letter, "application", None)
    seqs = getattr(letter, "seqs", None) or ()
    entries = application.entries if application else ()
    return [
        {"seq": entry.seq, "result": None, "codes": [int(w.code) for w in entry.warnings]}
        for entry in entries
        if not seqs or entry.seq in seqs
    ]


def _entity(text: str, attachments: tuple[Attachment, ...], seed: str) -> bytes:
    """A MIME entity with its own Content-Type, its last line ended: what is signed, byte for byte.

    The text goes as quoted-printable: signed mail must be 7 bit (RFC 3156 3), and unlike base64 it leaves numbers,
    codes, row lines and URLs readable in the raw mail, where evidence is looked up with grep.
    """
    first = (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + _quoted_printable(text)
    )
    if not attachments:
        return first
    boundary = f"=_part_{seed}"  # `=_` never stands in quoted-printable or base64
    kind = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
    return kind.encode() + _joined([first, *(_attached(a) for a in attachments)], boundary)


def _seal_openpgp(entity: bytes, signature: bytes, boundary: str) -> bytes:
    """multipart/signed around exactly `entity` (RFC 3156 5): nothing is parsed or written anew after signing."""
    kind = (
        'Content-Type: multipart/signed; micalg=pgp-sha256;\r\n protocol="application/pgp-signature";\r\n'
        f' boundary="{boundary}"\r\n\r\nThis is a mail signed with OpenPGP (RFC 3156).\r\n'
    )
    armor = b"\r\n".join(signature.strip().splitlines())
    part = (
        b'Content-Type: application/pgp-signature; name="signature.asc"\r\n'
        b'Content-Disposition: attachment; filename="signature.asc"\r\n\r\n' + armor + b"\r\n"
    )
    return kind.encode() + _joined([entity, part], boundary)


def _seal_smime(entity: bytes, signature: bytes, boundary: str) -> bytes:
    """The same by S/MIME (RFC 8551 3.5.3)."""
    kind = (
        'Content-Type: multipart/signed; micalg=sha-256;\r\n protocol="application/pkcs7-signature";\r\n'
        f' boundary="{boundary}"\r\n\r\nThis is a mail signed with S/MIME (RFC 8551).\r\n'
    )
    part = (
        b'Content-Type: application/pkcs7-signature; name="smime.p7s"\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n'
    )
    return kind.encode() + _joined([entity, part + _base64(signature)], boundary)


# how an entity and its signature become one, by system: (entity, signature, boundary) -> multipart/signed
SEALS = {Scheme.OPENPGP: _seal_openpgp, Scheme.SMIME: _seal_smime}


def _joined(parts: list[bytes], boundary: str) -> bytes:
    delimiter = f"--{boundary}".encode()
    return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def _attached(attachment: Attachment) -> bytes:
    kind = attachment.content_type.lower()
    if not _CONTENT_TYPE.fullmatch(kind):
        kind = "application/octet-stream"
    name = _parameter("filename", _safe_name(attachment.name))
    headers = (
        f"Content-Type: {kind}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment{name}\r\n\r\n"
    )
    return headers.encode("ascii") + _base64(attachment.data)


def _base64(data: bytes) -> bytes:
    return encodebytes(data).replace(b"\n", b"\r\n")


def _safe_name(name: str) -> str:
    """A file name that is no path, hides nothing and starts nothing (threats INJ5)."""
    plain = _NOT_IN_NAMES.sub("_", one_line(name)).lstrip(". ")
    return plain[-_LONGEST_NAME:] or "attachment"


def _parameter(name: str, value: str) -> str:
    """A MIME parameter with what stands before it; beyond ASCII in pieces (RFC 2231 3 and 4)."""
    if value.isascii():
        return f';\r\n {name}="{value}"'
    pieces = [quote(value[i : i + 5], safe="") for i in range(0, len(value), 5)]
    pieces[0] = f"utf-8''{pieces[0]}"
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}"
    return "".join(f";\r\n {name}*{i}*={piece}" for i, piece in enumerate(pieces))


def _encoded(value: str, name: str) -> str:
    """An unstructured header value, encoded and folded (RFC 2047), already cleaned of what is unseen."""
    return Header(value, header_name=name, maxlinelen=76).encode(linesep="\r\n")


def _quoted_printable(text: str) -> bytes:
    """Lines of at most 76; no gateway may want to change one: no trailing blanks, no `From `, no lone dot."""
    octets = text.replace("\n", "\r\n").encode().decode("latin-1")
    encoded = body_encode(octets, maxlinelen=_QP_WIDTH, eol="\r\n")
    return re.sub(r"(?m)^(From |\.)", lambda m: f"={ord(m[1][0]):02X}{m[1][1:]}", encoded).encode("ascii")
