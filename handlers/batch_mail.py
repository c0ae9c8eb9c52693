"""All that is open for an institution, once a working day, as one sheet and one mail to each officer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from handlers.ask import sheet_attachment
from handlers.batch_turn import row_faults
from handlers.context import Context
from handlers.frozen import is_in_force
from handlers.incoming import Attachment
from handlers.judge_rows import judge_rows
from handlers.letters.batch import BatchPartView, OfficerBatch
from handlers.notices import Notice, to_officer
from handlers.plan import plan_batch
from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer
from handlers.rules.row_errors import RowError
from handlers.rules.sheet import code_of, show_code
from handlers.rules.tsv import read_tsv
from handlers.rules.working_days import is_working_day, local_day
from handlers.views import is_urgent, old_certificates, sheet_row, view_application
from store import batches, inbox, journal
from store.states import EntryState, Kind
from store.tables import Application, Batch, Due, Entry

MOST_ROWS = 500


@dataclass(frozen=True)
class _Batch:
    """A stored batch with what its mails are made of. `left_out`: applications that did not fit."""

    institution: Institution
    sheet: BatchSheet
    code: str
    applications: Sequence[Application]
    left_out: Sequence[Application]


def send_batch(ctx: Context, due: Due) -> tuple[Notice, ...]:
    """To each officer of the institution `due.what` who can decide enough for a batch; and the next is planned."""
    institution = ctx.register.institutions.get(due.what)
    if institution is None or institution.requests == "at_once":
        return ()
    if batches.is_anything_undecided(ctx.session, institution.id):
        plan_batch(ctx, institution)
    found = batches.open_applications(ctx.session, institution.id, ctx.now)
    in_order = [a for a in sorted(found, key=_urgency) if _is_ready(ctx, institution, a)]
    taken, left_out = _that_fit(in_order)
    readers = [officer for officer in institution.officers if _has_enough(ctx, institution, officer, taken)]
    number = _number(ctx, institution)
    is_today = is_working_day(local_day(ctx.now, ctx.desk.utc_offset_hours), ctx.desk.holidays)
    if not readers or not is_today or batches.is_made(ctx.session, number):
        return ()
    batch = _make(ctx, institution, number, taken, left_out)
    views = _warned_views(ctx, batch)
    return tuple(_mail(ctx, batch, views, officer) for officer in readers)


def _urgency(application: Application) -> tuple[bool, bool]:
    """Urgent ones first, and all revocations together, so that a range of rows takes one word; each in the order
    in which they end."""
    return not is_urgent(application), application.kind is not Kind.REVOKE


def _is_ready(ctx: Context, institution: Institution, application: Application) -> bool:
    """Not one that nobody may approve, or whose sheet is about to be replaced."""
    return bool(institution.policy_for(application.kind)) and is_in_force(ctx, application, institution)


def _waiting(application: Application) -> list[Entry]:
    return [entry for entry in application.entries if entry.state is EntryState.WAITING]


def _that_fit(found: Sequence[Application]) -> tuple[list[Application], list[Application]]:
    """Whole applications, those that end first, up to MOST_ROWS rows, in the order of `found`; and the others."""
    room, fitting = MOST_ROWS, set()
    for application in sorted(found, key=lambda a: (not is_urgent(a), a.deadline, a.number)):
        rows = len(_waiting(application))
        if rows <= room:
            room -= rows
            fitting.add(application.number)
    taken = [a for a in found if a.number in fitting]
    return taken, [a for a in found if a.number not in fitting]


def _has_enough(
    ctx: Context, institution: Institution, officer: Officer, taken: Sequence[Application]
) -> bool:
    """A single application has its own request and reminder, unless the institution wants no other mail."""
    mine = [a for a in taken if None in row_faults(ctx, institution, officer, a).values()]
    return len(mine) >= (1 if institution.requests == "daily" else 2)


def _number(ctx: Context, institution: Institution) -> str:
    return f"B-{local_day(ctx.now, ctx.desk.utc_offset_hours):%Y%m%d}-{institution.id}"


def _make(
    ctx: Context,
    institution: Institution,
    number: str,
    taken: Sequence[Application],
    left_out: Sequence[Application],
) -> _Batch:
    """Freeze the sheet and keep it."""
    entries = [entry for application in taken for entry in _waiting(application)]
    sheet = BatchSheet(
        instance=ctx.desk.instance,
        number=number,
        institution=institution.id,
        parts=tuple(BatchPart(a.number, a.kind, a.sheet_sha256) for a in taken),
        rows=tuple(_row(index, entry) for index, entry in enumerate(entries, 1)),
        journal_head=journal.head(ctx.session),
        nonce=ctx.random(16).hex(),
    )
    data = sheet.render()
    code, sheet_sha256 = code_of(data), inbox.keep_blob(ctx.session, data)
    ctx.session.add(
        Batch(
            number=number, institution=institution.id, code=code, sheet_sha256=sheet_sha256, made_at=ctx.now
        )
    )
    ctx.session.flush()
    facts = {"number": number, "sheet": sheet_sha256, "applications": [a.number for a in taken]}
    journal.append(ctx.session, ctx.now, "batched", {**facts, "rows": len(entries)})
    return _Batch(institution, sheet, code, taken, left_out)


def _row(index: int, entry: Entry) -> BatchRow:
    row = sheet_row(entry.seq, entry.raw_line, entry.fqdn)
    return BatchRow(index, entry.number, entry.seq, row.digest, row.name)


def _warned_views(ctx: Context, batch: _Batch) -> list[BatchPartView]:
    """The same for every officer, but for `mine` and `not_now`."""
    return [_view(ctx, batch, application) for application in batch.applications]


def _view(ctx: Context, batch: _Batch, application: Application) -> BatchPartView:
    institution = batch.institution
    rows = {r.seq: r for r in batch.sheet.rows_of(application.number, application.sheet_sha256)}
    view = view_application(
        application, institution, _warnings(ctx, institution, application), old_certificates(ctx, application)
    )
    shown = tuple(
        replace(entry, row_line=rows[entry.seq].line()) for entry in view.entries if entry.seq in rows
    )
    indexes = [row.index for row in rows.values()]
    contacts = {entry.contact_mail.lower() for entry in application.entries}
    return BatchPartView(
        application=replace(view, entries=shown),
        first=min(indexes),
        last=max(indexes),
        deadline=local_day(application.deadline, ctx.desk.utc_offset_hours),
        is_urgent=is_urgent(application),
        sender_is_contact=contacts == {application.sender},
        mine=(),
        not_now=None,
    )


def _warnings(
    ctx: Context, institution: Institution, application: Application
) -> dict[int, tuple[RowError, ...]]:
    """Derived anew from the file, by SEQ: they are not stored."""
    file = inbox.blob(ctx.session, application.file_sha256)
    read = read_tsv(file, application.file_name, max_rows=ctx.desk.max_rows)
    judged = judge_rows(ctx, institution, application.kind, read)
    return {row.row.seq: row.warnings for row in judged}


def _mail(ctx: Context, batch: _Batch, views: Sequence[BatchPartView], officer: Officer) -> Notice:
    parts = tuple(
        _for_officer(ctx, batch, view, application, officer)
        for view, application in zip(views, batch.applications, strict=True)
    )
    is_only_request = batch.institution.requests == "daily"
    letter = OfficerBatch(
        officer_name=officer.name,
        number=batch.sheet.number,
        code=show_code(batch.code),
        parts=parts,
        approve=_indexes(part for part in parts if part.application.kind is not Kind.REVOKE),
        revoke=_indexes(part for part in parts if part.application.kind is Kind.REVOKE),
        checklist=_checklist(batch) if is_only_request else (),
        left_out=tuple(application.number for application in batch.left_out),
    )
    files = tuple(_file(ctx, a) for a in batch.applications) if is_only_request else ()
    sheet = sheet_attachment(batch.sheet.number, batch.sheet.render())
    return to_officer(
        batch.institution, officer, letter, number=batch.sheet.number, attachments=(sheet, *files)
    )


def _for_officer(
    ctx: Context, batch: _Batch, view: BatchPartView, application: Application, officer: Officer
) -> BatchPartView:
    faults = row_faults(ctx, batch.institution, officer, application)
    rows = batch.sheet.rows_of(application.number, application.sheet_sha256)
    reasons: list[Reason] = [fault for fault in faults.values() if fault is not None]
    return replace(
        view,
        mine=tuple(row.index for row in rows if faults[row.seq] is None),
        not_now=reasons[0] if reasons else None,
    )


def _indexes(parts: Iterable[BatchPartView]) -> tuple[int, ...]:
    return tuple(index for part in parts for index in part.mine)


def _checklist(batch: _Batch) -> tuple[str, ...]:
    """What to look at, of every policy that is concerned, each once."""
    policies = (batch.institution.policy_for(application.kind) for application in batch.applications)
    return tuple(dict.fromkeys(item for policy in policies if policy for item in policy.checklist))


def _file(ctx: Context, application: Application) -> Attachment:
    """The TSV as received, its name told apart by the application's number."""
    name = f"{application.number}-{application.file_name}"
    return Attachment(name, "text/tab-separated-values", inbox.blob(ctx.session, application.file_sha256))
