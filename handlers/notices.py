"""Mails to be written: a letter, to whom, in which thread. `bot.compose.mail` turns them into bytes."""

from dataclasses import dataclass
from typing import ClassVar

from handlers.incoming import Attachment, Scheme
from handlers.letters.applicant import (
    ApplicantContactChanged,
    ApplicantDeclined,
    ApplicantDownload,
    ApplicantDownloaded,
    ApplicantExpiring,
    ApplicantHeld,
    ApplicantHelp,
    ApplicantLapsed,
    ApplicantNotDownloaded,
    ApplicantNotIssued,
    ApplicantReceived,
    ApplicantRefused,
    ApplicantRevoked,
    ApplicantStatus,
    ApplicantWithdrawn,
)
from handlers.letters.lookup import (
    OfficerAllowlist,
    OfficerHelp,
    OfficerInventory,
    OfficerResent,
    OfficerStatistics,
    OfficerStatus,
    OfficerTimestamp,
)
from handlers.letters.officer import (
    OfficerAnswer,
    OfficerApprovalRequest,
    OfficerContactChanged,
    OfficerDecided,
    OfficerDownloaded,
    OfficerExpiring,
    OfficerForeignSerial,
    OfficerLapsed,
    OfficerNotDownloaded,
    OfficerNotIssued,
    OfficerReminder,
    OfficerRenewalDownloaded,
    OfficerReplaced,
    OfficerRevocationReminder,
    OfficerRevoked,
    OfficerWithdrawn,
)
from handlers.rules.register import Institution, Language, Officer


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
