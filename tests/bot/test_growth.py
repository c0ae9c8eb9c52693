"""What a desk does costs the same after ten years as on its first day, told by the database's steps, not by a clock."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from bot.bench.desk import MONITOR
from bot.bench.full_store import DUE
from bot.bench.grown_desk import GrownDesk, open_grown_desk
from bot.bench.growth import WORKS, _read_alone, interleaved
from handlers.digest import make_digest
from handlers.listing import inventory_lines
from store import journal
from store.tables import Base
from store.transaction import reading, writing

# some rows of each, however long the desk works
_SMALL = {"leases", "meta", "troubles", "attempts", "whois_answers"}
_GROWING = {table.name for table in Base.metadata.sorted_tables} - _SMALL


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrownDesk]:
    with open_grown_desk(tmp_path_factory.mktemp("y"), 1000) as desk:
        yield desk


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrownDesk]:
    with open_grown_desk(tmp_path_factory.mktemp("o"), 4000) as desk:
        yield desk


def test_the_past_is_a_true_one(young: GrownDesk) -> None:
    with young.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").all() == [("ok",)]
        counts = {name: _count(connection, name) for name in ("certificates", "dues WHERE done_at IS NULL")}
    assert counts["certificates"] >= 1000
    assert counts["dues WHERE done_at IS NULL"] > 1000
    with reading(young.engine) as session:
        chain = journal.walk(session)
    assert chain.fault is None
    assert chain.length > 3000


def _count(connection, what: str) -> int:  # type: ignore[no-untyped-def]
    found: int = connection.exec_driver_sql(f"SELECT count(*) FROM {what}").scalar_one()
    return found


def test_the_same_work_takes_the_same_steps_on_four_times_the_past(young: GrownDesk, old: GrownDesk) -> None:
    """The first round of each is another one: it tells of what came due."""
    _due_round(young, old)
    works: dict[str, Callable[[GrownDesk], Callable[[], object]]] = {
        **WORKS,
        "sweep": lambda desk: desk.service._sweep,
    }
    steps = {
        name: [min(cost.steps for cost in costs) for costs in interleaved((young, old), work, 2)]
        for name, work in works.items()
    }
    # trees of indexes grow by a level now and then, and there are more who have not fetched
    grown = {name: found for name, found in steps.items() if found[1] > 1.25 * found[0] + 200}
    assert grown == {}


def _due_round(young: GrownDesk, old: GrownDesk) -> None:
    """As many mails for what is due, and as many steps, in both."""
    counts, steps = [], []
    for desk in (young, old):
        with reading(desk.engine) as session:
            before = journal.newest_line(session)[0]
        with desk.costing() as cost:
            desk.service._round(None)
        with reading(desk.engine) as session:
            lines = [line for line in journal.lines(session, before + 1) if line.event == "reminded"]
        counts.append(len(lines))
        steps.append(cost.steps)
    assert counts == [DUE, DUE]
    assert steps[1] < 1.25 * steps[0]


def test_nothing_a_round_asks_reads_a_growing_table_from_end_to_end(young: GrownDesk) -> None:
    asked: dict[str, object] = {}

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.setdefault(statement, parameters)

    event.listen(young.engine, "before_cursor_execute", note)
    try:
        for work in WORKS.values():
            work(young)()
        _more_work(young)
    finally:
        event.remove(young.engine, "before_cursor_execute", note)
    with reading(young.engine) as session:
        scans = [
            (statement, plan)
            for statement, parameters in asked.items()
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT")
            for plan in _plans(session, statement, parameters)
            if plan.startswith("SCAN ") and plan.split()[1] in _GROWING and not _is_newest(statement)
        ]
    assert len(asked) > 100
    assert scans == []


def _plans(session: Session, statement: str, parameters: object) -> list[str]:
    rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[call-overload]
    return [row[3] for row in rows]


def _is_newest(statement: str) -> bool:
    """The newest by its key is the first that is met."""
    return "WHERE" not in statement and "DESC" in statement and "LIMIT" in statement


def _more_work(desk: GrownDesk) -> None:
    """What a desk does besides: commands, the daily job, the digest, a list, issuing, a round."""
    for text in (
        "一覧",
        "統計",
        "許可リスト",
        "状況 A-20200101-0001",
        "状況 123456789",
        f"状況 host5.{'example.ac.jp'}",
    ):
        mail = desk.at_work.read(desk.signed(f"{text}\n"))
        desk.office.intake.take_in(mail)
    desk.service._sweep()
    desk.service._round(None)
    with writing(desk.engine) as session:
        ctx = desk.office.judge.context(session)
        make_digest(ctx, ctx.now - timedelta(days=1), ctx.now, MONITOR)
        assert len(list(inventory_lines(ctx, "testkikan"))) > 100


def test_what_is_read_alone_is_all_there_is(young: GrownDesk) -> None:
    with reading(young.engine) as session:
        entries = journal.newest_line(session)[0]
        rows = len(list(inventory_lines(young.office.judge.context(session), "testkikan"))) - 1
    assert _read_alone(young, "list")["rows"] == rows
    assert _read_alone(young, "journal")["rows"] == entries


def test_a_plan_that_reads_everything_would_be_seen(young: GrownDesk) -> None:
    with reading(young.engine) as session:
        [plan] = _plans(session, "SELECT count(*) FROM applications WHERE number LIKE ? || '%'", ("A-2026",))
    assert plan.startswith("SCAN applications")
    assert not _is_newest("SELECT x FROM journal WHERE event = ? ORDER BY seq DESC LIMIT 1")
