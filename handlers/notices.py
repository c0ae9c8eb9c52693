"""Mails to be written: what each letter says, as values. `bot.compose.mail` turns them into bytes.

Each letter class belongs to the template of the same name in `mail_templates/<language>/`; a test fails until the
fields here and the placeholders there agree. Times are aware UTC; templates print them in the desk's time zone.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from handlers.incoming import Attachment, Scheme
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Language, Officer
from handlers.rules.row_errors import RowError
from handlers.rules.statistics import StatisticsLine
from store.states import ApplicationState, EntryState, Kind, Verb


@dataclass(frozen=True)
class OldCertificate:
    """The certificate that a row renews or revokes. `changes`: (field, old value, new value), of a renewal only;
    the fields are the manual's column names, and `鍵ペア` always changes."""

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
class ApplicantReceived:
    template: ClassVar = "applicant.received"
    application: ApplicationView
    rows: tuple[RowOutcome, ...]
    deadline: date
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
class ApplicantLapsed:
    template: ClassVar = "applicant.lapsed"
    application: ApplicationView


@dataclass(frozen=True)
class Download:
    """One certificate that waits to be fetched. `url` works once, until `expires_at`."""

    seq: int
    dn: tuple[str, ...]
    serial: int
    url: str
    expires_at: datetime


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
class OfficerApprovalRequest:
    """The request with its sheet and the TSV attached (manual 1-1-3, and the pop-up of 1-1-4 step 5)."""

    template: ClassVar = "officer.approval_request"
    application: ApplicationView
    officer_name: str
    code: str
    checklist: tuple[str, ...]
    deadline: date
    approvals_needed: int
    evidence: SenderEvidence
    is_urgent: bool = False


@dataclass(frozen=True)
class OfficerAnswer:
    """The answer to every mail an officer sends: what was done, or the reason code and what to do.

    `application` is None where no sheet was recognised. `seqs`: the rows the decision covered. `deadline`: the last
    day to decide, None while it stands still or there is nothing to decide. `still_needed`: approvals still missing
    after this one, for the row that lacks most.
    """

    template: ClassVar = "officer.answer"
    officer_name: str
    reason: Reason
    application: ApplicationView | None
    code: str | None
    seqs: tuple[int, ...]
    subject: str
    deadline: date | None = None
    still_needed: int = 0


@dataclass(frozen=True)
class OfficerDecided:
    """Told to the other officers: a colleague decided, or (`colleague` None) the longest hold is over.

    `comment` is the reason that was given, or empty; `deadline` and `still_needed` as in OfficerAnswer.
    """

    template: ClassVar = "officer.decided"
    application: ApplicationView
    colleague: str | None
    verb: Verb
    seqs: tuple[int, ...]
    comment: str
    deadline: date | None = None
    still_needed: int = 0


@dataclass(frozen=True)
class OfficerLapsed:
    template: ClassVar = "officer.lapsed"
    application: ApplicationView


@dataclass(frozen=True)
class OfficerNotIssued:
    template: ClassVar = "officer.not_issued"
    application: ApplicationView
    rows: tuple[RowOutcome, ...]


@dataclass(frozen=True)
class OfficerDownloaded:
    """サーバ証明書取得通知 (manual 1-1-5)."""

    template: ClassVar = "officer.downloaded"
    number: str
    dn: tuple[str, ...]
    serial: int


@dataclass(frozen=True)
class OfficerRenewalDownloaded:
    """[UPKI] Webサーバ用証明書更新通知 (manual 1-2-5). The revocation TSV is attached iff the old one is valid."""

    template: ClassVar = "officer.renewal_downloaded"
    number: str
    dn: tuple[str, ...]
    new_serial: int
    old_serial: int
    old_is_valid: bool


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
class OfficerReplaced:
    """The applicant says that the new certificate is in place: a sheet for revoking the old one (manual 1-2-7)."""

    template: ClassVar = "officer.replaced"
    application: ApplicationView
    officer_name: str
    code: str
    deadline: date


@dataclass(frozen=True)
class OfficerRevocationReminder:
    """サーバ証明書更新(旧証明書の失効申請)再通知 (manual 1-2-9): two weeks after the download, without the TSV."""

    template: ClassVar = "officer.revocation_reminder"
    number: str
    dn: tuple[str, ...]
    old_serial: int


@dataclass(frozen=True)
class OfficerRevoked:
    """サーバ証明書失効完了通知 (manual 1-2-8, 1-3-4)."""

    template: ClassVar = "officer.revoked"
    number: str
    dn: tuple[str, ...]
    serial: int
    reason: int


@dataclass(frozen=True)
class ApplicantRevoked:
    """The same for the contact that the certificate was issued to."""

    template: ClassVar = "applicant.revoked"
    number: str
    dn: tuple[str, ...]
    serial: int
    reason: int


@dataclass(frozen=True)
class OfficerForeignSerial:
    """Somebody of another institution named one of this institution's certificates; it was refused (threats OWN1)."""

    template: ClassVar = "officer.foreign_serial"
    dn: tuple[str, ...]
    serial: int
    sender: str
    other_institution: str


@dataclass(frozen=True)
class OfficerReminder:
    """An application still waits for a decision; the sheet is attached again."""

    template: ClassVar = "officer.reminder"
    application: ApplicationView
    officer_name: str
    code: str
    deadline: date
    is_urgent: bool


@dataclass(frozen=True)
class ApplicantWithdrawn:
    """取下げ, or replaced by a corrected application (`successor` is its number)."""

    template: ClassVar = "applicant.withdrawn"
    application: ApplicationView
    successor: str | None


@dataclass(frozen=True)
class OfficerWithdrawn:
    template: ClassVar = "officer.withdrawn"
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
class OfficerNotDownloaded:
    """The officer is asked to telephone (manual 1-1-5, 1-2-5)."""

    template: ClassVar = "officer.not_downloaded"
    number: str
    dn: tuple[str, ...]
    serial: int
    contact_name: str
    contact_mail: str
    expires_at: datetime


@dataclass(frozen=True)
class OfficerInventory:
    """証明書情報一括ダウンロード (manual 1-4-1). `count`: rows in the attached file, None where even without CSRs and
    certificates (`has_pem` False) it would be too large to attach."""

    template: ClassVar = "officer.inventory"
    officer_name: str
    file_name: str
    count: int | None
    has_pem: bool


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
    rows: tuple[AskedRow, ...]
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
class OfficerContactChanged:
    template: ClassVar = "officer.contact_changed"
    officer_name: str
    serials: tuple[int, ...]


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


@dataclass(frozen=True)
class OfficerExpiring:
    """The same for the officers, when little time is left and the names are still not covered."""

    template: ClassVar = "officer.expiring"
    number: str
    dn: tuple[str, ...]
    names: tuple[str, ...]
    serial: int
    not_after: datetime
    days_left: int
    contact_name: str
    contact_mail: str
    pending: str | None
    file_name: str


@dataclass(frozen=True)
class MonitorAlarm:
    """Something a person must look at. `what` is a short code, `detail` free text for the log reader."""

    template: ClassVar = "monitor.alarm"
    what: str
    detail: str


Letter = (
    ApplicantReceived
    | ApplicantRefused
    | ApplicantHelp
    | ApplicantDeclined
    | ApplicantHeld
    | ApplicantLapsed
    | ApplicantDownload
    | ApplicantNotIssued
    | OfficerApprovalRequest
    | OfficerAnswer
    | OfficerDecided
    | OfficerLapsed
    | OfficerNotIssued
    | OfficerDownloaded
    | OfficerRenewalDownloaded
    | ApplicantDownloaded
    | OfficerReplaced
    | OfficerRevocationReminder
    | OfficerRevoked
    | ApplicantRevoked
    | OfficerForeignSerial
    | OfficerReminder
    | ApplicantWithdrawn
    | OfficerWithdrawn
    | ApplicantNotDownloaded
    | OfficerNotDownloaded
    | OfficerInventory
    | OfficerStatistics
    | OfficerAllowlist
    | OfficerStatus
    | OfficerResent
    | OfficerTimestamp
    | OfficerHelp
    | ApplicantStatus
    | ApplicantContactChanged
    | OfficerContactChanged
    | ApplicantExpiring
    | OfficerExpiring
    | MonitorAlarm
)


@dataclass(frozen=True)
class Notice:
    """One mail to one address. `sign` is the scheme of its reader, None: unsigned.

    `number` is the application's, for the header and the marker line; `thread` is the Message-IDs it answers, oldest
    first, the last being In-Reply-To.
    """

    to: str
    language: Language
    letter: Letter
    sign: Scheme | None = None
    number: str | None = None
    thread: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def to_officer(
    institution: Institution,
    officer: Officer,
    letter: Letter,
    *,
    number: str | None = None,
    thread: tuple[str, ...] = (),
    attachments: tuple[Attachment, ...] = (),
) -> Notice:
    """A mail to an officer's one notify address, signed by the scheme that officer uses."""
    scheme = Scheme.OPENPGP if officer.openpgp else None
    return Notice(officer.notify, institution.language, letter, scheme, number, thread, attachments)
