"""Which rows of an application an officer can approve now, and why not the others."""

from collections.abc import Sequence

from handlers.context import Context
from handlers.decision_faults import is_own
from handlers.frozen import is_in_force
from handlers.rules.policy import turn_fault
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Officer, Policy
from handlers.views import approvers_by_row
from store.states import ApplicationState, EntryState
from store.tables import Application


def row_faults(
    ctx: Context, institution: Institution, officer: Officer, application: Application
) -> dict[int, Reason | None]:
    """By SEQ, for the rows that wait: why an approval by this officer would not count now; None if it would."""
    waiting = [entry for entry in application.entries if entry.state is EntryState.WAITING]
    policy = institution.policy_for(application.kind)
    if policy is None:
        return dict.fromkeys((entry.seq for entry in waiting), Reason.NO_POLICY)
    whole = _application_fault(ctx, institution, officer, application, policy)
    approvers = approvers_by_row(ctx, institution, application)
    return {e.seq: whole or _row_fault(policy, officer, approvers[e.id]) for e in waiting}


def _application_fault(
    ctx: Context, institution: Institution, officer: Officer, application: Application, policy: Policy
) -> Reason | None:
    if not is_in_force(ctx, application, institution):
        return Reason.SHEET_VOID
    if application.state is ApplicationState.HELD:
        return Reason.ON_HOLD
    if ctx.now > application.deadline:
        return Reason.LAPSED
    return Reason.OWN_APPLICATION if not policy.self_approval and is_own(application, officer) else None


def _row_fault(policy: Policy, officer: Officer, approvers: Sequence[Officer]) -> Reason | None:
    return Reason.REPEATED if officer in approvers else turn_fault(policy, officer, approvers)
