"""Text on its way to PostgreSQL, which holds no NUL: a mail, or what a server said, must not fail by one."""

from typing import Any

from psycopg.types.string import StrDumperUnknown

_SHOWN_FOR_NUL = "\N{REPLACEMENT CHARACTER}"


class _Text(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", _SHOWN_FOR_NUL))


def accept_nul(connection: Any, _record: object) -> None:
    """For each connection as it is made: stored and looked for, a NUL is shown by U+FFFD."""
    connection.adapters.register_dumper(str, _Text)
