"""Opening the store, and the only place that commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITE_LOCK = 7209_4761  # any number that no other program uses in the same PostgreSQL database


def open_store(url: str) -> Engine:
    """An engine for `url`. SQLite: WAL, synchronous=FULL, foreign keys on, 30 s busy time-out."""
    # an error must not carry the values: rows hold download URLs and people's mails, and errors are logged
    engine = create_engine(
        url, connect_args={"timeout": 30} if url.startswith("sqlite") else {}, hide_parameters=True
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        # pysqlite's own BEGIN comes too late; `begin` below says which kind it must be
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("ringi_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that holds the write lock from its first moment; commits at the end, rolls back on any error."""
    with engine.connect().execution_options(ringi_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _WRITE_LOCK})
        with Session(connection, expire_on_commit=False, autoflush=True) as session:
            yield session
            session.flush()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that is always rolled back: nothing done in it has an effect."""
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            with Session(connection, expire_on_commit=False) as session:
                yield session
        finally:
            transaction.rollback()


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision; a new store is made this way too."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
