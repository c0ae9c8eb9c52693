"""Mails to be written: a letter, to whom, in which thread. `bot.compose.mail` turns them into bytes."""

from dataclasses import dataclass

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
    ApplicantReviewAnew,
    ApplicantRevoked,
    ApplicantStatus,
    ApplicantWithdrawn,
)
from handlers.letters.batch import OfficerBatch, OfficerBatchAnswer
from handlers.letters.lookup import (
    OfficerAllowlist,
    OfficerHelp,
    OfficerInventory,
    OfficerResent,
    OfficerStatistics,
    OfficerStatus,
    OfficerTimestamp,
)
from handlers.letters.monitor import MonitorAlarm, MonitorDigest, MonitorRecovered, MonitorTrouble
from handlers.letters.officer import (
    OfficerAnswer,
    OfficerApprovalRequest,
    OfficerContactChanged,
    OfficerDecided,
    OfficerDownloaded,
    OfficerExpiring,
    OfficerForeignSerial,
    OfficerKeyEnding,
    OfficerLapsed,
    OfficerNotDelivered,
    OfficerNotDownloaded,
    OfficerNotIssued,
    OfficerReminder,
    OfficerRenewalDownloaded,
    OfficerReplaced,
    OfficerRevocationReminder,
    OfficerRevoked,
    OfficerWaiting,
    OfficerWithdrawn,
)
from handlers.rules.register import Institution, Language, Officer

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
    | OfficerWaiting
    | ApplicantReviewAnew
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
    | OfficerNotDelivered
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
    | OfficerBatch
    | OfficerBatchAnswer
    | OfficerKeyEnding
    | MonitorAlarm
    | MonitorTrouble
    | MonitorRecovered
    | MonitorDigest
)


@dataclass(frozen=True)
class Notice:
    """One mail to one address. `sign` is the scheme of its reader; None: not known (applicants, monitors), and then
    S/MIME where the bot has a certificate, else unsigned (`bot.compose.mail`).

    `number` is the application's, for the header and the marker line; `thread` is the Message-IDs it answers, oldest
    first, the last being In-Reply-To. `is_counted`: an answer that anybody could cause (`handlers.breaker`).
    """

    to: str
    language: Language
    letter: Letter
    sign: Scheme | None = None
    number: str | None = None
    thread: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    is_counted: bool = False


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
    return Notice(officer.notify, institution.language, letter, officer.scheme, number, thread, attachments)
