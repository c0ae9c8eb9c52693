"""What officers look up (manual 1-4): lists, counts, states."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from handlers.rules.statistics import StatisticsLine
from store.states import ApplicationState, EntryState, Kind, Verb


@dataclass(frozen=True)
class OfficerInventory:
    """証明書情報一括ダウンロード (manual 1-4-1). `count`: rows in the file. `url`: where it is fetched once, until
    `expires_at`; both None where it is attached."""

    template: ClassVar = "officer.inventory"
    officer_name: str
    file_name: str
    count: int
    url: str | None
    expires_at: datetime | None


@dataclass(frozen=True)
class OfficerStatistics:
    """発行証明書統計照会 (manual 1-4)."""

    template: ClassVar = "officer.statistics"
    officer_name: str
    file_name: str
    asked_at: datetime
    lines: tuple[StatisticsLine, ...]


@dataclass(frozen=True)
class AllowedDomain:
    name: str
    vetted_until: date | None
    is_usable: bool


@dataclass(frozen=True)
class OfficerAllowlist:
    """許可リスト一括ダウンロード (manual 1-4). `organization`: 機関名(英語表記)."""

    template: ClassVar = "officer.allowlist"
    officer_name: str
    file_name: str
    organization: str
    domains: tuple[AllowedDomain, ...]
    units: tuple[str, ...]


@dataclass(frozen=True)
class StatusRow:
    """One row of an application. `serial`: of its certificate, or of the one a revocation names."""

    seq: int
    fqdn: str
    state: EntryState
    serial: int | None


@dataclass(frozen=True)
class StatusDecision:
    officer: str
    verb: Verb
    seqs: tuple[int, ...]
    comment: str
    decided_at: datetime


@dataclass(frozen=True)
class StatusApplication:
    """`deadline`: the last day to decide, None while nothing is open or a hold stops the clock."""

    number: str
    kind: Kind
    state: ApplicationState
    sender: str
    received_at: datetime
    deadline: date | None
    entries: tuple[StatusRow, ...]
    decisions: tuple[StatusDecision, ...]


class Standing(StrEnum):
    """What a signed certificate is good for now."""

    VALID = "valid"
    RENEWED = "renewed"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True)
class StatusCertificate:
    """`standing`: valid, renewed, revoked or expired."""

    serial: int
    dn: tuple[str, ...]
    number: str
    seq: int
    standing: Standing
    profile_id: int | None
    not_before: datetime
    not_after: datetime
    issued_at: datetime | None
    downloaded_at: datetime | None
    revoked_at: datetime | None
    contact_name: str
    contact_department: str
    contact_mail: str
    software: str


@dataclass(frozen=True)
class OfficerStatus:
    """What was asked about, as typed (empty: everything open), and what was found. `is_cut`: there is more.

    `has_files`: certificate and CSR are attached.
    """

    template: ClassVar = "officer.status"
    officer_name: str
    about: str
    applications: tuple[StatusApplication, ...]
    certificates: tuple[StatusCertificate, ...]
    is_cut: bool
    has_files: bool


@dataclass(frozen=True)
class ResentRow:
    seq: int
    fqdn: str
    contact_mail: str
    expires_at: datetime


@dataclass(frozen=True)
class OfficerResent:
    """New URLs went to the contacts (manual 1-1-5: the officer asks them to download)."""

    template: ClassVar = "officer.resent"
    officer_name: str
    number: str
    entries: tuple[ResentRow, ...]


@dataclass(frozen=True)
class OfficerTimestamp:
    """タイムスタンプURL (manual 1-4). `url` None: this desk names none."""

    template: ClassVar = "officer.timestamp"
    officer_name: str
    url: str | None


@dataclass(frozen=True)
class OfficerHelp:
    template: ClassVar = "officer.help"
    officer_name: str
