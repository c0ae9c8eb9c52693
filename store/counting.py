"""What the daily digest tells: counts by time, made by SQL over indexed columns; no rows are held.

Windows are half open, `since` <= t < `until`, so that windows that touch count everything once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, case, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from store import certificates, inbox
from store.states import ApplicationState, EntryState, Filed, OutboxState, Verb
from store.tables import (
    Application,
    Certificate,
    Decision,
    Entry,
    JournalEntry,
    Mail,
    Outgoing,
)

_Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
SILENCED = (
    "silenced"  # the journal's event: answers that were not written to addresses that had enough of them
)
UNDELIVERED = "undelivered"  # the journal's event: a mail of ours that was given up
_UNREAD = ("unreadable", inbox.CRASHED, inbox.RETRIED, "dropped")  # kinds of mails that were not read
_OPEN = (ApplicationState.OPEN, ApplicationState.HELD)
_UNSENT = (OutboxState.QUEUED, OutboxState.RETRY, OutboxState.UNKNOWN, OutboxState.SENDING)
_ASKED = (EntryState.APPROVED, EntryState.SIGNING)


@dataclass(frozen=True)
class Flow:
    """What went through in a window. Every mail received is in exactly one of `done`, `refused`, `silent`, `set_aside`.

    `received` to `set_aside`: mails in; `taken`: applications; `approved`, `declined`: decisions, each on one
    application; `issued` to `revoked`: rows (`downloaded`: URLs that were used); the last two: mails out.
    """

    received: int
    decoded: int
    signed: int
    done: int
    refused: int
    silent: int
    set_aside: int
    taken: int
    approved: int
    declined: int
    issued: int
    not_issued: int
    downloaded: int
    revoked: int
    delivered: int
    undelivered: int


@dataclass(frozen=True)
class ReasonCount:
    reason: str
    count: int


@dataclass(frozen=True)
class Ages:
    """How long things have waited: less than a day, up to a week, longer."""

    day: int
    week: int
    longer: int


@dataclass(frozen=True)
class Waiting:
    """What waits for one institution's officers, and for its applicants to fetch. `deadline`: the next to decide by."""

    institution: str
    undecided: int
    oldest_undecided: datetime | None
    deadline: datetime | None
    unfetched: int
    oldest_unfetched: datetime | None


@dataclass(frozen=True)
class Expiring:
    """Valid certificates that end within so many days; `alone`: those of them that none renews so far."""

    days: int
    count: int
    alone: int


@dataclass(frozen=True)
class Found:
    """Something a person must look at: how many, and the first few by their ids."""

    count: int
    about: tuple[str, ...]


def count_flow(session: Session, since: datetime, until: datetime, silences: Sequence[str]) -> Flow:
    """`silences`: the reasons that are met with no answer."""
    is_silent = Mail.reason.in_(silences)
    mails = session.execute(
        select(
            func.count(),
            func.count().filter(Mail.kind.not_in(_UNREAD)),
            func.count().filter(Mail.signed),
            func.count().filter(Mail.filed == Filed.DONE, ~is_silent),
            func.count().filter(Mail.filed == Filed.REFUSED, ~is_silent),
            func.count().filter(is_silent),
            func.count().filter(Mail.filed == Filed.QUARANTINE, ~is_silent),
        ).where(*_within(Mail.handled_at, since, until))
    ).one()
    verbs = dict(
        session.execute(
            select(Decision.verb, func.count())
            .where(*_within(Decision.decided_at, since, until))
            .group_by(Decision.verb)
        ).all()
    )
    events = _count_events(session, since, until)
    sent = select(func.count()).where(*_within(Outgoing.sent_at, since, until))
    return Flow(
        *mails,
        taken=events.get("taken", 0),
        approved=verbs.get(Verb.APPROVE, 0),
        declined=verbs.get(Verb.DECLINE, 0),
        issued=events.get("issued", 0),
        not_issued=events.get("failed", 0),
        downloaded=events.get("downloaded", 0),
        revoked=events.get("revoked", 0),
        delivered=session.scalar(sent) or 0,
        undelivered=events.get(UNDELIVERED, 0),
    )


def _count_events(session: Session, since: datetime, until: datetime) -> dict[str, int]:
    counted = ("taken", "issued", "failed", "downloaded", "revoked", UNDELIVERED)
    query = (
        select(JournalEntry.event, func.count())
        .where(JournalEntry.event.in_(counted), *_within(JournalEntry.at, since, until))
        .group_by(JournalEntry.event)
    )
    return {event: count for event, count in session.execute(query)}


def top_reasons(
    session: Session, since: datetime, until: datetime, silences: Sequence[str], limit: int
) -> tuple[ReasonCount, ...]:
    """Of the mails that were refused, the most frequent first."""
    count = func.count()
    query = (
        select(Mail.reason, count)
        .where(
            *_within(Mail.handled_at, since, until),
            Mail.filed == Filed.REFUSED,
            Mail.reason.not_in(silences),
        )
        .group_by(Mail.reason)
        .order_by(count.desc(), Mail.reason)
        .limit(limit)
    )
    return tuple(ReasonCount(reason, number) for reason, number in session.execute(query))


def received_by_day(session: Session, until: datetime, days: int) -> tuple[int, ...]:
    """Mails received in each of the last so many times 24 hours, the oldest first."""
    return tuple(
        session.scalar(select(func.count()).where(*_within(Mail.handled_at, since, end))) or 0
        for since, end in _days(until, days)
    )


def issued_by_day(session: Session, until: datetime, days: int) -> tuple[int, ...]:
    """Certificates issued in each of them."""
    return tuple(
        session.scalar(
            select(func.count()).where(JournalEntry.event == "issued", *_within(JournalEntry.at, since, end))
        )
        or 0
        for since, end in _days(until, days)
    )


def undecided_ages(session: Session, now: datetime) -> Ages:
    """Of the applications that are open or on hold, by when they came."""
    return _ages(session, select(*_by_age(Application.received_at, now)).where(Application.state.in_(_OPEN)))


def unfetched_ages(session: Session, now: datetime) -> Ages:
    """Of the certificates that are good and nobody has fetched, by when they were issued."""
    query = select(*_by_age(Certificate.issued_at, now)).join(Entry, Entry.id == Certificate.entry_id)
    return _ages(session, query.where(*certificates.unfetched(now)))


def waiting_by_institution(session: Session, now: datetime) -> tuple[Waiting, ...]:
    """A row for each institution for which anything waits, the one with the oldest application first."""
    open_deadline = case((Application.state == ApplicationState.OPEN, Application.deadline))
    undecided = select(
        Application.institution,
        func.count(),
        func.min(Application.received_at),
        func.min(open_deadline),
    ).where(Application.state.in_(_OPEN))
    unfetched = (
        select(Application.institution, func.count(), func.min(Certificate.issued_at))
        .select_from(Certificate)
        .join(Entry, Entry.id == Certificate.entry_id)
        .join(Application, Application.number == Entry.number)
        .where(*certificates.unfetched(now))
    )
    asked = {row[0]: tuple(row[1:]) for row in session.execute(undecided.group_by(Application.institution))}
    left = {row[0]: tuple(row[1:]) for row in session.execute(unfetched.group_by(Application.institution))}
    found = (
        Waiting(name, *asked.get(name, (0, None, None)), *left.get(name, (0, None))) for name in asked | left
    )
    return tuple(
        sorted(found, key=lambda w: (w.oldest_undecided or w.oldest_unfetched or now, w.institution))
    )


def count_expiring(session: Session, now: datetime, days: int) -> Expiring:
    newer = aliased(Certificate)
    is_renewed = exists().where(newer.replaces_id == Certificate.id, newer.der.is_not(None))
    query = select(func.count(), func.count().filter(~is_renewed)).where(
        Certificate.not_after >= now,
        Certificate.not_after < now + timedelta(days=days),
        Certificate.der.is_not(None),
        Certificate.revoked_at.is_(None),
    )
    count, alone = session.execute(query).one()
    return Expiring(days, count, alone)


def find_set_aside(session: Session, limit: int) -> Found:
    """Mails that lie in quarantine until somebody decides about them: `17 (too_large)`."""
    query = select(Mail.id, Mail.reason).where(Mail.filed == Filed.QUARANTINE)
    rows = session.execute(query.order_by(Mail.id).limit(limit))
    return Found(_count(session, query), tuple(f"{id} ({reason})" for id, reason in rows))


def find_undelivered(session: Session, since: datetime, until: datetime, limit: int) -> Found:
    """Mails of ours that were given up: `A-20261122-0007 officer.reminder, hanako@example.ac.jp`."""
    query = select(JournalEntry).where(
        JournalEntry.event == UNDELIVERED, *_within(JournalEntry.at, since, until)
    )
    facts = [json.loads(e.facts) for e in session.scalars(query.order_by(JournalEntry.seq).limit(limit))]
    about = tuple(f"{f['number'] or '-'} {f['template']}, {f['recipient']}" for f in facts)
    return Found(_count(session, query), about)


def find_silenced(session: Session, since: datetime, until: datetime, limit: int) -> Found:
    """Addresses that had enough answers, those with the most kept from them first: `hanako@example.ac.jp (31)`."""
    query = select(JournalEntry.facts).where(
        JournalEntry.event == SILENCED, *_within(JournalEntry.at, since, until)
    )
    kept = Counter(to for facts in session.scalars(query) for to in json.loads(facts)["to"])
    return Found(len(kept), _most(kept.items(), limit))


def find_over_quota(session: Session, since: datetime, until: datetime, limit: int) -> Found:
    """Senders of more mails than a day's quota, with how many of them were passed over."""
    query = (
        select(Mail.sender, func.count())
        .where(Mail.kind == inbox.OVER_QUOTA, *_within(Mail.handled_at, since, until))
        .group_by(Mail.sender)
    )
    over = {sender or "-": count for sender, count in session.execute(query)}
    return Found(len(over), _most(over.items(), limit))


def _most(counts: Iterable[tuple[str, int]], limit: int) -> tuple[str, ...]:
    ordered = sorted(counts, key=lambda one: (-one[1], one[0]))
    return tuple(f"{address} ({count})" for address, count in ordered[:limit])


def find_alarms(
    session: Session, since: datetime, until: datetime, template: str, monitor: str, limit: int
) -> Found:
    """Alarms to this monitor, by the Message-IDs of their mails."""
    query = select(Outgoing.message_id).where(
        Outgoing.template == template,
        *_within(Outgoing.queued_at, since, until),
        Outgoing.recipient == monitor,
    )
    return Found(_count(session, query), tuple(session.scalars(query.order_by(Outgoing.id).limit(limit))))


def find_unsent(session: Session, before: datetime, limit: int) -> Found:
    """Mails of ours that wait for the mail server since `before` or longer: `A-20261122-0007 officer.reminder`."""
    query = select(Outgoing.number, Outgoing.template).where(
        Outgoing.state.in_(_UNSENT), Outgoing.queued_at < before
    )
    rows = session.execute(query.order_by(Outgoing.id).limit(limit))
    return Found(_count(session, query), tuple(f"{number or '-'} {template}" for number, template in rows))


def find_unissued(session: Session, before: datetime, limit: int) -> Found:
    """Applications with approved rows that the CA has not carried out, nobody having decided anything since."""
    is_recent = exists().where(Decision.number == Application.number, Decision.decided_at >= before)
    # from the few rows to their applications, not the other way round
    has_rows = Application.number.in_(select(Entry.number).where(Entry.state.in_(_ASKED)))
    return _numbers(session, select(Application.number).where(has_rows, ~is_recent), limit)


def find_urgent(session: Session, reason: int, limit: int) -> Found:
    """Applications to revoke for this reason that wait for an officer."""
    asked = select(Entry.number).where(Entry.reason == reason, Entry.state == EntryState.WAITING)
    query = select(Application.number).where(Application.state.in_(_OPEN), Application.number.in_(asked))
    return _numbers(session, query, limit)


def find_without_policy(session: Session, limit: int) -> Found:
    """Applications that nobody may approve."""
    query = select(Application.number).where(
        Application.state == ApplicationState.HELD, Application.policy.is_(None)
    )
    return _numbers(session, query, limit)


def _numbers(session: Session, query: Select[str], limit: int) -> Found:
    numbers = session.scalars(query.order_by(Application.number).limit(limit))
    return Found(_count(session, query), tuple(numbers))


def _count(session: Session, query: Select[*tuple[object, ...]]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def _within(
    column: _Moment, since: datetime, until: datetime
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= since, column < until


def _days(until: datetime, days: int) -> list[tuple[datetime, datetime]]:
    day = timedelta(days=1)
    return [(until - day * n, until - day * (n - 1)) for n in range(days, 0, -1)]


def _by_age(column: _Moment, now: datetime) -> tuple[ColumnElement[int], ...]:
    day, week = now - timedelta(days=1), now - timedelta(days=7)
    return (
        func.count().filter(column > day),
        func.count().filter(column <= day, column > week),
        func.count().filter(column <= week),
    )


def _ages(session: Session, query: Select[*tuple[int, ...]]) -> Ages:
    return Ages(*session.execute(query).one())
