"""SQLite takes texts that are longer than their column and PostgreSQL refuses them: every test of this process is held
to PostgreSQL's limits, on whichever store it is."""

from typing import Any

from sqlalchemy import Integer, LargeBinary, String, event
from sqlalchemy.orm import Mapper
from sqlalchemy.types import BigInteger, TypeDecorator

from store.tables import Base


class OverLimit(AssertionError):
    """PostgreSQL would refuse this row."""


def hold_to_limits() -> None:
    for moment in ("before_insert", "before_update"):
        event.listen(Base, moment, _check, propagate=True)


def _check(mapper: Mapper[Any], _connection: object, row: object) -> None:
    for attribute in mapper.column_attrs:
        value = row.__dict__.get(attribute.key)  # what was not read is not written
        column = attribute.columns[0]
        if value is not None and (fault := _fault(column.type, value)):
            raise OverLimit(f"{column.table}.{column.name}: {fault}")


def _fault(kind: Any, value: Any) -> str | None:
    kind = kind.impl if isinstance(kind, TypeDecorator) else kind
    if isinstance(kind, LargeBinary):
        return None if isinstance(value, bytes) else f"{type(value).__name__} for bytes"
    if isinstance(kind, String):
        return _text_fault(kind.length, value)
    if isinstance(kind, Integer) and not isinstance(value, bool):
        bits = 63 if isinstance(kind, BigInteger) else 31
        return None if -(2**bits) <= value < 2**bits else f"{value} does not fit"
    return None


def _text_fault(length: int | None, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"{type(value).__name__} for text"
    is_longer = length is not None and len(value) > length
    return f"{len(value)} characters, at most {length}" if is_longer else None
