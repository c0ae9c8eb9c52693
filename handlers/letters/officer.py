"""Letters to officers (登録担当者)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from handlers.letters.views import ApplicationView, RowOutcome, SenderEvidence, StepView
from handlers.rules.reasons import Reason
from handlers.rules.scheme import Scheme
from store.states import Verb


@dataclass(frozen=True)
class OfficerApprovalRequest:
    """The request with its sheet and the TSV attached (manual 1-1-3, and the pop-up of 1-1-4 step 5).

    `steps`: of a policy that has them. `is_anew`: it takes the place of a request whose sheet is void. `is_held`: a
    hold must end before anybody can approve.
    """

    template: ClassVar = "officer.approval_request"
    application: ApplicationView
    officer_name: str
    code: str
    checklist: tuple[str, ...]
    deadline: date
    approvals_needed: int
    evidence: SenderEvidence
    is_urgent: bool = False
    steps: tuple[StepView, ...] = ()
    is_anew: bool = False
    is_held: bool = False


@dataclass(frozen=True)
class OfficerAnswer:
    """The answer to every mail an officer sends: what was done, or the reason code and what to do.

    `application` is None where no sheet was recognised. `seqs`: the rows the decision covered. `deadline`: the last
    day to decide, None while it stands still or there is nothing to decide. `still_needed`: approvals still missing
    after this one, for the row that lacks most; `role`: who must give the next, empty: any officer.
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
    role: str = ""


@dataclass(frozen=True)
class OfficerDecided:
    """Told to the other officers: a colleague decided, or (`colleague` None) the longest hold is over.

    `comment` is the reason that was given, or empty; `deadline`, `still_needed` and `role` as in OfficerAnswer.
    `is_your_turn`: whether the reader's approval would count now.
    """

    template: ClassVar = "officer.decided"
    application: ApplicationView
    colleague: str | None
    verb: Verb
    seqs: tuple[int, ...]
    comment: str
    deadline: date | None = None
    still_needed: int = 0
    role: str = ""
    is_your_turn: bool = True


@dataclass(frozen=True)
class OfficerWaiting:
    """Nothing to sign now: no policy says who may approve it, or it is not yet the reader's turn.

    `is_void`: a request that the reader may hold decides nothing any more.
    """

    template: ClassVar = "officer.waiting"
    application: ApplicationView
    is_void: bool
    has_policy: bool


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
class OfficerWithdrawn:
    template: ClassVar = "officer.withdrawn"
    application: ApplicationView
    successor: str | None


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
class UnreachedRow:
    """`dn` holds one `TYPE=value` each, CN first. `serial`: None as long as there is no certificate."""

    fqdn: str
    dn: tuple[str, ...]
    serial: int | None


@dataclass(frozen=True)
class OfficerNotDelivered:
    """A person was not reached: which mail, to whom, why, and what the officer can do (threats LP2).

    `servers`: the rows of this person, all of the application's where the address is nobody's contact. `contact_name`:
    empty where the address is only that of who applied. `why`: the server's words. `is_download`: it was the mail with
    the URL. `may_resend`: a certificate still waits to be fetched.
    """

    template: ClassVar = "officer.not_delivered"
    number: str
    servers: tuple[UnreachedRow, ...]
    contact_name: str
    address: str
    why: str
    is_download: bool
    may_resend: bool


@dataclass(frozen=True)
class OfficerContactChanged:
    template: ClassVar = "officer.contact_changed"
    officer_name: str
    serials: tuple[int, ...]


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
class OfficerKeyEnding:
    """The officer's own key can soon sign no more, and the register pins none that takes over.

    `fingerprint`: as the register pins it. `days_left`: 0 for the last day.
    """

    template: ClassVar = "officer.key_ending"
    officer_name: str
    institution: str
    scheme: Scheme
    fingerprint: str
    ends_at: datetime
    days_left: int
