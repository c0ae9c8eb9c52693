"""How far the approvals of a row carry under a policy: n officers, or steps of roles in their order (threats ID3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from handlers.rules.reasons import Reason
from handlers.rules.register import Officer, Policy, Step


@dataclass(frozen=True)
class Progress:
    """`step`: the one that is not done yet, None when all are; `done`: how many are. `missing`: approvals still
    needed, of all steps."""

    step: Step | None
    missing: int
    done: int

    @property
    def is_done(self) -> bool:
        return self.step is None


def steps_of(policy: Policy) -> tuple[Step, ...]:
    return policy.steps or (Step(role=None, approvals=policy.approvals),)


def progress(policy: Policy, approvers: Sequence[Officer]) -> Progress:
    """`approvers` in the order of their approvals: a person counts once, and only with the role of the step.

    Whoever approved too early may do so again: what did not count uses nothing up.
    """
    steps = steps_of(policy)
    counts = [0] * len(steps)
    counted: set[str] = set()
    at = 0
    for officer in approvers:
        if at < len(steps) and officer.id not in counted and _may_do(officer, steps[at]):
            counted.add(officer.id)
            counts[at] += 1
            at += counts[at] == steps[at].approvals
    missing = sum(step.approvals for step in steps) - sum(counts)
    return Progress(steps[at] if at < len(steps) else None, missing, at)


def turn_fault(policy: Policy, officer: Officer, approvers: Sequence[Officer]) -> Reason | None:
    """Why this officer's approval would not count now, after those of `approvers`; None if it would."""
    now = progress(policy, approvers)
    if now.step is None or _may_do(officer, now.step):
        return None
    has_later = any(_may_do(officer, later) for later in steps_of(policy)[now.done + 1 :])
    return Reason.NOT_YOUR_STEP if has_later else Reason.ROLE_MISSING


def whose_turn(policy: Policy, officers: Iterable[Officer], approvers: Sequence[Officer]) -> list[Officer]:
    """Those of `officers` whose approval would count now: nobody twice, nobody before their step, none when all is
    done."""
    if progress(policy, approvers).is_done:
        return []
    had = {officer.id for officer in approvers}
    return [o for o in officers if o.id not in had and turn_fault(policy, o, approvers) is None]


def could_be_done(policy: Policy, officers: Sequence[Officer]) -> bool:
    """Whether these officers, one person counting once, are enough for all steps: else nobody could ever approve."""
    # a step takes whom few others need: the usual matching, by hand for a handful of officers
    wanted = [step for step in steps_of(policy) for _ in range(step.approvals)]
    taken: dict[str, int] = {}
    return all(_place(index, wanted, officers, taken, set()) for index in range(len(wanted)))


def _place(
    index: int, wanted: Sequence[Step], officers: Sequence[Officer], taken: dict[str, int], tried: set[str]
) -> bool:
    for officer in officers:
        if officer.id in tried or not _may_do(officer, wanted[index]):
            continue
        tried.add(officer.id)
        if officer.id not in taken or _place(taken[officer.id], wanted, officers, taken, tried):
            taken[officer.id] = index
            return True
    return False


def _may_do(officer: Officer, step: Step) -> bool:
    return step.role is None or step.role in officer.roles
