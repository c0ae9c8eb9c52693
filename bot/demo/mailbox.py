"""One person's mail account, used as a mail program uses it; works against any IMAP and SMTP server.

Only imaplib and smtplib: the rehearsal must not judge the product's own mail edges by those same edges.
"""

import contextlib
import imaplib
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

Security = Literal["tls", "starttls", "none"]
_ANSWER_SECONDS = 30.0
_POLL_SECONDS = 0.1
_UID = re.compile(rb"UID (\d+)")


def parse(raw: bytes) -> EmailMessage:
    """The mail as Python reads it; good enough for people, who also see what their program shows."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def subject_of(raw: bytes) -> str:
    return str(parse(raw)["Subject"] or "")


def text_of(raw: bytes) -> str:
    """The first text/plain leaf without a file name, decoded, lines ended by LF; empty if there is none."""
    for part in parse(raw).walk():
        if part.get_content_type() == "text/plain" and not part.get_filename():
            return str(part.get_content()).replace("\r\n", "\n")
    return ""


def attachments_of(raw: bytes) -> dict[str, bytes]:
    """File name -> decoded bytes, of every leaf that has a name."""
    leaves = (part for part in parse(raw).walk() if not part.is_multipart())
    return {name: bytes(part.get_payload(decode=True)) for part in leaves if (name := part.get_filename())}


@dataclass
class Mailbox:
    """An account: its two servers and its login. `user` is also the address that mails come from.

    `ca_file`: what to trust, None for the system's store.
    """

    imap_host: str
    imap_port: int
    smtp_host: str
    smtp_port: int
    user: str
    password: str
    ca_file: Path | None = None
    imap_security: Security = "starttls"
    smtp_security: Security = "starttls"
    _seen: set[int] = field(default_factory=set, repr=False)
    _kept: dict[int, bytes] = field(default_factory=dict, repr=False)

    def send(self, raw: bytes, to: str) -> None:
        """Hand `raw` (CRLF lines) over to the SMTP server, byte for byte; raises smtplib's errors."""
        with self._smtp() as server:
            if self.smtp_security == "starttls":
                server.starttls(context=self._context())
            server.login(self.user, self.password)
            server.sendmail(self.user, [to], raw, mail_options=["BODY=8BITMIME"] if _is_8bit(raw) else [])

    def wait_for(self, wanted: str | Callable[[bytes], bool], timeout: float = 30) -> bytes:
        """The oldest mail in INBOX that fits and was not returned before.

        `wanted`: a part of the subject, or a predicate over the raw mail. Raises TimeoutError after `timeout`
        seconds, naming the mails that did not fit.
        """
        fits = wanted if callable(wanted) else lambda raw: wanted in subject_of(raw)
        end = time.monotonic() + timeout
        with self._inbox() as inbox:
            while True:
                for uid, raw in self._fetch_new(inbox).items():
                    if uid not in self._seen and fits(raw):
                        self._seen.add(uid)
                        return raw
                if time.monotonic() > end:
                    others = [subject_of(raw) for uid, raw in self._kept.items() if uid not in self._seen]
                    raise TimeoutError(f"{self.user} waited {timeout:g} s for {wanted!r}; unread: {others}")
                time.sleep(_POLL_SECONDS)

    def all(self) -> list[bytes]:
        """Every mail in INBOX, oldest first."""
        with self._inbox() as inbox:
            return list(self._fetch_new(inbox).values())

    def _fetch_new(self, inbox: imaplib.IMAP4) -> dict[int, bytes]:
        inbox.noop()
        found = inbox.uid("SEARCH", "ALL")[1][0] or b""
        uids = [int(word) for word in found.split()]
        if missing := [uid for uid in uids if uid not in self._kept]:
            wanted = ",".join(str(uid) for uid in missing)
            self._kept.update(_bodies(inbox.uid("FETCH", wanted, "(UID BODY.PEEK[])")[1]))
        return {uid: self._kept[uid] for uid in uids if uid in self._kept}

    @contextlib.contextmanager
    def _inbox(self) -> Iterator[imaplib.IMAP4]:
        server = self._imap()
        try:
            server.login(self.user, self.password)
            server.select("INBOX", readonly=True)
            yield server
        finally:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                server.logout()

    def _imap(self) -> imaplib.IMAP4:
        if self.imap_security == "tls":
            return imaplib.IMAP4_SSL(
                self.imap_host, self.imap_port, ssl_context=self._context(), timeout=_ANSWER_SECONDS
            )
        server = imaplib.IMAP4(self.imap_host, self.imap_port, timeout=_ANSWER_SECONDS)
        if self.imap_security == "starttls":
            server.starttls(self._context())
        return server

    def _smtp(self) -> smtplib.SMTP:
        if self.smtp_security == "tls":
            return smtplib.SMTP_SSL(
                self.smtp_host, self.smtp_port, timeout=_ANSWER_SECONDS, context=self._context()
            )
        return smtplib.SMTP(self.smtp_host, self.smtp_port, timeout=_ANSWER_SECONDS)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def _is_8bit(raw: bytes) -> bool:
    return any(byte > 0x7F for byte in raw)


def _bodies(answer: list[bytes | tuple[bytes, bytes] | None]) -> dict[int, bytes]:
    """UID -> mail, from what imaplib makes of a FETCH answer: a pair for each literal, and the rest."""
    bodies: dict[int, bytes] = {}
    for item in answer:
        if isinstance(item, tuple) and (uid := _UID.search(item[0])):
            bodies[int(uid[1])] = item[1]
    return bodies
