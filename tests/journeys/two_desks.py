"""Two processes of the service on one configuration, a backlog for them, and what must hold when they have worked it
off, however often one of them was killed meanwhile."""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import func, select

from bot.config import load_config
from bot.demo.mailbox import parse
from bot.demo.replies import plain_mail, signed_reply
from bot.demo.service import Service
from store.signer_ledger import SignedRow, open_ledger
from store.states import EntryState, OutboxState
from store.tables import Certificate, Entry, Mail, Outgoing
from store.transaction import reading
from tests.journeys.desk import BOT, DN, RINGI, Desk
from tests.journeys.test_floods import put
from tests.servers.people import APPLICANT, OFFICER, OFFICER2

_START_SECONDS = 60


@dataclass
class Figures:
    """What a run came to. `repeated`: mails that arrived twice, as a process died before it knew they were taken."""

    mails: int = 0
    kills: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    by_process: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        shares = ", ".join(f"{count}" for _, count in sorted(self.by_process.items()))
        return (
            f"{self.mails} mails, {self.kills} kills: {self.lost} lost, {self.doubled} doubled, "
            f"{self.repeated} repeated after a kill; handled by each process: {shares}"
        )


@dataclass
class Pair:
    """Two services side by side; each start of one has a log of its own."""

    desk: Desk
    services: dict[int, Service] = field(default_factory=dict)
    starts: int = 0

    def start(self, place: int) -> None:
        self.starts += 1
        log = self.desk.directory / f"service-{self.starts}.log"
        service = Service(self.desk.config_file, log, RINGI)
        service.start(_START_SECONDS)
        self.services[place] = service

    def kill(self, place: int) -> None:
        process = self.services[place]._process
        assert process is not None
        process.kill()
        process.wait()

    def handled(self) -> Counter[str]:
        """How many mails each start of a process handled, by its log."""
        logs = sorted(self.desk.directory.glob("service-*.log"))
        return Counter({log.name: len(re.findall(r'"event": ?"handled"', log.read_text())) for log in logs})

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.desk.directory.glob("service-*.log")))


@contextmanager
def two_processes(desk: Desk) -> Iterator[Pair]:
    pair = Pair(desk)
    try:
        pair.start(0)
        pair.start(1)
        yield pair
    finally:
        for service in pair.services.values():
            service.abandon()


def use_store(desk: Desk, url: str) -> None:
    """Another database, by the one setting that there is for it."""
    text = desk.config_file.read_text(encoding="utf-8")
    desk.config_file.write_text(f'{text}\n[store]\nurl = "{url}"\n', encoding="utf-8")
    desk.config = load_config(desk.config_file)


def applications(desk: Desk, count: int) -> list[bytes]:
    return [_application(desk, f"host{number}.example.ac.jp") for number in range(count)]


def _application(desk: Desk, fqdn: str) -> bytes:
    dn = DN.format(fqdn=fqdn)
    _, csr = desk.applicant.make_request(fqdn, dn)
    return plain_mail(
        APPLICANT, BOT, fqdn, "お願いします。\n", {"shinsei.tsv": desk.applicant.tsv(fqdn, dn, csr)}
    )


def questions(count: int) -> list[bytes]:
    """Mails that are answered with help, each from somebody else."""
    user, domain = APPLICANT.split("@")
    return [
        plain_mail(f"{user}+{n}@{domain}", BOT, f"質問 {n}", "教えてください。\n", {}) for n in range(count)
    ]


def approvals(desk: Desk) -> list[bytes]:
    """An officer's signed reply to each request that came."""
    requests = [raw for raw in desk.officer.mailbox.all() if "承認のお願い" in str(parse(raw)["Subject"])]
    unique = {str(parse(raw)["Message-ID"]): raw for raw in requests}
    return [
        signed_reply(raw, OFFICER, "承認", quote=True, style="mutt", seal=desk.officer.seal)
        for raw in unique.values()
    ]


def work_off(
    pair: Pair, backlog: Sequence[bytes], disturb: Callable[[], None], times: int, rng: random.Random
) -> None:
    """Put the backlog into the folder, `disturb` the two so many times at random moments, and wait for the end."""
    before = count_mails(pair.desk)
    put(pair.desk.servers.dovecot, backlog)
    for _ in range(times):
        time.sleep(rng.uniform(0.1, 1.5))
        disturb()
    wait_until(lambda: count_mails(pair.desk) == before + len(backlog), pair, 300 + 4 * len(backlog))
    wait_until(lambda: is_quiet(pair.desk), pair, 300 + 4 * len(backlog))


def wait_until(is_so: Callable[[], bool], pair: Pair, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, pair.logs()
        time.sleep(0.2)


def count_mails(desk: Desk) -> int:
    with desk.reading() as session:
        return session.scalar(select(func.count()).select_from(Mail)) or 0


def is_quiet(desk: Desk) -> bool:
    """Nothing lies in the folder, is approved and not issued, or waits to be sent."""
    with desk.reading() as session:
        unsent = select(func.count()).where(Outgoing.state.not_in((OutboxState.SENT, OutboxState.FAILED)))
        unissued = select(func.count()).where(Entry.state.in_((EntryState.APPROVED, EntryState.SIGNING)))
        if session.scalar(unsent) or session.scalar(unissued):
            return False
    return not desk.bot.all()


def judge(pair: Pair, put_in: Sequence[bytes], kills: int) -> Figures:
    """What was put in and what came of it. Raises AssertionError where the books don't agree."""
    desk = pair.desk
    figures = Figures(len(put_in), kills, by_process=pair.handled())
    wanted = Counter(sha256(raw).hexdigest() for raw in put_in)
    filed = Counter(
        sha256(raw).hexdigest()
        for name in ("Done", "Refused")
        for raw in desk.servers.dovecot.mails(BOT, name)
    )
    with desk.reading() as session:
        kept = Counter(session.scalars(select(Mail.raw_sha256)))
        crashed = session.scalars(select(Mail).where(Mail.kind.in_(("crashed", "duplicate")))).all()
        sent = session.execute(select(Outgoing.message_id, Outgoing.attempts, Outgoing.state)).all()
        said = Counter(
            (row.number, row.template, row.recipient)
            for row in session.execute(select(Outgoing.number, Outgoing.template, Outgoing.recipient))
            if row.number
        )
        serials = list(session.scalars(select(Certificate.serial).where(Certificate.der.is_not(None))))
        rows = session.scalar(select(func.count()).where(Entry.state == EntryState.ISSUED)) or 0
    assert not crashed
    assert {row.state for row in sent} <= {OutboxState.SENT}
    figures.lost = sum((wanted - kept).values()) + sum((wanted - filed).values())
    figures.doubled = sum((kept - wanted).values()) + sum((filed - wanted).values())
    figures.doubled += sum(count - 1 for count in said.values())
    assert len(serials) == len(set(serials)) == rows
    assert sorted(serials) == sorted(_signed(desk))
    arrived = Counter(str(parse(raw)["Message-ID"]) for raw in _arrived(desk))
    figures.lost += sum(row.message_id not in arrived for row in sent)
    for row in sent:
        figures.repeated += arrived[row.message_id] - 1
        assert arrived[row.message_id] <= row.attempts
    assert desk.ringi("journal", "verify").returncode == 0
    return figures


def _arrived(desk: Desk) -> Iterator[bytes]:
    for user in (APPLICANT, OFFICER, OFFICER2, "monitor@example.ac.jp"):
        yield from desk.servers.dovecot.mails(user)


def _signed(desk: Desk) -> list[str]:
    engine = open_ledger(desk.config.signer.ledger)
    try:
        with reading(engine) as session:
            return list(session.scalars(select(SignedRow.serial).where(SignedRow.der.is_not(None))))
    finally:
        engine.dispose()
