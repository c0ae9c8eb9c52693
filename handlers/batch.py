"""A decision on a batch: one signed line, judged and carried out for each of its applications by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from handlers import decide
from handlers.ask import sheet_attachment
from handlers.batch_turn import row_faults
from handlers.context import Context
from handlers.decision_faults import void_fault
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.letters.batch import BatchDone, BatchNotDone, BatchRowView, OfficerBatchAnswer
from handlers.notices import Notice, to_officer
from handlers.officer_answer import Officered
from handlers.refreeze import refreeze_if_changed
from handlers.rules.approval import DecisionLine, Reading, read_decision
from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet, parse_batch_sheet
from handlers.rules.batch_words import addressed_rows, words_fault
from handlers.rules.reasons import Reason
from handlers.rules.sheet import show_code
from handlers.take import thread_of
from handlers.views import still_needed
from store import batches, inbox
from store.states import Filed, Kind, Verb
from store.tables import Application

_DONE = {Verb.APPROVE: Reason.APPROVED, Verb.DECLINE: Reason.DECLINED}


@dataclass(frozen=True)
class _Outcome:
    """What became of the addressed rows, and who else hears of it."""

    done: tuple[BatchDone, ...] = ()
    not_done: tuple[BatchNotDone, ...] = ()
    notices: tuple[Notice, ...] = ()

    def __add__(self, other: "_Outcome") -> "_Outcome":
        return _Outcome(self.done + other.done, self.not_done + other.not_done, self.notices + other.notices)


def decide_any(mail: IncomingMail, ctx: Context) -> Handled:
    """A decision on a batch, if the text's one code is a batch's; else on one application."""
    signature = mail.signature
    assert signature is not None
    assert signature.content.text is not None
    reading = read_decision(signature.content.text)
    batch = batches.find_by_code(ctx.session, reading.codes[0]) if len(reading.codes) == 1 else None
    if batch is None:
        return decide.decide(mail, ctx)
    sheet = parse_batch_sheet(inbox.blob(ctx.session, batch.sheet_sha256))
    return _decide_batch(Officered.of(mail, signature, ctx), sheet, batch.code, reading)


def _decide_batch(who: Officered, sheet: BatchSheet, code: str, reading: Reading) -> Handled:
    fault = _judge(who, sheet, reading)
    if fault is not None:
        _refuse_for_good(who, sheet, fault)
        return _answer(who, sheet, code, fault, _Outcome())
    line = reading.decision
    assert line is not None
    outcome = _Outcome()
    for part in sheet.parts:
        rows = tuple(row for row in addressed_rows(line, sheet) if row.number == part.number)
        if rows:
            outcome += _decide_part(who, part, rows, line, code)
    reason = _reason_of(outcome, line)
    if not outcome.done:
        _refuse_for_good(who, sheet, reason)
    return _answer(who, sheet, code, reason, outcome, line.verb)


def _judge(who: Officered, sheet: BatchSheet, reading: Reading) -> Reason | None:
    """The first rule that stands against the mail as a whole."""
    if sheet.institution != who.institution.id:
        return Reason.FOREIGN_INSTITUTION
    if reading.fault is not None:
        return reading.fault
    return decide.signature_fault(who) or words_fault(reading, sheet)


def _refuse_for_good(who: Officered, sheet: BatchSheet, fault: Reason) -> None:
    """As for one application; its first one stands for the batch."""
    application = who.ctx.session.get_one(Application, sheet.parts[0].number)
    decide.refuse_for_good(who, application, fault)


def _decide_part(
    who: Officered, part: BatchPart, rows: tuple[BatchRow, ...], line: DecisionLine, code: str
) -> _Outcome:
    """The rows of one application: all that this officer can decide now, or none for one reason."""
    ctx = who.ctx
    application = ctx.session.get_one(Application, part.number)
    # the register may have changed since the sheet was made and since anybody looked
    told = refreeze_if_changed(ctx, application) or ()
    if application.sheet_sha256 != part.sheet_sha256:
        return _Outcome(
            not_done=(BatchNotDone(part.number, _views(rows), void_fault(application)),), notices=told
        )
    seqs = {row.seq for row in rows}
    own_line = replace(line, rows=tuple((seq, seq) for seq in sorted(seqs)), without=())
    fault = decide.judge_rows_of(who, application, own_line)
    if fault is not None:
        return _Outcome(not_done=(BatchNotDone(part.number, _views(rows), fault),))
    entries = [entry for entry in application.entries if entry.seq in seqs]
    faults = row_faults(ctx, who.institution, who.officer, application)
    recorded = decide.record_decision(who, application, own_line, entries, code)
    changed = tuple(row for row in rows if row.seq in recorded.seqs)
    missing = still_needed(ctx, application, recorded.seqs).count
    return _Outcome(
        done=(BatchDone(part.number, _views(changed), missing),),
        not_done=tuple(_left(part, [row for row in rows if row.seq not in recorded.seqs], faults)),
        notices=recorded.notices,
    )


def _left(
    part: BatchPart, rows: Sequence[BatchRow], faults: Mapping[int, Reason | None]
) -> Iterator[BatchNotDone]:
    """The rows that a decision passed over: those that were not this officer's to decide, and what is over."""
    reasons = {row: faults.get(row.seq) or Reason.ALREADY_DECIDED for row in rows}
    for reason in dict.fromkeys(reasons.values()):
        yield BatchNotDone(part.number, _views(tuple(r for r in rows if reasons[r] is reason)), reason)


def _reason_of(outcome: _Outcome, line: DecisionLine) -> Reason:
    """One word for all; where nothing was done for several reasons, the first that is more than a repetition."""
    if not outcome.not_done:
        return _DONE[line.verb]
    if outcome.done:
        return Reason.PARTLY
    reasons = [part.reason for part in outcome.not_done]
    return next((reason for reason in reasons if reason is not Reason.REPEATED), Reason.REPEATED)


def _answer(
    who: Officered,
    sheet: BatchSheet,
    code: str,
    reason: Reason,
    outcome: _Outcome,
    verb: Verb | None = None,
) -> Handled:
    is_foreign = reason is Reason.FOREIGN_INSTITUTION
    left = () if is_foreign else _still_open(who, sheet)
    kinds = sheet.kinds()
    letter = OfficerBatchAnswer(
        officer_name=who.officer.name,
        number=sheet.number,
        reason=reason,
        done=outcome.done,
        not_done=outcome.not_done,
        approve=_views(tuple(row for row in left if kinds[row.number] is not Kind.REVOKE)),
        revoke=_views(tuple(row for row in left if kinds[row.number] is Kind.REVOKE)),
        code=None if is_foreign else show_code(code),
        subject=who.mail.subject,
    )
    is_good = bool(outcome.done) or reason is Reason.REPEATED
    notice = to_officer(
        who.institution,
        who.officer,
        letter,
        number=sheet.number,
        thread=thread_of(who.mail),
        attachments=_sheet_again(sheet) if left and not is_good else (),
    )
    filed = Filed.DONE if is_good else Filed.REFUSED
    return Handled("decision", reason, filed, (notice, *outcome.notices), verb, sheet.number)


def _still_open(who: Officered, sheet: BatchSheet) -> tuple[BatchRow, ...]:
    """The rows of the batch that this officer can approve now."""
    can: set[tuple[str, int]] = set()
    for part in sheet.parts:
        application = who.ctx.session.get_one(Application, part.number)
        if application.sheet_sha256 == part.sheet_sha256:
            faults = row_faults(who.ctx, who.institution, who.officer, application)
            can |= {(part.number, seq) for seq, fault in faults.items() if fault is None}
    return tuple(row for row in sheet.rows if (row.number, row.seq) in can)


def _sheet_again(sheet: BatchSheet) -> tuple[Attachment, ...]:
    return (sheet_attachment(sheet.number, sheet.render()),)


def _views(rows: tuple[BatchRow, ...]) -> tuple[BatchRowView, ...]:
    return tuple(BatchRowView(r.index, r.seq, r.name.removeprefix("CN="), r.line()) for r in rows)
