"""One mail as the handlers see it: every fact already established, nothing left to fetch or to verify."""

from dataclasses import dataclass
from datetime import datetime

from handlers.rules.delivery import DeliveryReport
from handlers.rules.reasons import Reason
from handlers.rules.scheme import Scheme

__all__ = ["Attachment", "IncomingMail", "MailKey", "Material", "Scheme", "Signature", "SignedContent"]


@dataclass(frozen=True)
class MailKey:
    """Where a mail lay on the server. `uid` is unique within (account, folder, uidvalidity), RFC 9051 2.3.1.1."""

    account: str
    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True)
class Attachment:
    """A leaf part: its file name (never a path, may be empty), its type `a/b` in lower case, its decoded bytes."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True)
class SignedContent:
    """What stands inside one signature and nothing else.

    `signed_sha256`: of `signed_bytes`; of an inline block: of its text, which alone the signature covers.
    `text` is the first leaf, decoded strictly and unflowed, lines ended by LF; None with `text_fault` saying why.
    `sender` is the signed part's own From address where it repeats one (RFC 9788), else None.
    """

    signed_bytes: bytes
    signed_sha256: str
    text: str | None
    text_fault: Reason | None
    sender: str | None
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True)
class Material:
    """Something a signature was verified with: `key.asc`, `certificate.der`, `issuer-1.der`, `crl-1.der`."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Signature:
    """A signature that verified: one signer, a key pinned for an officer.

    `fingerprint` is the pinned one, hex in capitals (OpenPGP: of the primary key, 40 or 64 digits; S/MIME: SHA-256 of
    the public key). `status`: what the verification said (gpg's status lines, or our own); `materials`: what it was
    done with. Both are kept with the decision, so that it can be verified again offline (threats AP5).
    """

    scheme: Scheme
    fingerprint: str
    institution: str
    officer: str
    signed_at: datetime
    content: SignedContent
    status: bytes = b""
    materials: tuple[Material, ...] = ()


@dataclass(frozen=True)
class IncomingMail:
    """A parsed mail with its signature verified or refused.

    `received_at`: INTERNALDATE in UTC. `sender`: the one From address in lower case, or None where From is not one
    plain mailbox. `fault`: why the mail could not be read as a whole (limits, broken structure); then `text` is empty
    and `attachments` is (). `automatic`: which header marks it as automatic mail, or None.
    At most one of `signature` and `signature_fault` is set; neither for an unsigned mail. `refused_key`: the pinned
    key of a signature that is good by itself but was refused for who sent it. `report`: what a mail server says of
    mails of ours, unproven.
    """

    key: MailKey
    received_at: datetime
    raw_sha256: str
    raw: bytes
    message_id: str | None
    references: tuple[str, ...]
    sender: str | None
    subject: str
    to_detail: str | None
    text: str
    attachments: tuple[Attachment, ...]
    authentication: str | None
    automatic: str | None
    fault: Reason | None
    signature: Signature | None
    signature_fault: Reason | None
    signature_scheme: Scheme | None
    refused_key: str | None = None
    report: DeliveryReport | None = None
