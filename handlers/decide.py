"""An officer's signed decision: found, judged, carried out (manual 1-1-4; threats.md section 4 of the requirements).

Everything here has a good signature by a pinned key behind it; what is left to judge is whether that officer may
decide this, in these words, now.
"""

import json
from collections.abc import Sequence
from datetime import timedelta

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail, Signature
from handlers.letters.applicant import ApplicantDeclined, ApplicantHeld
from handlers.letters.officer import OfficerDecided
from handlers.notices import Notice, to_officer
from handlers.officer_answer import Officered, answer_officer
from handlers.rules.approval import DecisionLine, Reading, read_decision
from handlers.rules.reasons import Reason
from handlers.rules.sheet import parse_sheet
from handlers.rules.working_days import add_working_days, end_of_day, local_day, working_days_between
from handlers.views import last_day, still_needed, view_application
from store import applications, inbox, journal
from store.states import ApplicationState, EntryState, ErrorMode, Kind, Verb
from store.tables import Application, Approval, Decision, Entry

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
    fault = _judge(mail, signature, ctx, application, reading)
    if fault is not None:
        signed = signature.content.signed_sha256
        if fault is not Reason.REPEATED:
            # whoever keeps a copy must not make it count once a hold is over or the clock was set
            applications.refuse_signature(ctx.session, signed, application.number, fault, ctx.now)
        return answer_officer(who, fault, None if fault is Reason.FOREIGN_INSTITUTION else application)
    assert reading.decision is not None
    rows = [e for e in application.entries if reading.decision.covers(e.seq)]
    return carry_out(who, application, reading.decision, rows)


def _find(ctx: Context, reading: Reading) -> Application | Reason:
    if not reading.codes:
        return reading.fault if reading.fault else Reason.NO_CODE
    if len(reading.codes) > 1:
        return Reason.TWO_CODES
    return applications.find_by_code(ctx.session, reading.codes[0]) or Reason.UNKNOWN_CODE


def _judge(
    mail: IncomingMail, signature: Signature, ctx: Context, application: Application, reading: Reading
) -> Reason | None:
    """The first rule that stands against this decision; None if none does."""
    if application.institution != signature.institution:
        return Reason.FOREIGN_INSTITUTION
    if reading.fault is not None:
        return reading.fault
    decision = reading.decision
    assert decision is not None
    if applications.is_signature_used(ctx.session, signature.content.signed_sha256):
        return Reason.REPEATED
    if applications.was_refused(ctx.session, signature.content.signed_sha256):
        return Reason.SIGNATURE_REUSED
    return (
        _judge_words(ctx, application, reading, decision)
        or _judge_person(signature, ctx, application, decision)
        or _judge_moment(mail, signature, ctx, application, decision)
    )


def _judge_words(
    ctx: Context, application: Application, reading: Reading, decision: DecisionLine
) -> Reason | None:
    sheet = parse_sheet(inbox.blob(ctx.session, application.sheet_sha256))
    if not reading.quoted_rows <= {(row.seq, row.digest[:16]) for row in sheet.rows}:
        return Reason.QUOTE_MISMATCH
    is_revocation = application.kind is Kind.REVOKE
    if decision.verb is Verb.APPROVE and decision.is_revocation != is_revocation:
        return Reason.WRONG_VERB
    seqs = {row.seq for row in sheet.rows}
    if decision.runs_backwards() or not decision.seqs_named() <= seqs:
        return Reason.ROWS_UNKNOWN
    return None if any(decision.covers(seq) for seq in seqs) else Reason.ROWS_UNKNOWN


def _judge_person(
    signature: Signature, ctx: Context, application: Application, decision: DecisionLine
) -> Reason | None:
    """The applicant can't approve under any address (threats ID3)."""
    institution = ctx.register.institutions[signature.institution]
    officer = institution.officer(signature.officer)
    assert officer is not None
    applicants = {application.sender, *(e.contact_mail.lower() for e in application.entries)}
    is_own = bool(applicants & set(officer.addresses))
    if decision.verb is Verb.APPROVE and is_own and not institution.policy.self_approval:
        return Reason.OWN_APPLICATION
    return None


def _judge_moment(
    mail: IncomingMail, signature: Signature, ctx: Context, application: Application, decision: DecisionLine
) -> Reason | None:
    """By the state the application is in, and by when our server received the decision."""
    open_rows = [e for e in application.entries if e.state is EntryState.WAITING and decision.covers(e.seq)]
    earlier = [d for d in applications.decisions_on(ctx.session, application.number)]
    mine = [d for d in earlier if d.officer == signature.officer]
    says_the_same = any(d.verb is decision.verb and _covers(d, decision, application) for d in mine)
    if application.state is ApplicationState.LAPSED:
        return Reason.LAPSED
    if not open_rows:
        return Reason.REPEATED if says_the_same else Reason.ALREADY_DECIDED
    if decision.verb is Verb.APPROVE and all(_has_approved(ctx, e, signature.officer) for e in open_rows):
        return Reason.REPEATED
    is_held = application.state is ApplicationState.HELD
    if decision.verb is Verb.HOLD:
        return Reason.REPEATED if is_held else _judge_deadline(mail, application)
    if decision.verb is Verb.RESUME:
        return None if is_held else Reason.NOT_ON_HOLD
    if is_held:
        return Reason.ON_HOLD if decision.verb is Verb.APPROVE else None
    return _judge_deadline(mail, application)


def _judge_deadline(mail: IncomingMail, application: Application) -> Reason | None:
    return Reason.LAPSED if mail.received_at > application.deadline else None


def _covers(earlier: Decision, decision: DecisionLine, application: Application) -> bool:
    covered = {e.seq for e in application.entries if decision.covers(e.seq)}
    return covered <= set(json.loads(earlier.rows)) or decision.rows is None


def _has_approved(ctx: Context, entry: Entry, officer: str) -> bool:
    return any(a.officer == officer for a in applications.approvals_of(ctx.session, entry))


def carry_out(
    who: Officered, application: Application, decision: DecisionLine, rows: Sequence[Entry]
) -> Handled:
    """Record the decision and do what it says to those of `rows` that are still open."""
    waiting = [e for e in rows if e.state is EntryState.WAITING]
    record = _record(who, application, decision, [e.seq for e in waiting])
    if decision.verb is Verb.APPROVE:
        _approve(who, application, decision, record, waiting)
        notices: tuple[Notice, ...] = ()
    elif decision.verb is Verb.DECLINE:
        notices = _decline(who, application, decision, waiting)
    else:
        notices = _hold_or_resume(who, application, decision)
    if all(e.state is not EntryState.WAITING for e in application.entries):
        applications.move_application(
            who.ctx.session, application, application.state, ApplicationState.CLOSED
        )
    seqs = tuple(e.seq for e in waiting)
    told = notices + _tell_colleagues(who, application, decision, seqs)
    return answer_officer(who, _DONE[decision.verb], application, seqs, told, decision.verb)


def _record(who: Officered, application: Application, decision: DecisionLine, seqs: list[int]) -> Decision:
    ctx = who.ctx
    record = Decision(
        number=application.number,
        code=application.code,
        officer=who.officer.id,
        fingerprint=who.signature.fingerprint,
        verb=decision.verb,
        rows=json.dumps(seqs),
        faultless_only=decision.faultless_only,
        comment=decision.comment,
        mail_sha256=inbox.keep_blob(ctx.session, who.mail.raw),
        signed_sha256=who.signature.content.signed_sha256,
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
            "code": application.code,
            "officer": who.officer.id,
            "fingerprint": who.signature.fingerprint,
            "verb": decision.verb,
            "rows": seqs,
            "mail": record.mail_sha256,
            "signed": record.signed_sha256,
        },
    )
    return record


def _approve(
    who: Officered, application: Application, decision: DecisionLine, record: Decision, rows: Sequence[Entry]
) -> None:
    """Count this officer once for each row; a row with enough approvals goes on to the CA."""
    session = who.ctx.session
    complete = []
    for entry in rows:
        if not _has_approved(who.ctx, entry, who.officer.id):
            session.add(Approval(entry_id=entry.id, officer=who.officer.id, decision_id=record.id))
            session.flush()
        if len(applications.approvals_of(session, entry)) >= who.institution.policy.approvals:
            complete.append(entry)
    applications.move_entries(session, complete, EntryState.WAITING, EntryState.APPROVED)
    application.error_mode = ErrorMode.FAULTLESS_ONLY if decision.faultless_only else ErrorMode.STOP_ALL


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


def resume(ctx: Context, application: Application) -> None:
    """End a hold: the officers get as many working days as were left when it began."""
    assert application.held_at is not None
    zone, holidays = ctx.desk.utc_offset_hours, ctx.desk.holidays
    held_on, last_day = local_day(application.held_at, zone), local_day(application.deadline, zone)
    left = working_days_between(held_on, last_day, holidays)
    applications.move_application(ctx.session, application, ApplicationState.HELD, ApplicationState.OPEN)
    application.held_at = None
    application.deadline = end_of_day(add_working_days(local_day(ctx.now, zone), left, holidays), zone)


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
    view = view_application(application, who.institution)
    letter = OfficerDecided(
        application=view,
        colleague=who.officer.name,
        verb=decision.verb,
        seqs=seqs,
        comment=decision.comment,
        deadline=last_day(who.ctx, application),
        still_needed=still_needed(who.ctx, application, seqs),
    )
    return tuple(
        to_officer(who.institution, colleague, letter, number=application.number)
        for colleague in who.institution.officers
        if colleague.id != who.officer.id
    )
