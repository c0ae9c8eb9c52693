"""Trials at once: each worker has a desk and a mail world of its own, and starts from the same played journeys."""

import multiprocessing as mp
import queue
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.demo.tls import Tls
from tests.faults.points import Fault, Point
from tests.faults.prefork import Nursery
from tests.faults.rig import Record, Rig
from tests.faults.site import first_day, open_twin
from tests.faults.trial import Court, Outcome, Verdict

Task = tuple[int, Point, Fault]  # the place of the record, and what is done in it
_TOLD_EVERY = 60  # seconds


@dataclass(frozen=True)
class Shared:
    """What every worker needs to have the same desk. `records`: without what makes mails, which stays here."""

    place: Path
    tls: Tls
    ports: tuple[int, int]
    records: tuple[Record, ...]


def share(rig: Rig, records: Sequence[Record]) -> Shared:
    servers = rig.site.world.servers
    bare = tuple(record.bare() for record in records)
    return Shared(rig.site.place, rig.site.tls, (servers.imap_port, servers.smtp_port), bare)


def try_all(
    shared: Shared, tasks: list[Task], workers: int, minutes: float, *, by_strace: bool
) -> list[Outcome]:
    """`minutes`: when to stop; 0: when all is done. `by_strace`: see `Court`."""
    context = mp.get_context("spawn")
    found: mp.Queue[Outcome | None] = context.Queue()
    until = time.time() + minutes * 60 if minutes else float("inf")
    shares = [tasks[n::workers] for n in range(workers)]
    processes = [context.Process(target=_work, args=(shared, one, until, found, by_strace)) for one in shares]
    for process in processes:
        process.start()
    outcomes: list[Outcome] = []
    last = time.monotonic()
    for outcome in _arriving(found, processes):
        outcomes.append(outcome)
        if outcome.verdict not in (Verdict.HELD, Verdict.MISSED):
            say(str(outcome))
        if time.monotonic() - last > _TOLD_EVERY:
            last = time.monotonic()
            say(f"{len(outcomes)} of {len(tasks)} tried")
    for process in processes:
        process.join()
    return outcomes


def _arriving(
    found: "mp.Queue[Outcome | None]", processes: Sequence[mp.process.BaseProcess]
) -> Iterator[Outcome]:
    """Until every worker has said that it is done. A worker that ended otherwise is an error."""
    left = len(processes)
    while left:
        try:
            outcome = found.get(timeout=5)
        except queue.Empty:
            if any(process.exitcode not in (None, 0) for process in processes):
                raise RuntimeError("a worker ended before its work") from None
            continue
        if outcome is None:
            left -= 1
        else:
            yield outcome


def _work(
    shared: Shared, tasks: Sequence[Task], until: float, found: "mp.Queue[Outcome | None]", by_strace: bool
) -> None:
    """One worker: a desk and a mail world of its own."""
    with (
        open_twin(shared.place, shared.tls, shared.ports, first_day()) as site,
        Nursery(site.place) as nursery,
    ):
        rig = Rig(site, nursery)
        rig.warm(shared.records)
        court = Court(rig, by_strace=by_strace)
        for place, point, fault in tasks:
            if time.time() > until:
                break
            found.put(court.attempt(shared.records[place], point, fault))
    found.put(None)


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
