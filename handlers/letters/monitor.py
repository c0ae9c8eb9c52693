"""What the monitors get: each day, when something happens, when something is wrong and when it is over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from handlers.rules.reasons import Reason
from store.counting import Ages, Expiring, Flow
from store.troubles import TroubleKind


class AlarmCode(StrEnum):
    """What may happen that a person must look at. Each has its words in `mail_templates/*/alarms.toml`."""

    KEY_COMPROMISE = "key_compromise"
    KEY_ENDING = "key_ending"
    NO_POLICY = "no_policy"
    UNPROVEN = "unproven"
    TAMPERED = "tampered"
    CA_REFUSED = "ca_refused"
    WHOIS = "whois"
    UNDELIVERED = "undelivered"
    INSTITUTION_MISSING = "institution_missing"
    CRASHED = "crashed"
    TOO_LARGE = "too_large"
    TOO_COMPLEX = "too_complex"
    HEADER_TOO_LARGE = "header_too_large"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class MonitorAlarm:
    """Something happened that a person must look at. `detail`: which, for whoever reads the log."""

    template: ClassVar = "monitor.alarm"
    what: AlarmCode
    detail: str


@dataclass(frozen=True)
class MonitorTrouble:
    """Something is wrong, and stays so until it is mended. `is_worse`: they were told of it before."""

    template: ClassVar = "monitor.trouble"
    what: TroubleKind
    about: str
    detail: str
    since: datetime
    is_worse: bool = False


@dataclass(frozen=True)
class MonitorRecovered:
    """It is over."""

    template: ClassVar = "monitor.recovered"
    what: TroubleKind
    about: str
    since: datetime
    until: datetime


class Need(StrEnum):
    """Why a person is needed."""

    SET_ASIDE = "set_aside"  # mails in quarantine
    UNDELIVERED = "undelivered"  # mails of ours that were given up
    ALARMS = "alarms"
    SILENCED = "silenced"  # addresses that had enough answers
    OVER_QUOTA = "over_quota"  # senders of too many mails
    UNSENT = "unsent"  # mails of ours that the mail server does not take
    UNISSUED = "unissued"  # approved, and the CA does not carry it out
    URGENT = "urgent"  # a compromised key waits for an officer
    NO_POLICY = "no_policy"


@dataclass(frozen=True)
class NeedView:
    """`about`: the first few, by their ids."""

    kind: Need
    count: int
    about: tuple[str, ...]


@dataclass(frozen=True)
class TroubleView:
    """What is still wrong, of one kind. `about`: the first few, with their details; `since`: the oldest."""

    kind: TroubleKind
    count: int
    since: datetime
    about: tuple[str, ...]


@dataclass(frozen=True)
class RefusedView:
    """`reason`: None for a code that this version does not know."""

    code: str
    reason: Reason | None
    count: int


@dataclass(frozen=True)
class WaitingView:
    """What waits for one institution's people; ages in whole days. `deadline`: the next to decide by."""

    institution: str
    undecided: int
    undecided_days: int
    deadline: datetime | None
    unfetched: int
    unfetched_days: int


@dataclass(frozen=True)
class MonitorDigest:
    """`since` to `until`: what `flow` counts. `received`, `issued`: a number for each of the last 30 times 24 hours,
    the oldest first. `others`: institutions with something waiting that are not in `waiting`. `head`: of the journal,
    with so many `entries`. `next_at`: when the next digest is made."""

    template: ClassVar = "monitor.digest"
    since: datetime
    until: datetime
    next_at: datetime
    troubles: tuple[TroubleView, ...]
    needs: tuple[NeedView, ...]
    flow: Flow
    refused: tuple[RefusedView, ...]
    undecided: Ages
    unfetched: Ages
    waiting: tuple[WaitingView, ...]
    others: int
    expiring: tuple[Expiring, ...]
    received: tuple[int, ...]
    issued: tuple[int, ...]
    entries: int
    head: str
