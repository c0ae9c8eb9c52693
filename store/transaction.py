"""Opening the store, and the only place that commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITE_LOCK = 7209_4761  # any number that no other program uses in the same PostgreSQL database
# a host that vanished holds its locks for a minute, a process that stands still for two
_POSTGRESQL_SETTINGS = {
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "120s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_POSTGRESQL_CONNECTION: dict[str, Any] = {
    "application_name": "ringi",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": " ".join(f"-c {name}={value}" for name, value in _POSTGRESQL_SETTINGS.items()),
}
# SQLSTATE: connections, read-only, idle too long, no such database, rights; what ends by itself or by an operator
_WORLD_STATES = ("08", "25006", "25P03", "3D", "40", "42501", "53", "55", "57", "58")


def open_store(url: str) -> Engine:
    """An engine for `url`. SQLite: WAL, synchronous=FULL, foreign keys on, 30 s busy time-out. PostgreSQL: a lost
    connection is replaced, a lock is waited for as long.

    Whatever the store can't do for now is an OperationalError.
    """
    found = make_url(url)
    # an error must not carry the values: rows hold download URLs and people's mails, and errors are logged
    if found.get_backend_name() == "postgresql":
        # each statement sees what was committed before it: the first one waits for the write lock
        engine = create_engine(
            url,
            connect_args=_postgresql_connection(found),
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            hide_parameters=True,
        )
        event.listen(engine, "handle_error", _as_operational)
        from store.postgresql_text import accept_nul  # the driver: only where it is used

        event.listen(engine, "connect", accept_nul)
        return engine
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    # pysqlite's own BEGIN comes too late; `begin` below says which kind it must be
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def is_shared(engine: Engine) -> bool:
    """Whether several processes may work on this store at the same time, or only one in a round."""
    return engine.dialect.name == "postgresql"


def _postgresql_connection(url: URL) -> dict[str, Any]:
    """What the URL itself says holds."""
    return {name: value for name, value in _POSTGRESQL_CONNECTION.items() if name not in url.query}


def _as_operational(context: ExceptionContext) -> BaseException | None:
    """psycopg has other names for some ways in which a database can't be used for now."""
    error = context.sqlalchemy_exception
    for told in (context.original_exception, error):
        # PostgreSQL says which values it refused, and may show the whole row
        if told is not None:
            told.args = tuple(str(arg).partition("\nDETAIL")[0] for arg in told.args[:1]) + told.args[1:]
    if not isinstance(error, DBAPIError) or isinstance(error, OperationalError):
        return None
    state = getattr(context.original_exception, "sqlstate", None) or ""
    if not context.is_disconnect and not state.startswith(_WORLD_STATES):
        return None
    cause = error.orig or Exception(type(error).__name__)
    lost = context.is_disconnect
    return OperationalError(error.statement, None, cause, hide_parameters=True, connection_invalidated=lost)


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("ringi_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite store; None for another database, or for one in memory."""
    made = make_url(url)
    in_memory = made.database in (None, "", ":memory:")
    return Path(str(made.database)) if made.get_backend_name() == "sqlite" and not in_memory else None


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that holds the write lock from its first moment; commits at the end, rolls back on any error."""
    with _begun(engine) as connection:
        _lock(connection)
        with Session(connection, expire_on_commit=False, autoflush=True) as session:
            yield session
            session.flush()


@contextmanager
def marking(engine: Engine) -> Iterator[Session]:
    """As `writing`, but on PostgreSQL it waits for nobody who writes elsewhere: for notes on single rows that no rule
    reads and the journal does not tell of. Lock those rows (`with_for_update`)."""
    with _begun(engine) as connection, Session(connection, expire_on_commit=False) as session:
        yield session
        session.flush()


@contextmanager
def _begun(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(ringi_write=True) as connection, connection.begin():
        yield connection


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _WRITE_LOCK})


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that is always rolled back: nothing done in it has an effect. It sees one moment of the store."""
    # SQLite's transactions do that by themselves
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**options) as connection:
        transaction = connection.begin()
        try:
            with Session(connection, expire_on_commit=False) as session:
                yield session
        finally:
            transaction.rollback()


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision; a new store is made this way too. Of two processes one does it."""
    with _begun(engine) as connection:
        _lock(connection)
        if _revision(connection) != newest_revision():
            _upgrade(connection)


def newest_revision() -> str:
    """Of this program's schema; the migrations' file names begin with it."""
    return max(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: Connection) -> None:
    # a sixth of a start, and most starts have nothing to upgrade
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
