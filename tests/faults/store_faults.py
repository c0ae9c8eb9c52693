"""A store that can't be used for one moment: what a program meets whose database server is being restarted.

No system call of the program shows that: a statement is refused, or a commit is done and nobody says so.
"""

import re
from collections import Counter

from tests.faults.points import MOMENTS, Point

# in the desk's own process, before the program; the signer's ledger is a file
_CODE = """
import sqlite3, sys
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as dialect
count, wanted, nth = {{}}, {moment!r}, {nth}
def note(moment):
    count[moment] = count.get(moment, 0) + 1
    if nth == 0:
        sys.stderr.write(f"moment {{moment}}\\n")
    if (moment, count[moment]) == (wanted, nth):
        sys.stderr.write("the store failed\\n")
        raise sqlite3.OperationalError("the database is gone")
def spoil(name):
    whole = getattr(dialect, name)
    def spoilt(self, *rest, **more):
        note("statement")
        return whole(self, *rest, **more)
    setattr(dialect, name, spoilt)
def commit(self, connection, whole=dialect.do_commit):
    note("commit")
    whole(self, connection)
    note("commit's answer")
if "once" in sys.argv:
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        spoil(name)
    dialect.do_commit = commit
"""
COUNTING = _CODE.format(moment="", nth=0)


def failing(point: Point) -> str:
    return _CODE.format(moment=point.call, nth=point.nth)


def has_failed(log: str) -> bool:
    return "the store failed\n" in log


def find_moments(log: str) -> list[Point]:
    """Of a run with `COUNTING`."""
    there = Counter(re.findall(r"^moment (.*)$", log, re.MULTILINE))
    return [
        Point("desk", moment, nth, "ringi.db") for moment in MOMENTS for nth in range(1, there[moment] + 1)
    ]
