"""The program on a site: one round at a given time, and the undisturbed play of the journeys that trials start from."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tests.faults.journeys import STEPS, People, Step, at, people_of
from tests.faults.picture import Picture, check_journal, compare, sent_of, take_picture
from tests.faults.points import Fault, Point, find_points, tracing
from tests.faults.prefork import Child, Hit, Nursery, Order
from tests.faults.site import Site, first_day, open_site
from tests.faults.store_faults import COUNTING, find_moments

ROLES = ("desk", "signer")
_SECONDS = 300
_SIGNER = re.compile(r'"pid": (\d+), "event": "signer ready"')
Traces = Sequence[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Run:
    """How `ringi once` ended. `log`: its standard error. `hit`: where something was to be hit by seccomp."""

    status: int
    out: str
    log: str
    hit: Hit | None = None

    @property
    def is_broken(self) -> bool:
        """An exception that nothing caught: what is caught is logged within a line of JSON."""
        return any(line.startswith("Traceback") for line in self.log.splitlines())

    @property
    def has_complained(self) -> bool:
        """By its exit status, or by a line of its log that is above information."""
        return self.status != 0 or any(word in self.log for word in ('"warning"', '"error"', "Traceback"))


@dataclass(frozen=True)
class Record:
    """An undisturbed step: how it begins, what it leads to, where it can be hit."""

    step: Step
    now: datetime
    mails: tuple[bytes, ...]
    expected: Picture
    points: tuple[Point, ...] = ()

    @property
    def name(self) -> str:
        return self.step.title

    def bare(self) -> "Record":
        """Without the people's part, so that it can go to another process."""
        return replace(self, step=Step(self.step.journey, self.step.name, self.step.after))


class Rig:
    """A site with the program ready to run."""

    def __init__(self, site: Site, nursery: Nursery) -> None:
        self.site = site
        self._nursery = nursery
        self._logs = site.place / "logs"
        self._logs.mkdir()

    def once(
        self, now: datetime, code: str = "", traces: Traces = (), hit: tuple[Point, Fault] | None = None
    ) -> Run:
        child, out, log = self._start(self._nursery, Order(self._once, now, code, tuple(traces), hit))
        status = child.wait(_SECONDS)
        found = child.wait_for_all(_SECONDS)
        return Run(status, out.read_text(), log.read_text(errors="replace"), found)

    @property
    def _once(self) -> tuple[str, ...]:
        return ("once", "--json", "--config", str(self.site.config_file))

    def warm(self, records: Sequence[Record]) -> None:
        """Rounds in the nursery's own process, once as each role; the other role's processes come from a helper."""
        with Nursery(self.site.place, "helper") as helper:
            for record in (record for record in records if not record.step.fetches):
                for role, desks, signers in (
                    ("desk", self._nursery, helper),
                    ("signer", helper, self._nursery),
                ):
                    self.put_back(record)
                    order = Order(self._once, record.now, stays=role, signers=signers.path)
                    child, _, log = self._start(desks, order)
                    assert child.wait(_SECONDS) == 0, log.read_text()
                    child.wait_for_all(_SECONDS)

    def once_killed(self, now: datetime, role: str, after: float) -> bool:
        """A round of which one process is killed after so many seconds; False if it was over by then."""
        child, _, log = self._start(self._nursery, Order(self._once, now))
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(after)
            child.wait_for_all(_SECONDS)
            return False
        pids = (
            [child.pid]
            if role == "desk"
            else [int(pid) for pid in _SIGNER.findall(log.read_text(errors="replace"))]
        )
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.wait_for_all(_SECONDS)
        return bool(pids)

    def _start(self, nursery: Nursery, order: Order) -> tuple[Child, Path, Path]:
        out, log = self._logs / "out", self._logs / "log"
        with out.open("wb") as stdout, log.open("wb") as stderr:
            return nursery.start(order, stdout, stderr), out, log

    def trace_file(self, role: str) -> Path:
        return self._logs / f"{role}.strace"

    def picture(self) -> tuple[Picture, list[str], list[str]]:
        """On record and in people's hands; repeated Message-IDs; mails that nothing answers for."""
        told, repeats, strangers = sent_of(self.site.state, self.site.world.received())
        return take_picture(self.site.state) + told, repeats, strangers

    def play(self, step: Step, people: People, start: datetime) -> Record:
        """The step undisturbed; it must come to rest in one round."""
        now = at(step, start)
        self.site.world.now = now
        self.site.keep(step.title)
        self.site.world.empty()
        mails: list[bytes] = []
        if step.fetches:
            self._fetch(people, now)
        else:
            mails = step.mails(people)
            self.site.world.put(mails)
            run = self.once(now)
            assert run.status == 0, run.log
        picture, repeats, strangers = self.picture()
        again = self.once(now)
        assert again.status == 0, again.log
        assert not repeats
        assert not strangers, strangers
        assert self.picture()[0] == picture, compare(self.picture()[0], picture)
        assert not self.site.world.waiting()
        check_journal(self.site.state)
        people.got += self.site.world.received()
        return Record(step, now, tuple(mails), picture)

    def put_back(self, record: Record) -> None:
        """As before the step, its mails in the INBOX."""
        self.site.restore(record.name)
        self.site.world.now = record.now
        self.site.world.put(record.mails)

    def find_points(self, record: Record) -> Record:
        if record.step.fetches:
            return record
        self.put_back(record)
        calls = self.trace(record.now)
        self.put_back(record)
        return replace(record, points=(*calls, *find_moments(self.once(record.now, COUNTING).log)))

    def trace(self, now: datetime, code: str = "") -> list[Point]:
        """Every point of a round."""
        for role in ROLES:
            self.trace_file(role).unlink(missing_ok=True)
        run = self.once(now, code, [(role, tracing(str(self.trace_file(role)))) for role in ROLES])
        assert run.status == 0, run.log
        texts = {role: self.trace_file(role).read_text().splitlines() for role in ROLES}
        return [point for role in ROLES for point in find_points(role, texts[role])]

    def _fetch(self, people: People, now: datetime) -> None:
        """`ringi run` with its download page, until the mails about the download are out."""
        child, _, log = self._start(
            self._nursery, Order(("run", "--config", str(self.site.config_file)), now)
        )
        try:
            _wait_for(lambda: '"ready"' in log.read_text())
            people.applicant.fetch(people.url())
            _wait_for(lambda: '"mail_sent"' in log.read_text())
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait_for_all(20)


def _wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


@contextmanager
def open_rig(start: datetime) -> Iterator[Rig]:
    with open_site(start) as site, Nursery(site.place) as nursery:
        yield Rig(site, nursery)


@contextmanager
def played(steps: Sequence[Step] = STEPS) -> Iterator[tuple[Rig, list[Record]]]:
    """A rig after the undisturbed play of these steps, which must be the journeys' first ones."""
    start = first_day()
    with open_rig(start) as rig:
        people = people_of(rig.site)
        records = [rig.play(step, people, start) for step in steps]
        rig.warm(records)
        yield rig, [rig.find_points(record) for record in records]
