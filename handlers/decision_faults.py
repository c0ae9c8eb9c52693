"""What stands against an officer's decision: its words, its rows, the person, the moment (mail-protocol 4, 'Rules')."""

import json
from collections.abc import Sequence

from handlers.context import Context
from handlers.frozen import is_in_force
from handlers.incoming import IncomingMail
from handlers.officer_answer import Officered
from handlers.rules.approval import DecisionLine, Reading
from handlers.rules.identity import is_one_of
from handlers.rules.policy import turn_fault
from handlers.rules.reasons import Reason
from handlers.rules.register import Officer
from handlers.rules.sheet import parse_sheet
from handlers.views import approvers_by_row
from store import applications, inbox
from store.states import ApplicationState, EntryState, Kind, Verb
from store.tables import Application, Decision, Entry


def signature_fault(who: Officered) -> Reason | None:
    """One signed text has one effect, ever (threats AP1)."""
    signed = (who.signature.content.signed_sha256, who.signature.fingerprint)
    if applications.is_signature_used(who.ctx.session, *signed):
        return Reason.REPEATED
    return Reason.SIGNATURE_REUSED if applications.was_refused(who.ctx.session, *signed) else None


def void_fault(application: Application) -> Reason:
    """Of an answer to a sheet that is no longer the application's: there is another, or none that anybody may sign."""
    return Reason.NO_POLICY if application.policy is None else Reason.SHEET_VOID


def judge_rows_of(who: Officered, application: Application, decision: DecisionLine) -> Reason | None:
    """Whether this officer may decide these rows of this application, now. `decision` names its own SEQs."""
    return _judge_person(who, application, decision) or _judge_moment(who, application, decision)


def words_fault(
    ctx: Context, application: Application, reading: Reading, decision: DecisionLine
) -> Reason | None:
    """Whether the signed text speaks of this very sheet, with the word for its kind, and of rows that exist."""
    sheet = parse_sheet(inbox.blob(ctx.session, application.sheet_sha256))
    if not reading.quotes_only((row.seq, row.digest, row.name) for row in sheet.rows):
        return Reason.QUOTE_MISMATCH
    is_revocation = application.kind is Kind.REVOKE
    if decision.verb is Verb.APPROVE and decision.is_revocation != is_revocation:
        return Reason.WRONG_VERB
    seqs = {row.seq for row in sheet.rows}
    if decision.runs_backwards() or not decision.seqs_named() <= seqs:
        return Reason.ROWS_UNKNOWN
    return None if any(decision.covers(seq) for seq in seqs) else Reason.ROWS_UNKNOWN


def _judge_person(who: Officered, application: Application, decision: DecisionLine) -> Reason | None:
    """The applicant can't approve under any address or key (threats ID3), and nobody without a policy in force."""
    policy = who.institution.policy_for(application.kind)
    if policy is None:
        return None if decision.verb is Verb.DECLINE else Reason.NO_POLICY
    if not is_in_force(who.ctx, application, who.institution):
        return Reason.SHEET_VOID
    if decision.verb is not Verb.APPROVE or policy.self_approval:
        return None
    return Reason.OWN_APPLICATION if is_own(application, who.officer) else None


def is_own(application: Application, officer: Officer) -> bool:
    """Whether the officer sent it, from any address or under any key, or is the contact of one of its rows."""
    applicants = {application.sender, *(e.contact_mail.lower() for e in application.entries)}
    return application.uploader == officer.id or is_one_of(officer, applicants)


def _judge_moment(who: Officered, application: Application, decision: DecisionLine) -> Reason | None:
    """By the state the application is in, and by when our server received the decision."""
    open_rows = [e for e in application.entries if e.state is EntryState.WAITING and decision.covers(e.seq)]
    if application.state is ApplicationState.LAPSED:
        return Reason.LAPSED
    if not open_rows:
        is_said = _has_said(who, application, decision)
        return Reason.REPEATED if is_said else Reason.ALREADY_DECIDED
    is_held = application.state is ApplicationState.HELD
    if decision.verb is Verb.APPROVE:
        return _judge_approval(who, application, open_rows, is_held=is_held)
    if decision.verb is Verb.HOLD:
        return Reason.REPEATED if is_held else _judge_deadline(who.mail, application)
    if decision.verb is Verb.RESUME:
        return None if is_held else Reason.NOT_ON_HOLD
    return None if is_held else _judge_deadline(who.mail, application)


def _judge_approval(
    who: Officered, application: Application, rows: Sequence[Entry], *, is_held: bool
) -> Reason | None:
    approvers = approvers_by_row(who.ctx, who.institution, application)
    if all(who.officer in approvers[e.id] for e in rows):
        return Reason.REPEATED
    if is_held:
        return Reason.ON_HOLD
    late = _judge_deadline(who.mail, application)
    if late or countable_rows(who, application, rows):
        return late
    others = (approvers[e.id] for e in rows if who.officer not in approvers[e.id])
    return next(fault for found in others if (fault := _turn_fault(who, application, found)))


def countable_rows(who: Officered, application: Application, rows: Sequence[Entry]) -> list[Entry]:
    """Those of `rows` that this officer's approval counts for now: not yet theirs, and at their step."""
    approvers = approvers_by_row(who.ctx, who.institution, application)
    return [
        entry
        for entry in rows
        if who.officer not in approvers[entry.id]
        and _turn_fault(who, application, approvers[entry.id]) is None
    ]


def _turn_fault(who: Officered, application: Application, approvers: Sequence[Officer]) -> Reason | None:
    policy = who.institution.policy_for(application.kind)
    assert policy is not None, "judged before"
    return turn_fault(policy, who.officer, approvers)


def _has_said(who: Officered, application: Application, decision: DecisionLine) -> bool:
    """Whether this officer decided the same about the same rows."""
    earlier = applications.decisions_on(who.ctx.session, application.number)
    mine = (d for d in earlier if d.officer == who.officer.id and d.verb is decision.verb)
    return any(_covers(d, decision, application) for d in mine)


def _judge_deadline(mail: IncomingMail, application: Application) -> Reason | None:
    return Reason.LAPSED if mail.received_at > application.deadline else None


def _covers(earlier: Decision, decision: DecisionLine, application: Application) -> bool:
    covered = {e.seq for e in application.entries if decision.covers(e.seq)}
    return covered <= set(json.loads(earlier.rows)) or decision.rows is None
