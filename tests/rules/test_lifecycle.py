"""The table of states, for all pairs."""

from itertools import product

from handlers.rules.lifecycle import APPLICATION_NEXT, ENTRY_DEAD, ENTRY_NEXT, may_follow
from store.states import ApplicationState, EntryState


def test_every_state_has_a_row() -> None:
    assert set(ENTRY_NEXT) == set(EntryState)
    assert set(APPLICATION_NEXT) == set(ApplicationState)


def test_nothing_follows_itself_and_nothing_comes_back() -> None:
    order = list(EntryState)
    for before, after in product(order, order):
        if may_follow(before, after):
            assert before is not after
            assert not may_follow(after, before)


def test_only_approval_leads_to_a_certificate() -> None:
    assert {s for s in EntryState if may_follow(s, EntryState.SIGNING)} == {EntryState.APPROVED}
    assert {s for s in EntryState if may_follow(s, EntryState.ISSUED)} == {EntryState.SIGNING}
    assert {s for s in EntryState if may_follow(s, EntryState.APPROVED)} == {EntryState.WAITING}


def test_dead_rows_stay_dead() -> None:
    assert all(not ENTRY_NEXT[state] for state in ENTRY_DEAD)
