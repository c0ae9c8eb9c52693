"""`python -m tests.national`: a minute of a nation's busiest hour, at its true rate, on two desks.

Real Dovecot, Postfix, PostgreSQL (flushing to disk) and gpg; the desks are processes as operators start them. Asked for
first, in peace, are as many applications as a minute brings. Then, in one minute, officers approve these one by one
while as many new ones arrive; at the end a backlog shows how fast the desks can be. Prints what docs/performance.md
quotes.
"""

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from bot.bench.data import ec_key, fqdns, make_csr, tsv_row
from bot.bench.meter import cpu_seconds
from bot.bench.servers.dovecot import Dovecot, start_dovecot
from bot.bench.servers.tls import make_tls
from bot.demo.replies import plain_mail
from bot.imap.folder import Folder
from store.tables import Certificate, Mail, Outgoing
from tests.journeys.desk import BOT, Desk, open_desk
from tests.journeys.two_desks import Pair, approvals, count_mails, is_quiet, use_store, wait_until
from tests.servers.people import APPLICANT, USERS
from tests.servers.postfix import MailServers, start_postfix
from tests.servers.postgresql import PostgreSQL, start_postgresql

# 2,000,000 renewals a year are 5,500 a day; the last days of a month bring three times as many, their busiest hour 15 %
RENEWALS_A_MINUTE = 41
_PATIENCE = 600.0
_places = itertools.count()


@dataclass(frozen=True)
class Costs:
    """CPU seconds so far, of the desks with their signer and gpg, and of PostgreSQL."""

    desks: float
    database: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.national", description=__doc__)
    parser.add_argument("--desks", type=int, default=2)
    parser.add_argument("--renewals", type=int, default=RENEWALS_A_MINUTE, help="in the minute")
    parser.add_argument("--seconds", type=float, default=60.0, help="the minute")
    given = parser.parse_args()
    with ExitStack() as opened:
        place = Path(opened.enter_context(_place()))
        servers, database = _servers(opened, place)
        desk = opened.enter_context(open_desk(servers))
        use_store(desk, database.make_database("nation"))
        pair = Pair(desk)
        opened.callback(lambda: [service.abandon() for service in pair.services.values()])
        for number in range(given.desks):
            pair.start(number)
        _play(pair, database, given.renewals, given.seconds)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _place() -> Iterator[str]:
    """A short path that the servers' own users can walk through."""
    directory = tempfile.mkdtemp(prefix="ringi-", dir="/tmp")
    Path(directory).chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _servers(opened: ExitStack, place: Path) -> tuple[MailServers, PostgreSQL]:
    tls = make_tls(place)
    dovecot = start_dovecot(place / "d", dict(USERS), tls, program=_program("dovecot"))
    opened.callback(dovecot.stop)
    postfix = start_postfix(place / "p", list(USERS), dovecot, tls)
    opened.callback(postfix.stop)
    database = start_postgresql(place / "pg", _program("postgres"))
    opened.callback(database.stop)
    with database.connect() as connection:
        connection.execute("ALTER SYSTEM SET fsync = on")
        connection.execute("SELECT pg_reload_conf()")
    return MailServers(dovecot, postfix), database


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def _play(pair: Pair, database: PostgreSQL, renewals: int, seconds: float) -> None:
    desk, dovecot = pair.desk, pair.desk.servers.dovecot
    mails = _applications(3 * renewals)
    _put(dovecot, mails[:renewals])
    _wait_for(pair, renewals)
    replies = approvals(desk)
    assert len(replies) == renewals
    mixed = [mail for both in zip(replies, mails[renewals : 2 * renewals], strict=True) for mail in both]
    _say(f"{len(mixed)} mails in {seconds:.0f} s, half of them approvals")
    _tell(pair, database, lambda: _offer(pair, mixed, seconds), len(mixed))
    backlog = approvals(desk)[-renewals:] + mails[2 * renewals :]
    _say(f"{len(backlog)} mails at once")
    _tell(pair, database, lambda: _put(dovecot, backlog), len(backlog))
    _total(pair)
    with database.connect() as connection:
        [size] = connection.execute("SELECT pg_database_size('nation')").fetchone() or [0]
    _say(f"the database: {int(str(size)) / 1e6:.1f} MB")


def _applications(count: int) -> list[bytes]:
    """Of one row, each with a key of its own; a sender has fifty a day at most."""
    user, domain = APPLICANT.split("@")
    rows = (
        (fqdn, tsv_row(fqdn, make_csr(fqdn, ec_key(7, n)), APPLICANT))
        for n, fqdn in enumerate(fqdns(7, count))
    )
    return [
        plain_mail(f"{user}+{n % 20}@{domain}", BOT, "発行申請", "お願いします。\n", {"shinsei.tsv": row})
        for n, (_, row) in enumerate(rows)
    ]


def _put(dovecot: Dovecot, mails: Sequence[bytes]) -> None:
    """As a delivery agent does, into the folder's own files."""
    inbox = dovecot.directory / "mail" / BOT
    if not inbox.exists():
        with Folder(dovecot.imap(BOT)):
            pass  # so that the folder is there
    owner = inbox.stat()
    for raw in mails:
        path = inbox / "tmp" / f"{1_700_000_000 + next(_places)}.M1.nation"
        path.write_bytes(raw)
        os.chown(path, owner.st_uid, owner.st_gid)
        path.rename(inbox / "new" / path.name)


def _offer(pair: Pair, mails: Sequence[bytes], seconds: float) -> None:
    """Evenly over so many seconds, whether or not the desks keep up; the most that waited meanwhile."""
    begin, done, most = time.monotonic(), count_mails(pair.desk), 0
    for number, mail in enumerate(mails):
        time.sleep(max(0.0, begin + number * seconds / len(mails) - time.monotonic()))
        _put(pair.desk.servers.dovecot, [mail])
        most = max(most, number + 1 - (count_mails(pair.desk) - done))
    _say(f"  at most {most} mails waited")


def _tell(pair: Pair, database: PostgreSQL, work: Callable[[], None], mails: int) -> None:
    before, handled, begin = _costs(pair, database), count_mails(pair.desk), time.monotonic()
    work()
    offered = time.monotonic() - begin
    _wait_for(pair, handled + mails)
    spent, after = time.monotonic() - begin, _costs(pair, database)
    _say(f"  offered in {offered:.1f} s, all answered, issued and sent after {spent:.1f} s")
    _say(f"  {mails / spent:.2f} mails/s; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    desks, store = after.desks - before.desks, after.database - before.database
    _say(f"  CPU a mail: desks {1000 * desks / mails:.0f} ms, PostgreSQL {1000 * store / mails:.1f} ms")


def _wait_for(pair: Pair, mails: int) -> None:
    wait_until(lambda: count_mails(pair.desk) >= mails and is_quiet(pair.desk), pair, _PATIENCE)


def _costs(pair: Pair, database: PostgreSQL) -> Costs:
    desks = [service._process.pid for service in pair.services.values() if service._process]
    postmaster = int((database.directory / "data" / "postmaster.pid").read_text().split()[0])
    return Costs(_family(desks), _family([postmaster]))


def _family(pids: Sequence[int]) -> float:
    """Of these processes and all below them, with those that ended."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    waiting, found = list(pids), 0.0
    while waiting:
        pid = waiting.pop()
        try:
            found += cpu_seconds(pid)
        except OSError:
            continue
        waiting += children.get(pid, [])
    return found


def _total(pair: Pair) -> None:
    desk: Desk = pair.desk
    with desk.reading() as session:
        mails = session.scalar(select(func.count()).select_from(Mail))
        certificates = session.scalar(select(func.count()).where(Certificate.der.is_not(None)))
        out = session.scalar(select(func.count()).select_from(Outgoing))
    shares = ", ".join(str(count) for _, count in sorted(pair.handled().items()))
    _say(
        f"in all {mails} mails in, {certificates} certificates, {out} mails out; handled by each desk: {shares}"
    )


if __name__ == "__main__":
    main()
