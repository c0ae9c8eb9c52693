"""The approval request: the sheet put before the officers whose turn it is, when an application comes, when a step is
done, and when a sheet took the place of another (manual 1-1-3; mail-protocol 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from handlers.context import Context
from handlers.incoming import Attachment
from handlers.judge_rows import judge_rows
from handlers.letters.officer import OfficerApprovalRequest, OfficerWaiting
from handlers.letters.views import SenderEvidence, StepView
from handlers.notices import Notice, to_officer
from handlers.rules.policy import progress, steps_of
from handlers.rules.register import Institution, Officer, Policy
from handlers.rules.row_errors import RowError
from handlers.rules.sheet import show_code
from handlers.rules.tsv import read_tsv
from handlers.rules.working_days import local_day
from handlers.views import approvers_by_row, is_urgent, old_certificates, view_application
from store import inbox
from store.states import ApplicationState, EntryState
from store.tables import Application

Warnings = Mapping[int, tuple[RowError, ...]]


@dataclass(frozen=True)
class Fresh:
    """What is known while the application's own mail is at hand and is not stored.

    `authentication`: what our mail server said about the sender; without it the officer is warned. `warnings` by SEQ.
    """

    authentication: str | None
    warnings: Warnings


def ask_officers(
    ctx: Context,
    institution: Institution,
    application: Application,
    officers: Sequence[Officer],
    *,
    fresh: Fresh | None = None,
    thread: tuple[str, ...] = (),
    is_anew: bool = False,
) -> tuple[Notice, ...]:
    """One mail to each of `officers`, with the TSV as received and the sheet. `is_anew`: an earlier sheet is void."""
    policy = institution.policy_for(application.kind)
    if not officers or policy is None:
        return ()
    file = inbox.blob(ctx.session, application.file_sha256)
    known = fresh or Fresh(None, _warnings(ctx, institution, application, file))
    attachments = (
        Attachment(application.file_name, "text/tab-separated-values", file),
        sheet_attachment(application.number, inbox.blob(ctx.session, application.sheet_sha256)),
    )
    letter = replace(_letter(ctx, institution, application, policy, known), is_anew=is_anew)
    return tuple(
        to_officer(
            institution,
            officer,
            replace(letter, officer_name=officer.name),
            number=application.number,
            thread=thread,
            attachments=attachments,
        )
        for officer in officers
    )


def _letter(
    ctx: Context, institution: Institution, application: Application, policy: Policy, known: Fresh
) -> OfficerApprovalRequest:
    approvers = approvers_by_row(ctx, institution, application)
    waiting = [e for e in application.entries if e.state is EntryState.WAITING]
    # of the row that is furthest behind
    standing = max((progress(policy, approvers[e.id]) for e in waiting), key=lambda p: p.missing)
    steps = tuple(
        StepView(step.role or "", step.approvals, place < standing.done)
        for place, step in enumerate(steps_of(policy))
    )
    contacts = {entry.contact_mail.lower() for entry in application.entries}
    return OfficerApprovalRequest(
        application=view_application(
            application, institution, known.warnings, old_certificates(ctx, application)
        ),
        officer_name="",
        code=show_code(application.code),
        checklist=policy.checklist,
        deadline=local_day(application.deadline, ctx.desk.utc_offset_hours),
        approvals_needed=standing.missing,
        evidence=SenderEvidence(application.sender, known.authentication, contacts == {application.sender}),
        is_urgent=is_urgent(application),
        steps=steps if policy.steps else (),
        is_held=application.state is ApplicationState.HELD,
    )


def _warnings(ctx: Context, institution: Institution, application: Application, file: bytes) -> Warnings:
    read = read_tsv(file, application.file_name, max_rows=ctx.desk.max_rows)
    judged = judge_rows(ctx, institution, application.kind, read)
    return {row.row.seq: row.warnings for row in judged}


def tell_of_waiting(
    institution: Institution,
    application: Application,
    officers: Sequence[Officer],
    *,
    is_void: bool,
) -> tuple[Notice, ...]:
    """To officers who are not asked now: nobody says yet who may approve it, or it is not their turn under a new
    sheet. `is_void`: they may hold a request whose code decides nothing any more."""
    has_policy = institution.policy_for(application.kind) is not None
    letter = OfficerWaiting(view_application(application, institution), is_void, has_policy)
    return tuple(to_officer(institution, officer, letter, number=application.number) for officer in officers)


def sheet_attachment(number: str, sheet: bytes) -> Attachment:
    return Attachment(f"{number}.sheet", "application/octet-stream", sheet)
