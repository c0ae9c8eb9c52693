"""What WHOIS says and what it changes right before issuing: a row fails, waits, or is issued with an alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from handlers.alarm import alarm
from handlers.context import Context
from handlers.letters.monitor import AlarmCode
from handlers.notices import Notice
from handlers.rules.checks import ServerRequest
from handlers.rules.register import Domain, Institution
from handlers.rules.registrant import WhoisFacts, check_registrants, watched_domains
from handlers.rules.row_errors import Code, RowError
from store import applications
from store.states import EntryState
from store.tables import Application, Entry

# an officer who just decided should not have to do it again because a server was down for lunch
_PATIENCE = timedelta(hours=3)


@dataclass(frozen=True)
class Weighed:
    """What WHOIS changes: errors of the rows that fail, the rows that stay as they are until it answers, alarms.

    Rows by SEQ.
    """

    errors: Mapping[int, tuple[RowError, ...]]
    waiting: frozenset[int]
    alarms: tuple[Notice, ...]


_NOTHING = Weighed({}, frozenset(), ())


def domains_to_ask(ctx: Context, application: Application) -> tuple[Domain, ...]:
    """The domains whose registrant must be looked up before this application's approved rows are issued."""
    institution = ctx.register.institutions.get(application.institution)
    if ctx.desk.whois == "off" or institution is None:
        return ()
    approved = [e for e in application.entries if e.state is EntryState.APPROVED]
    return watched_domains(institution, [name for e in approved for name in e.dns_names.split()])


def weigh(
    ctx: Context, application: Application, requests: Mapping[Entry, ServerRequest], facts: WhoisFacts
) -> Weighed:
    """`requests`: the rows that nothing else stands against. A missing fact is no answer (922)."""
    institution = ctx.register.institutions.get(application.institution)
    if ctx.desk.whois == "off" or institution is None:
        return _NOTHING
    found = _find_errors(institution, requests, facts)
    if ctx.desk.whois == "warn":
        return Weighed({}, frozenset(), _warn(ctx, application, found))
    waiting = frozenset(
        entry.seq
        for entry, errors in found.items()
        if all(error.code == Code.WHOIS_UNREACHABLE for error in errors) and _may_wait(ctx, entry)
    )
    errors = {entry.seq: errors for entry, errors in found.items() if entry.seq not in waiting}
    return Weighed(errors, waiting, ())


def _find_errors(
    institution: Institution, requests: Mapping[Entry, ServerRequest], facts: WhoisFacts
) -> dict[Entry, tuple[RowError, ...]]:
    found = {e: check_registrants(institution, r.dns_names, facts) for e, r in requests.items()}
    return {entry: errors for entry, errors in found.items() if errors}


def _may_wait(ctx: Context, entry: Entry) -> bool:
    """Whether the last approval is young enough for another try."""
    decided_at = applications.last_approved_at(ctx.session, entry)
    return decided_at is not None and ctx.now < decided_at + _PATIENCE


def _warn(
    ctx: Context, application: Application, found: Mapping[Entry, tuple[RowError, ...]]
) -> tuple[Notice, ...]:
    """One alarm an application: the same call that warns lets its rows go, so it cannot come twice."""
    if not found:
        return ()
    seqs = [entry.seq for entry in found]
    words = dict.fromkeys(
        f"{', '.join(error.values)}: {error.cell('en')}" for errors in found.values() for error in errors
    )
    return alarm(
        ctx, AlarmCode.WHOIS, "\n".join((f"{application.number}, SEQ {seqs}, issued all the same:", *words))
    )
