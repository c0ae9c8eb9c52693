"""An officer's signed decision: found, judged, carried out (manual 1-1-4; threats.md section 4 of the requirements).

Everything here has a good signature by a pinned key behind it; what is left to judge is whether that officer may
decide this, in these words, now.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from handlers.ask import ask_officers
from handlers.clock import resume
from handlers.context import Context
from handlers.decision_faults import (
    countable_rows,
    judge_rows_of,
    signature_fault,
    void_fault,
    words_fault,
)
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.letters.applicant import ApplicantDeclined, ApplicantHeld
from handlers.letters.officer import OfficerDecided
from handlers.notices import Notice, to_officer
from handlers.officer_answer import Officered, answer_officer
from handlers.refreeze import refreeze_if_changed
from handlers.rules.approval import DecisionLine, Reading, read_decision
from handlers.rules.policy import progress
from handlers.rules.reasons import Reason
from handlers.rules.register import Officer
from handlers.rules.working_days import local_day
from handlers.views import (
    approvers_by_row,
    is_asked_at_once,
    last_day,
    officers_in_turn,
    still_needed,
    view_application,
)
from store import applications, inbox, journal
from store.states import ApplicationState, EntryState, ErrorMode, Verb
from store.tables import Application, Approval, Decision, Entry

__all__ = [
    "Recorded",
    "carry_out",
    "decide",
    "judge_rows_of",
    "record_decision",
    "refuse_for_good",
    "signature_fault",
    "takes",
]

_DONE = {
    Verb.APPROVE: Reason.APPROVED,
    Verb.DECLINE: Reason.DECLINED,
    Verb.HOLD: Reason.HELD,
    Verb.RESUME: Reason.RESUMED,
}


def takes(mail: IncomingMail) -> bool:
    """A good signature over a text that holds a decision line or the code of a sheet."""
    if mail.signature is None or mail.signature.content.text is None:
        return False
    reading = read_decision(mail.signature.content.text)
    return reading.fault is not Reason.NO_DECISION or bool(reading.codes)


def decide(mail: IncomingMail, ctx: Context) -> Handled:
    """Carry the decision out, or say exactly why not. Either way the officer gets an answer."""
    signature = mail.signature
    assert signature is not None
    assert signature.content.text is not None
    reading = read_decision(signature.content.text)
    application = _find(ctx, reading)
    who = Officered.of(mail, signature, ctx)
    if isinstance(application, Reason):
        return answer_officer(who, application, None)
    if application.institution != who.institution.id:
        refuse_for_good(who, application, Reason.FOREIGN_INSTITUTION)
        return answer_officer(who, Reason.FOREIGN_INSTITUTION, None)
    # the register may have changed since the sheet was made and since anybody looked
    told = refreeze_if_changed(ctx, application) or ()
    fault = _judge(who, application, reading)
    if fault is not None:
        refuse_for_good(who, application, fault)
        return answer_officer(who, fault, application, others=told)
    assert reading.decision is not None
    rows = [e for e in application.entries if reading.decision.covers(e.seq)]
    return carry_out(who, application, reading.decision, rows)


def refuse_for_good(who: Officered, application: Application, fault: Reason) -> None:
    """Whoever keeps a copy must not make it count once a hold is over or the clock was set."""
    if fault is not Reason.REPEATED:
        signed = (who.signature.content.signed_sha256, who.signature.fingerprint)
        applications.refuse_signature(who.ctx.session, signed, application.number, fault, who.ctx.now)


def _find(ctx: Context, reading: Reading) -> Application | Reason:
    if not reading.codes:
        return reading.fault if reading.fault else Reason.NO_CODE
    if len(reading.codes) > 1:
        return Reason.TWO_CODES
    code = reading.codes[0]
    found = applications.find_by_code(ctx.session, code) or applications.find_by_void_code(ctx.session, code)
    return found or Reason.UNKNOWN_CODE


def _judge(who: Officered, application: Application, reading: Reading) -> Reason | None:
    """The first rule that stands against this decision; None if none does."""
    if application.code not in reading.codes:
        return void_fault(application)
    if reading.fault is not None:
        return reading.fault
    decision = reading.decision
    assert decision is not None
    return (
        signature_fault(who)
        or words_fault(who.ctx, application, reading, decision)
        or judge_rows_of(who, application, decision)
    )


def carry_out(
    who: Officered, application: Application, decision: DecisionLine, rows: Sequence[Entry]
) -> Handled:
    """`record_decision`, and the answer to the officer."""
    told = record_decision(who, application, decision, rows, application.code)
    return answer_officer(who, _DONE[decision.verb], application, told.seqs, told.notices, decision.verb)


@dataclass(frozen=True)
class Recorded:
    """The rows that a decision changed, and who else hears of it."""

    seqs: tuple[int, ...]
    notices: tuple[Notice, ...]


def record_decision(
    who: Officered, application: Application, decision: DecisionLine, rows: Sequence[Entry], code: str
) -> Recorded:
    """Write the decision down and do what it says to those of `rows` that are still open.

    `code`: of the sheet that was signed, the application's own or a batch's.
    """
    waiting = [e for e in rows if e.state is EntryState.WAITING]
    asked = officers_in_turn(who.ctx, who.institution, application)
    if decision.verb is Verb.APPROVE:
        waiting = countable_rows(who, application, waiting)
    record = _record(who, application, decision, [e.seq for e in waiting], code)
    if decision.verb is Verb.APPROVE:
        _approve(who, application, decision, record, waiting)
        notices = _ask_next(who, application, asked)
    elif decision.verb is Verb.DECLINE:
        notices = _decline(who, application, decision, waiting)
    else:
        notices = _hold_or_resume(who, application, decision)
    if all(e.state is not EntryState.WAITING for e in application.entries):
        applications.move_application(
            who.ctx.session, application, application.state, ApplicationState.CLOSED
        )
    seqs = tuple(e.seq for e in waiting)
    return Recorded(seqs, notices + _tell_colleagues(who, application, decision, seqs))


def _record(
    who: Officered, application: Application, decision: DecisionLine, seqs: list[int], code: str
) -> Decision:
    ctx = who.ctx
    materials = {m.name: inbox.keep_blob(ctx.session, m.data) for m in who.signature.materials}
    record = Decision(
        number=application.number,
        code=code,
        officer=who.officer.id,
        fingerprint=who.signature.fingerprint,
        verb=decision.verb,
        rows=json.dumps(seqs),
        faultless_only=decision.faultless_only,
        comment=decision.comment,
        mail_sha256=inbox.keep_blob(ctx.session, who.mail.raw),
        signed_sha256=who.signature.content.signed_sha256,
        status_sha256=inbox.keep_blob(ctx.session, who.signature.status),
        materials=json.dumps(materials, sort_keys=True),
        decided_at=ctx.now,
    )
    ctx.session.add(record)
    ctx.session.flush()
    journal.append(
        ctx.session,
        ctx.now,
        "decided",
        {
            "number": application.number,
            "code": code,
            "officer": who.officer.id,
            "fingerprint": who.signature.fingerprint,
            "verb": decision.verb,
            "rows": seqs,
            "mail": record.mail_sha256,
            "signed": record.signed_sha256,
            "status": record.status_sha256,
            "materials": materials,
        },
    )
    return record


def _approve(
    who: Officered, application: Application, decision: DecisionLine, record: Decision, rows: Sequence[Entry]
) -> None:
    """Count this officer once for each row; a row with enough approvals goes on to the CA."""
    session = who.ctx.session
    policy = who.institution.policy_for(application.kind)
    assert policy is not None, "judged before"
    session.add_all(Approval(entry_id=e.id, officer=who.officer.id, decision_id=record.id) for e in rows)
    session.flush()
    approvers = approvers_by_row(who.ctx, who.institution, application)
    complete = [e for e in rows if progress(policy, approvers[e.id]).is_done]
    applications.move_entries(session, complete, EntryState.WAITING, EntryState.APPROVED)
    application.error_mode = ErrorMode.FAULTLESS_ONLY if decision.faultless_only else ErrorMode.STOP_ALL


def _ask_next(who: Officered, application: Application, asked: Sequence[Officer]) -> tuple[Notice, ...]:
    """The officers whose turn it has become; those who were `asked` have the request."""
    if not is_asked_at_once(who.institution, application):
        return ()
    turn = officers_in_turn(who.ctx, who.institution, application)
    new = [officer for officer in turn if officer not in asked]
    return ask_officers(who.ctx, who.institution, application, new)


def _decline(
    who: Officered, application: Application, decision: DecisionLine, rows: Sequence[Entry]
) -> tuple[Notice, ...]:
    applications.move_entries(who.ctx.session, rows, EntryState.WAITING, EntryState.DECLINED)
    view = view_application(application, who.institution)
    letter = ApplicantDeclined(view, tuple(e.seq for e in rows), decision.comment)
    return _to_applicant(who, application, letter)


def _hold_or_resume(who: Officered, application: Application, decision: DecisionLine) -> tuple[Notice, ...]:
    ctx = who.ctx
    if decision.verb is Verb.HOLD:
        applications.move_application(ctx.session, application, ApplicationState.OPEN, ApplicationState.HELD)
        application.held_at = ctx.now
    else:
        resume(ctx, application)
    view = view_application(application, who.institution)
    hold_ends = local_day(ctx.now + timedelta(days=ctx.desk.hold_days), ctx.desk.utc_offset_hours)
    until = last_day(ctx, application) or hold_ends
    return _to_applicant(who, application, ApplicantHeld(view, decision.verb, decision.comment, until))


def _to_applicant(
    who: Officered, application: Application, letter: ApplicantDeclined | ApplicantHeld
) -> tuple[Notice, ...]:
    thread = (application.message_id,) if application.message_id else ()
    return (
        Notice(
            application.sender, who.institution.language, letter, number=application.number, thread=thread
        ),
    )


def _tell_colleagues(
    who: Officered, application: Application, decision: DecisionLine, seqs: tuple[int, ...]
) -> tuple[Notice, ...]:
    needed = still_needed(who.ctx, application, seqs)
    letter = OfficerDecided(
        application=view_application(application, who.institution),
        colleague=who.officer.name,
        verb=decision.verb,
        seqs=seqs,
        comment=decision.comment,
        deadline=last_day(who.ctx, application),
        still_needed=needed.count,
        role=needed.role,
    )
    turn = officers_in_turn(who.ctx, who.institution, application)
    return tuple(
        to_officer(
            who.institution,
            colleague,
            replace(letter, is_your_turn=colleague in turn),
            number=application.number,
        )
        for colleague in who.institution.officers
        if colleague.id != who.officer.id
    )
