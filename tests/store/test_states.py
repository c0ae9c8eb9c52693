"""The tables of states, for all pairs, and that the store holds everybody to them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest

from store import applications
from store.certificates import state_of
from store.states import (
    APPLICATION_NEXT,
    CERTIFICATE_NEXT,
    ENTRY_DEAD,
    ENTRY_NEXT,
    ApplicationState,
    CertificateState,
    EntryState,
)
from store.tables import Application, Certificate
from store.transaction import writing
from tests.applications import open_world, tsv_line

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TABLES: list[tuple[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]]]] = [
    (ApplicationState, APPLICATION_NEXT),  # type: ignore[list-item]
    (EntryState, ENTRY_NEXT),  # type: ignore[list-item]
    (CertificateState, CERTIFICATE_NEXT),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("states", "table"), TABLES, ids=["applications", "entries", "certificates"])
def test_every_state_has_a_row_and_every_state_can_be_reached(states, table) -> None:  # type: ignore[no-untyped-def]
    assert set(table) == set(states)
    first = next(iter(states))
    reached = {first} | {after for found in table.values() for after in found}
    assert reached == set(states)


def test_nothing_comes_back_but_a_hold_and_what_a_voided_sheet_had_decided() -> None:
    back = {
        (before, after)
        for _, table in TABLES
        for before, after in product(table, table)
        if after in table[before] and (before is after or before in table[after])
    }
    assert back == {
        (ApplicationState.OPEN, ApplicationState.HELD),
        (ApplicationState.HELD, ApplicationState.OPEN),
        (ApplicationState.OPEN, ApplicationState.CLOSED),
        (ApplicationState.CLOSED, ApplicationState.OPEN),
        (ApplicationState.OPEN, ApplicationState.LAPSED),
        (ApplicationState.LAPSED, ApplicationState.OPEN),
        (EntryState.WAITING, EntryState.APPROVED),
        (EntryState.APPROVED, EntryState.WAITING),
    }


def test_only_approval_leads_to_a_certificate_or_a_revocation() -> None:
    def before(after: EntryState) -> set[EntryState]:
        return {state for state in EntryState if after in ENTRY_NEXT[state]}

    assert before(EntryState.APPROVED) == {EntryState.WAITING}
    assert before(EntryState.SIGNING) == {EntryState.APPROVED}
    assert before(EntryState.ISSUED) == before(EntryState.REVOKED) == {EntryState.SIGNING}
    assert all(not ENTRY_NEXT[state] for state in ENTRY_DEAD)


@pytest.mark.parametrize(("before", "after"), list(product(EntryState, EntryState)))
def test_the_store_takes_the_steps_of_the_table_and_no_others(
    before: EntryState, after: EntryState, tmp_path: Path
) -> None:
    if after in ENTRY_NEXT[before]:
        world = open_world(tmp_path)
        number = world.take(tsv_line())
        with writing(world.engine) as session:
            (entry,) = session.get_one(Application, number).entries
            entry.state = before
            session.flush()
            assert applications.move_entries(session, [entry], before, after) == [entry]
            assert applications.move_entries(session, [entry], before, after) == []
        world.engine.dispose()
    else:
        with pytest.raises(ValueError, match="cannot go"):
            applications.move_entries(None, [], before, after)  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "after"), list(product(ApplicationState, ApplicationState)))
def test_applications_too(before: ApplicationState, after: ApplicationState, tmp_path: Path) -> None:
    world = open_world(tmp_path)
    number = world.take(tsv_line())
    with writing(world.engine) as session:
        application = session.get_one(Application, number)
        application.state = before
        session.flush()
        if after in APPLICATION_NEXT[before]:
            assert applications.move_application(session, application, before, after)
        else:
            with pytest.raises(ValueError, match="cannot go"):
                applications.move_application(session, application, before, after)
    world.engine.dispose()


def test_a_certificates_state_follows_from_its_row_and_the_time() -> None:
    end = NOW + timedelta(days=1)
    certificate = Certificate(der=None, not_after=end, revoked_at=None)
    assert state_of(certificate, NOW) is CertificateState.INTENDED
    certificate.der = b"x"
    assert state_of(certificate, end) is CertificateState.VALID
    assert state_of(certificate, end + timedelta(seconds=1)) is CertificateState.EXPIRED
    certificate.revoked_at = NOW
    assert state_of(certificate, end + timedelta(seconds=1)) is CertificateState.REVOKED
