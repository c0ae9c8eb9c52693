"""What a process that has played rounds knows when the next begins, so that it need not be found out each time.

Kept is what follows from the program alone, or from the bytes given: the commands and their options, compiled
templates, the texts of reasons and alarms, compiled SQL, a private key that was found to be one, and what the program
itself keeps in caches of values.
"""

import functools
import signal
from collections.abc import Callable
from types import CodeType
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

_STATEMENTS = 2000


class _Templates(jinja2.BytecodeCache):
    """By name and source, in memory."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._known.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key, bucket.checksum] = bucket.code


def keep_what_is_compiled() -> None:
    """In this process and in those forked from it."""
    import typer.main

    import bot.compose.words as words
    import bot.smime.sign as sign

    templates, environment = _Templates(), words.environment

    def with_templates(*arguments: Any) -> Any:
        made = environment(*arguments)
        made.bytecode_cache = templates
        return made

    words.environment = with_templates
    words._load = functools.cache(words._load)
    typer.main.get_command = functools.cache(typer.main.get_command)
    sign.load_pem_private_key = functools.cache(sign.load_pem_private_key)
    keep_statements()


def keep_statements() -> None:
    """Each engine of SQLite finds what another has compiled."""
    import store.transaction as transaction

    statements: LRUCache[Any, Any] = LRUCache(_STATEMENTS)
    create: Callable[..., Engine] = transaction.create_engine

    def with_statements(*arguments: Any, **more: Any) -> Engine:
        engine = create(*arguments, **more)
        if isinstance(engine.dialect, SQLiteDialect_pysqlite):
            engine._compiled_cache = statements
        return engine

    # they are kept by dialect, and each engine has its own, made in the same way
    SQLiteDialect_pysqlite.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    SQLiteDialect_pysqlite.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
    transaction.create_engine = with_statements
    upgrade = transaction._upgrade

    def upgrade_alone(connection: Connection) -> None:
        # its tables are made for each upgrade, and know the connection, which must not outlive the round
        upgrade(connection.execution_options(compiled_cache=None))

    transaction._upgrade = upgrade_alone


def forget_signals() -> None:
    """What is done on them holds all that a process has open."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
