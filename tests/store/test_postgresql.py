"""The store on PostgreSQL: the same tables, one writer at a time, rows that are skipped, and faults that pass."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from store import inbox, journal, leases, meta, outbox
from store.leases import Holder
from store.states import OutboxState
from store.tables import Base, Lease, Meta, Outgoing
from store.transaction import marking, open_store, reading, upgrade, writing
from tests.servers.postgresql import PostgreSQL

pytest_plugins = ("tests.servers.fixtures",)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def named(name: str, *, dead: bool = False, near: bool = False) -> Holder:
    return Holder(name, lambda _: dead, lambda _: near)


A, B = named("a"), named("b")


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    engine = open_store(postgresql_url)
    upgrade(engine)
    yield engine
    engine.dispose()


def queue(engine: Engine, count: int) -> list[int]:
    with writing(engine) as session:
        return [
            outbox.enqueue(
                session,
                recipient="applicant@example.ac.jp",
                template="applicant.received",
                message_id=f"<{number}@ringi.example.ac.jp>",
                number=None,
                data=b"frozen",
                now=NOW,
            ).id
            for number in range(count)
        ]


def state_of(engine: Engine, id: int) -> OutboxState:
    with reading(engine) as session:
        return session.get_one(Outgoing, id).state


def test_the_migrations_make_exactly_the_tables_also_when_two_processes_start_together(
    postgresql_url: str,
) -> None:
    engines = [open_store(postgresql_url) for _ in range(2)]
    threads = [threading.Thread(target=upgrade, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engines[0].connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    for engine in engines:
        engine.dispose()


def test_writers_go_one_after_the_other_and_the_chain_holds(engine: Engine) -> None:
    def count() -> None:
        for _ in range(10):
            with writing(engine) as session:
                meta.keep(session, "count", str(int(meta.find(session, "count") or 0) + 1))
                journal.append(session, NOW, "counted", {})

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert meta.find(session, "count") == "30"
        chain = journal.walk(session)
    assert (chain.length, chain.fault) == (30, None)


def test_a_reader_sees_one_moment_and_changes_nothing(engine: Engine) -> None:
    with writing(engine) as session:
        meta.keep(session, "a", "1")
    with reading(engine) as session:
        assert meta.find(session, "a") == "1"
        with writing(engine) as other:
            meta.keep(other, "a", "2")
        session.expire_all()
        assert meta.find(session, "a") == "1"
        meta.keep(session, "b", "1")
    with reading(engine) as session:
        assert (meta.find(session, "a"), meta.find(session, "b")) == ("2", None)


def test_a_mail_that_another_process_begins_at_this_moment_is_skipped_and_not_waited_for(
    engine: Engine,
) -> None:
    first, second = queue(engine, 2)
    with marking(engine) as one:
        assert outbox.begin(one, first, NOW, A)
        with marking(engine) as other:
            assert outbox.begin(other, first, NOW, B) is None
            assert outbox.begin(other, second, NOW, B)
        # nor does who begins a mail wait for who writes
    with writing(engine), marking(engine) as other:
        assert outbox.begin(other, first, NOW, B) is None
    assert (state_of(engine, first), state_of(engine, second)) == (OutboxState.SENDING, OutboxState.SENDING)


def test_what_another_process_sends_is_recovered_only_when_that_is_over(engine: Engine) -> None:
    (id,) = queue(engine, 1)
    with marking(engine) as session:
        assert outbox.begin(session, id, NOW, A, timedelta(seconds=60))

    def recovered(holder: Holder) -> int:
        with writing(engine) as session:
            return outbox.recover(session, NOW, holder)

    assert recovered(B) == 0
    # on the same machine it counts whether it lives, not how long it takes
    with writing(engine) as session:
        session.get_one(Outgoing, id).held_until = datetime.now(UTC) - timedelta(days=1)
    assert recovered(named("b", near=True)) == 0
    assert recovered(named("b", near=True, dead=True)) == 1
    assert state_of(engine, id) is OutboxState.UNKNOWN
    with marking(engine) as session:
        assert outbox.begin(session, id, NOW, A, timedelta(seconds=-1))
    assert recovered(B) == 1


def test_a_mail_whose_end_another_process_writes_at_this_moment_is_not_recovered_and_not_waited_for(
    engine: Engine,
) -> None:
    (id,) = queue(engine, 1)
    with marking(engine) as session:
        assert outbox.begin(session, id, NOW, A, timedelta(seconds=-1))
    with marking(engine) as session:
        outbox.mark_sent(session, id, NOW)
        with writing(engine) as other:
            other.execute(text("SET LOCAL lock_timeout = '1s'"))
            assert outbox.recover(other, NOW, B) == 0
    assert state_of(engine, id) is OutboxState.SENT


def test_a_mail_that_came_back_before_we_wrote_that_it_went_stays_failed(engine: Engine) -> None:
    (id,) = queue(engine, 1)
    with marking(engine) as session:
        outbox.begin(session, id, NOW, A)
    with writing(engine) as session:
        assert outbox.mark_returned(session.get_one(Outgoing, id), "550 nobody")
    with writing(engine) as session:
        assert outbox.mark_sent(session, id, NOW).state is OutboxState.FAILED


def test_leases_go_by_the_database_s_clock(engine: Engine) -> None:
    """Two hosts whose clocks are a day apart share a store."""
    yesterday, tomorrow = NOW - timedelta(days=1), NOW + timedelta(days=1)
    with writing(engine) as session:
        assert leases.take_leases(session, ["1", "2"], A, yesterday, 60) == {"1", "2"}
        assert leases.take_leases(session, ["1", "3"], B, tomorrow, 60) == {"3"}
        assert leases.others_hold(session, "1", B, tomorrow)
        assert not leases.others_hold(session, "3", B, tomorrow)
        assert leases.take_leases(session, ["1"], named("b", dead=True), yesterday, 60) == {"1"}
    with writing(engine) as session:
        session.get_one(Lease, "2").until = datetime.now(UTC) - timedelta(seconds=1)
    with writing(engine) as session:
        assert leases.take_leases(session, ["2"], B, yesterday, 60) == {"2"}


def test_a_database_that_is_restarted_is_a_fault_that_passes(engine: Engine, postgresql: PostgreSQL) -> None:
    with writing(engine) as session:
        meta.keep(session, "a", "1")

    def write_while_it_ends() -> None:
        with writing(engine) as session:
            meta.keep(session, "a", "2")
            postgresql.crash()

    with pytest.raises(OperationalError):
        write_while_it_ends()
    with pytest.raises(OperationalError), reading(engine) as session:
        meta.find(session, "a")
    postgresql.start()
    # the pool holds connections to the one that is gone
    with reading(engine) as session:
        assert meta.find(session, "a") == "1"


@pytest.mark.parametrize(
    "fault",
    [
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$",  # serialization
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$",  # deadlock
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END $$",  # the disk is full
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '25006'; END $$",  # a standby took over
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '25P03'; END $$",  # idle for too long
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '42501'; END $$",  # a right was taken away
        "SELECT pg_terminate_backend(pg_backend_pid())",
    ],
)
def test_what_the_database_cannot_do_for_now_is_one_kind_of_fault(engine: Engine, fault: str) -> None:
    with pytest.raises(OperationalError), writing(engine) as session:
        session.execute(text(fault))


def test_INJ4_an_error_of_postgresql_does_not_carry_the_values(engine: Engine) -> None:
    with pytest.raises(IntegrityError) as error, writing(engine) as session:
        session.add_all(Meta(name="secret", value="https://ra.example.ac.jp/d/secret") for _ in range(2))
    assert "secret" not in str(error.value)
    assert "secret" not in str(error.value.orig)


def test_DOS4_a_NUL_in_a_text_is_shown_by_another_character_and_found_again(engine: Engine) -> None:
    """PostgreSQL holds none; an error text or a mail's words must not make a mail fail three times."""
    with writing(engine) as session:
        inbox.count_attempt(session, ("a", "IN\0BOX", 1, 1), "ValueError: \0 was read\0", NOW)
        meta.keep(session, "a\0b", "1")
    with writing(engine) as session:
        assert inbox.count_attempt(session, ("a", "IN\0BOX", 1, 1), "\0", NOW) == 2
        assert meta.find(session, "a\0b") == "1"
        assert session.scalars(select(Meta.name)).all() == ["a\ufffdb"]
        assert session.scalars(select(Meta).where(Meta.name.in_(["a\0b", "c"]))).one().value == "1"


def test_a_fault_of_ours_is_not_taken_for_the_database_s(engine: Engine) -> None:
    with pytest.raises(Exception, match="does not exist") as error, writing(engine) as session:
        session.execute(text("SELECT nonsense"))
    assert not isinstance(error.value, OperationalError)
    with writing(engine) as session:
        assert session.scalars(select(Lease)).all() == []
