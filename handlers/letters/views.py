"""What several letters show: applications, rows, evidence, as people read them."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from handlers.rules.row_errors import RowError
from store.states import Kind


@dataclass(frozen=True)
class OldCertificate:
    """The certificate that a row renews or revokes. `changes`: (field, old value, new value), of a renewal only;
    the fields are the manual's column names. That the key pair changes goes without saying."""

    serial: int
    not_after: datetime
    is_valid: bool
    contact_mail: str
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class EntryView:
    """One row as people read it. `dn` holds one `TYPE=value` each, CN first; `public_key` is e.g. `RSA 2048`.

    `row_line` is the line of the sheet's form that stands in the mail: `Row-1 <16 hex> CN=…`. Of a revocation,
    `public_key` is empty, `profile_id` and `public_key_sha256` are None, and `reason` and `comment` are set.
    """

    seq: int
    dn: tuple[str, ...]
    fqdn: str
    dns_names: tuple[str, ...]
    unicode_names: tuple[str, ...]  # the same, for names with xn-- labels; () otherwise
    profile_id: int | None
    public_key: str
    public_key_sha256: str | None
    contact_name: str
    contact_department: str
    contact_mail: str
    software: str
    warnings: tuple[RowError, ...]
    row_line: str
    old: OldCertificate | None = None
    reason: int | None = None
    comment: str = ""


@dataclass(frozen=True)
class ApplicationView:
    """One application as people read it."""

    number: str
    institution: str
    kind: Kind
    sender: str
    received_at: datetime
    file_name: str
    entries: tuple[EntryView, ...]

    @cached_property
    def fqdns(self) -> dict[int, str]:
        """By SEQ: a template that looked through the rows for each of them would take minutes for a thousand."""
        return {entry.seq: entry.fqdn for entry in self.entries}


@dataclass(frozen=True)
class RowOutcome:
    """One line of the manual's result table: SEQ, 処理結果, エラー内容 (manual 1-1-4 step 7)."""

    seq: int
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...] = ()

    @property
    def result(self) -> str:
        return "NG" if self.errors else "OK"


@dataclass(frozen=True)
class SenderEvidence:
    """What speaks for the application's sender; shown to the officer, trusted by nobody.

    `authentication` is the topmost Authentication-Results of our own server, or None. `sender_is_contact`: the mail
    came from the address that column 10 names in every row.
    """

    sender: str
    authentication: str | None
    sender_is_contact: bool


@dataclass(frozen=True)
class StepView:
    """One step of a policy: so many approvals of officers with `role` (empty: of any)."""

    role: str
    approvals: int
    is_done: bool


@dataclass(frozen=True)
class Download:
    """One certificate that waits to be fetched. `url` works once, until `expires_at`."""

    seq: int
    dn: tuple[str, ...]
    serial: int
    url: str
    expires_at: datetime
