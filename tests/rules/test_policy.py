"""Policies: n officers, or steps of roles in their order; one person counts once (threats ID3)."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.rules.policy import could_be_done, progress, turn_fault, whose_turn
from handlers.rules.reasons import Reason
from handlers.rules.register import Officer, OpenPGPKey, Policy, Step


def officer(name: str, *roles: str) -> Officer:
    address = f"{name}@example.ac.jp"
    key = OpenPGPKey(fingerprint=f"{ord(name[0]):x}" * 20, file="k.asc")
    return Officer(id=name, name=name, addresses=(address,), notify=address, openpgp=(key,), roles=roles)


A, B, C = officer("a", "reviewer"), officer("b", "manager"), officer("c", "reviewer", "manager")
D = officer("d")
STEPS = Policy(steps=(Step(role="reviewer"), Step(role="manager")))
ANYBODY_BETWEEN = Policy(steps=(Step(role="reviewer", approvals=2), Step(), Step(role="manager")))


def test_n_of_m_counts_people_and_not_approvals() -> None:
    policy = Policy(approvals=2)
    assert progress(policy, ()).missing == 2
    assert progress(policy, (A, A, A)).missing == 1
    assert progress(policy, (A, B)).is_done


def test_a_step_is_done_by_its_role_alone() -> None:
    assert progress(STEPS, (B,)).missing == 2
    assert progress(STEPS, (A,)).missing == 1
    assert progress(STEPS, (A, B)).is_done
    assert not progress(STEPS, (B, A)).is_done


def test_who_approved_too_early_may_approve_again() -> None:
    assert not progress(STEPS, (A, D)).is_done
    assert progress(STEPS, (B, A, B)).is_done
    assert progress(STEPS, (A, A, B)).is_done


def test_ID3_nobody_does_two_steps() -> None:
    assert progress(STEPS, (C, C)).missing == 1
    assert progress(STEPS, (C, B)).is_done


def test_whose_turn_it_is() -> None:
    officers = (A, B, C, D)
    assert whose_turn(STEPS, officers, ()) == [A, C]
    assert whose_turn(STEPS, officers, (C,)) == [B]
    assert whose_turn(STEPS, officers, (A,)) == [B, C]
    assert whose_turn(STEPS, officers, (A, B)) == []
    assert whose_turn(Policy(approvals=2), officers, (A,)) == [B, C, D]
    assert whose_turn(ANYBODY_BETWEEN, officers, (A, C)) == [B, D]


@pytest.mark.parametrize(
    ("who", "before", "fault"),
    [
        (A, (), None),
        (B, (), Reason.NOT_YOUR_STEP),
        (B, (A,), None),
        (D, (), Reason.ROLE_MISSING),
        (A, (C,), Reason.ROLE_MISSING),  # the step that A could do is done
        (C, (A,), None),
    ],
)
def test_why_an_approval_does_not_count_now(who: Officer, before: tuple[Officer], fault: Reason) -> None:
    assert turn_fault(STEPS, who, before) is fault


def test_the_same_role_may_come_twice() -> None:
    policy = Policy(steps=(Step(role="reviewer"), Step(role="manager"), Step(role="reviewer")))
    assert turn_fault(policy, B, (A,)) is None
    assert turn_fault(policy, A, (officer("e", "reviewer"),)) is Reason.NOT_YOUR_STEP
    assert turn_fault(policy, B, (A, C)) is Reason.ROLE_MISSING


def test_whether_anybody_could_ever_approve() -> None:
    assert could_be_done(STEPS, (A, B))
    assert could_be_done(STEPS, (C, A))
    assert not could_be_done(STEPS, (C,))
    assert not could_be_done(STEPS, (A, D))
    assert not could_be_done(Policy(approvals=3), (A, B))
    assert not could_be_done(Policy(approvals=2), (A, A))


_OFFICERS = st.lists(
    st.builds(
        lambda n, roles: officer(chr(97 + n), *sorted(roles)),
        st.integers(0, 4),
        st.sets(st.sampled_from(["x", "y"])),
    ),
    max_size=5,
    unique_by=lambda o: o.id,
)
_STEPS = st.lists(
    st.builds(Step, role=st.sampled_from([None, "x", "y"]), approvals=st.integers(1, 2)), max_size=3
)


@given(_OFFICERS, _STEPS, st.integers(1, 3))
def test_a_policy_could_be_done_iff_some_order_of_its_officers_does_it(
    officers: list[Officer], steps: list[Step], approvals: int
) -> None:
    policy = Policy(approvals=approvals, steps=tuple(steps))
    # the naive way: everybody comes in every order, and comes back when it was not their turn
    done = any(_come_one_after_another(policy, order) for order in permutations(officers))
    assert could_be_done(policy, officers) == done


def _come_one_after_another(policy: Policy, order: tuple[Officer, ...]) -> bool:
    taken: list[Officer] = []
    for who in order * len(order):
        if (
            who not in taken
            and not progress(policy, taken).is_done
            and turn_fault(policy, who, taken) is None
        ):
            taken.append(who)
    return progress(policy, taken).is_done


@given(_OFFICERS, _STEPS, st.integers(1, 3))
def test_those_whose_turn_it_is_and_only_they_bring_it_forward(
    officers: list[Officer], steps: list[Step], approvals: int
) -> None:
    policy = Policy(approvals=approvals, steps=tuple(steps))
    taken: list[Officer] = []
    while turn := whose_turn(policy, officers, taken):
        before = progress(policy, taken).missing
        for who in officers:
            moved = progress(policy, (*taken, who)).missing < before
            assert moved == (who in turn)
        taken.append(turn[0])
