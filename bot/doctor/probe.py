"""`ringi check --probe`: a signed mail to ourselves, to see what the mail system does to signed bytes on the way."""

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from itertools import zip_longest
from pathlib import Path

from sqlalchemy import select

from bot.compose.mail import SEALS
from bot.config import Config, SecretFault, load_config
from bot.deliver import deliver_due
from bot.doctor.finding import Finding
from bot.doctor.servers import impatient
from bot.imap.folder import Folder, ImapFault
from bot.mime.automatic import LOOP_HEADER
from bot.mime.header import decode_words
from bot.mime.limits import HEADER_BYTES
from bot.mime.signed import SignedEntity, find_signed
from bot.mime.tree import Entity, read_entity
from bot.smime.sign import SigningFault
from bot.verified import VerifierFault
from bot.wiring import open_signers, own_certificate, utc_now
from handlers.rules.reasons import Reason
from store import outbox
from store.tables import Base, Outgoing
from store.transaction import open_store, reading, writing

_PAUSE = 0.5  # seconds between two looks
_SKEW = timedelta(minutes=5)
_SHOWN = 80  # characters of a line that differs
# what mail systems are known to touch: links, Japanese, `From ` and `.` at the start of a line, attachments
_TEXT = """\
This mail was sent by `ringi check --probe` from the bot to itself. It may be deleted.
この行は日本語です。〜①㈱髙
From the beginning of a line, and a dot alone on the next:
.
https://www.example.ac.jp/?q=1&r=2
"""
_ATTACHMENT = bytes(range(256))


@dataclass(frozen=True)
class _Probe:
    """The mail as it leaves. `token` stands in its header and in no other mail's."""

    token: str
    subject: str
    message_id: str
    raw: bytes
    signed: bytes
    signature: bytes


@dataclass(frozen=True)
class _Arrival:
    """The mail as it came. `received_at`: the server's INTERNALDATE. `seen_at`: our clock."""

    raw: bytes
    received_at: datetime
    seen_at: datetime


def probe(config_path: Path, *, seconds: float = 60) -> list[Finding]:
    """Send, wait `seconds` at most, compare, file the mail under `imap.done`. What fails is a finding.

    A running service may be faster and file it: its header says that it is automatic. Raises TomlFault.
    """
    config = load_config(config_path)
    try:
        with ExitStack() as stack:
            folders = [stack.enter_context(folder) for folder in _folders(config)]
            known = [frozenset(folder.uids()) for folder in folders]
            sent = _make(config, secrets.token_hex(16), utc_now())
            if trouble := _send(config, sent):
                return [_wrong(f"the mail could not be sent: {trouble}", "mend what SMTP says")]
            arrival = _wait(config, sent, folders, known, seconds)
    except ImapFault as fault:
        return [_wrong(str(fault), "mend what IMAP says")]
    except (VerifierFault, SigningFault, SecretFault) as fault:
        return [_wrong(str(fault), "mend what the signing key says")]
    if arrival is None:
        place = f"{config.imap.folder} of {config.imap.user}"
        mend = f"see that mail to {config.address} ends in {place}, and not among spam"
        return [_wrong(f"no mail to {config.address} came within {seconds:.0f} s", mend)]
    return [*_compare(sent, arrival.raw), *_compare_clocks(arrival)]


def _wrong(what: str, mend: str) -> Finding:
    return Finding("probe", False, what, mend)


def _folders(config: Config) -> Iterator[Folder]:
    """Where the mail can turn up: the folder that is read, and where the service files automatic mails."""
    settings = impatient(config.imap)
    for name in dict.fromkeys((settings.folder, settings.done)):
        yield Folder(settings.model_copy(update={"folder": name}))


def _make(config: Config, token: str, now: datetime) -> _Probe:
    """Raises VerifierFault, SigningFault, SecretFault."""
    signers = open_signers(config, own_certificate(config))
    if not signers:
        raise SigningFault("smime.certificate is not set: the bot signs nothing, and so can't probe")
    scheme, sign = next(iter(signers.items()))
    content = EmailMessage(policy=SMTP)
    content.set_content(_TEXT, cte="quoted-printable")
    content.add_attachment(_ATTACHMENT, "application", "octet-stream", filename="probe.sheet")
    del content["MIME-Version"]
    # the line end before the boundary belongs to the boundary (RFC 3156 5)
    signed = content.as_bytes().removesuffix(b"\r\n")
    signature = sign(signed)
    message_id = f"<{token}@{config.address.rpartition('@')[2]}>"
    subject = f"[Ringi] probe {token[:8]}"
    head = (
        f"From: {config.address}\r\nTo: {config.address}\r\nSubject: {subject}\r\n"
        f"Date: {format_datetime(now)}\r\nMessage-ID: {message_id}\r\n"
        f"Auto-Submitted: auto-generated\r\n{LOOP_HEADER}: {config.instance}\r\nX-Ringi-Probe: {token}\r\n"
        "MIME-Version: 1.0\r\n"
    )
    raw = head.encode("ascii") + SEALS[scheme](signed, signature, token)
    return _Probe(token, subject, message_id, raw, signed, signature)


def _send(config: Config, sent: _Probe) -> str | None:
    """Through an outbox of its own, as every mail goes; why it did not go, or None."""
    with tempfile.TemporaryDirectory(prefix="ringi-probe-") as folder:
        engine = open_store(f"sqlite:///{folder}/probe.db")
        try:
            Base.metadata.create_all(engine)
            with writing(engine) as session:
                outbox.enqueue(
                    session,
                    recipient=config.address,
                    template="probe",
                    message_id=sent.message_id,
                    number=None,
                    data=sent.raw,
                    now=utc_now(),
                )
            report = deliver_due(
                engine, impatient(config.smtp), sender=config.address, now=utc_now, rng=lambda: 0.0
            )
            with reading(engine) as session:
                error = session.scalars(select(Outgoing.error)).one()
        finally:
            engine.dispose()
    return None if report.sent else report.fault or error or "the server did not say why"


def _wait(
    config: Config, sent: _Probe, folders: list[Folder], known: list[frozenset[int]], seconds: float
) -> _Arrival | None:
    """Looks at what is new in each folder until the mail is there. Raises ImapFault."""
    end = time.monotonic() + seconds
    while True:
        for folder, before in zip(folders, known, strict=True):
            for uid in folder.uids():
                if uid not in before and (arrival := _take(folder, uid, sent)):
                    if folder is folders[0]:
                        folder.move(uid, config.imap.done)
                    return arrival
        if time.monotonic() >= end:
            return None
        time.sleep(_PAUSE)


def _take(folder: Folder, uid: int, sent: _Probe) -> _Arrival | None:
    header = folder.fetch_header(uid, HEADER_BYTES)
    if header is None or sent.token.encode() not in header:
        return None
    look, raw = folder.look(uid), folder.fetch(uid)
    return _Arrival(raw, look.received_at, datetime.now(UTC)) if look and raw else None


def _compare(sent: _Probe, raw: bytes) -> Iterator[Finding]:
    """What the way changed. A mail that came unharmed is one finding; a new subject harms nothing."""
    found, root = find_signed(raw), read_entity(raw)
    mend = (
        "officers' signatures would break the same way: exempt multipart/signed mails to and from the bot from "
        "disclaimers, footers, link rewriting and conversion"
    )
    if not isinstance(found, SignedEntity):
        top = root.media_type if isinstance(root, Entity) else str(root)
        why = (
            f"{found.value}: our signed part lies inside another"
            if isinstance(found, Reason)
            else "it is gone"
        )
        yield _wrong(f"the signature does not count any more ({why}); the mail came as {top}", mend)
    elif found.signed_bytes != sent.signed:
        yield _wrong(f"signed bytes were changed: {first_difference(sent.signed, found.signed_bytes)}", mend)
    elif found.signature.split() != sent.signature.split():
        yield _wrong("the signature itself was changed", mend)
    else:
        yield Finding("probe", True, "a signed mail came back with every signed byte as it left")
    if isinstance(root, Entity):
        subject = decode_words(root.headers.first("subject") or "").strip()
        if subject != sent.subject:
            yield Finding("probe", True, f"the subject was changed to {subject!r}; nothing is decided by it")
        if (root.headers.first("message-id") or "").strip() != sent.message_id:
            advice = "see if the SMTP server can keep Message-IDs: answers are threaded by them"
            yield Finding("probe", True, "the Message-ID was replaced", advice)


def first_difference(sent: bytes, came: bytes) -> str:
    """The first line (from 1) that is not the same on both sides, with both its forms."""
    pairs = zip_longest(sent.split(b"\r\n"), came.split(b"\r\n"))
    for number, (left, right) in enumerate(pairs, start=1):
        if left != right:
            forms = ("nothing" if line is None else repr(line[:_SHOWN])[1:] for line in (left, right))
            return f"line {number} of the signed part left as {next(forms)} and came as {next(forms)}"
    return "no line"


def _compare_clocks(arrival: _Arrival) -> Iterator[Finding]:
    """Signatures are judged by the server's time, deadlines by ours."""
    if abs(arrival.received_at - arrival.seen_at) > _SKEW:
        what = (
            f"the mail server says {arrival.received_at:%Y-%m-%d %H:%M} UTC, "
            f"this machine {arrival.seen_at:%Y-%m-%d %H:%M} UTC"
        )
        yield Finding("clock", False, what, "set the clock that is wrong: timedatectl set-ntp true")
