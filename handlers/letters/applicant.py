"""Letters to applicants (利用管理者)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from handlers.letters.lookup import Standing
from handlers.letters.views import ApplicationView, Download, RowOutcome
from handlers.rules.reasons import Reason
from handlers.rules.row_errors import RowError
from store.states import EntryState, Kind, Verb


@dataclass(frozen=True)
class ApplicantReceived:
    """`deadline`: the last day to decide; None where nobody may decide yet: no policy names its kind."""

    template: ClassVar = "applicant.received"
    application: ApplicationView
    rows: tuple[RowOutcome, ...]
    deadline: date | None
    dry_run: bool
    encoding: str
    token: str = ""  # for 取下げ, or for a corrected TSV in reply; empty for a dry run


@dataclass(frozen=True)
class ApplicantRefused:
    """An application with faults: every row and every error. `number` is None: nothing was kept."""

    template: ClassVar = "applicant.refused"
    kind: Kind
    file_name: str
    file_errors: tuple[RowError, ...]
    rows: tuple[RowOutcome, ...]
    dry_run: bool


@dataclass(frozen=True)
class ApplicantHelp:
    """Anything else an applicant sent that the bot could not take."""

    template: ClassVar = "applicant.help"
    reason: Reason
    subject: str


@dataclass(frozen=True)
class ApplicantDeclined:
    template: ClassVar = "applicant.declined"
    application: ApplicationView
    seqs: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class ApplicantHeld:
    """Held, or resumed. `deadline`: the day a hold ends by itself; after resuming, the last day to decide."""

    template: ClassVar = "applicant.held"
    application: ApplicationView
    verb: Verb
    reason: str
    deadline: date


@dataclass(frozen=True)
class ApplicantReviewAnew:
    """The rules of approval changed: the review begins again, until `deadline`; None: it waits for new rules."""

    template: ClassVar = "applicant.review_anew"
    application: ApplicationView
    deadline: date | None


@dataclass(frozen=True)
class ApplicantLapsed:
    template: ClassVar = "applicant.lapsed"
    application: ApplicationView


@dataclass(frozen=True)
class ApplicantDownload:
    """サーバ証明書発行受付通知 (manual 1-1, 【利用管理者作業】). One mail for all rows of one contact address."""

    template: ClassVar = "applicant.download"
    number: str
    contact_name: str
    downloads: tuple[Download, ...]


@dataclass(frozen=True)
class ApplicantNotIssued:
    """Approved, but a check or the CA refused it right before issuing."""

    template: ClassVar = "applicant.not_issued"
    application: ApplicationView
    rows: tuple[RowOutcome, ...]


@dataclass(frozen=True)
class ApplicantDownloaded:
    """Replace the old certificate, then answer 置き換え完了 (manual 1-2-6). `days`: since the download; 0, 7, 13.

    `token` goes into the text: an answer that holds it comes from somebody who got this mail.
    """

    template: ClassVar = "applicant.downloaded"
    number: str
    dn: tuple[str, ...]
    new_serial: int
    old_serial: int
    token: str
    days: int


@dataclass(frozen=True)
class ApplicantRevoked:
    """The same for the contact that the certificate was issued to."""

    template: ClassVar = "applicant.revoked"
    number: str
    dn: tuple[str, ...]
    serial: int
    reason: int


@dataclass(frozen=True)
class ApplicantWithdrawn:
    """取下げ, or replaced by a corrected application (`successor` is its number)."""

    template: ClassVar = "applicant.withdrawn"
    application: ApplicationView
    successor: str | None


@dataclass(frozen=True)
class ApplicantNotDownloaded:
    """The certificate still waits to be fetched (manual 1-1-5: 一定期間がたっても)."""

    template: ClassVar = "applicant.not_downloaded"
    number: str
    dn: tuple[str, ...]
    serial: int
    expires_at: datetime


@dataclass(frozen=True)
class AskedRow:
    """`deadline`: the last day to decide; None while nothing is open or a hold stops the clock."""

    number: str
    kind: Kind
    state: EntryState
    received_at: datetime
    deadline: date | None


@dataclass(frozen=True)
class AskedCertificate:
    serial: int
    standing: Standing
    not_after: datetime


@dataclass(frozen=True)
class ApplicantStatus:
    """状況 FQDN: what this contact asked for under that name."""

    template: ClassVar = "applicant.status"
    about: str
    entries: tuple[AskedRow, ...]
    certificates: tuple[AskedCertificate, ...]


@dataclass(frozen=True)
class ApplicantContactChanged:
    """利用管理者情報更新: to the new address, and to the old one where it is another."""

    template: ClassVar = "applicant.contact_changed"
    dn: tuple[str, ...]
    serial: int
    old_mail: str
    new_mail: str


@dataclass(frozen=True)
class ApplicantExpiring:
    """`names` lose their certificate at `not_after`: no other one of the institution holds them long enough.

    `days_left`: counted on the calendar, 0 on the last day. `pending`: the renewal that is under way already, else
    None. `file_name`: the attached renewal TSV that lacks only its CSR; empty if there is none.
    """

    template: ClassVar = "applicant.expiring"
    number: str
    dn: tuple[str, ...]
    names: tuple[str, ...]
    serial: int
    not_after: datetime
    days_left: int
    pending: str | None
    file_name: str
