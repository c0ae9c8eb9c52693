"""What may follow what: the one table of states. Whoever changes a state asks here."""

from store.states import ApplicationState as A
from store.states import EntryState as E

APPLICATION_NEXT: dict[A, frozenset[A]] = {
    A.OPEN: frozenset({A.HELD, A.CLOSED, A.LAPSED}),
    A.HELD: frozenset({A.OPEN, A.CLOSED}),
    A.CLOSED: frozenset(),
    A.LAPSED: frozenset(),
}

ENTRY_NEXT: dict[E, frozenset[E]] = {
    E.WAITING: frozenset({E.APPROVED, E.DECLINED, E.LAPSED, E.WITHDRAWN}),
    E.APPROVED: frozenset({E.SIGNING, E.FAILED}),
    E.SIGNING: frozenset({E.ISSUED, E.REVOKED, E.FAILED}),
    E.ISSUED: frozenset({E.DOWNLOADED}),
    E.DOWNLOADED: frozenset(),
    E.DECLINED: frozenset(),
    E.LAPSED: frozenset(),
    E.FAILED: frozenset(),
    E.REVOKED: frozenset(),
    E.WITHDRAWN: frozenset(),
}

# Rows that came to nothing: their names and keys are free again.
ENTRY_DEAD = frozenset({E.DECLINED, E.LAPSED, E.FAILED, E.WITHDRAWN})


def may_follow(before: E, after: E) -> bool:
    return after in ENTRY_NEXT[before]
