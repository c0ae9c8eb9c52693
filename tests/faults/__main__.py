"""`make faults`: every fault at every point of every journey, and the planted faults. Ends with 1 if anything did not
hold, or if a planted fault was not found."""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.faults.hunt import hunt
from tests.faults.planted import PLANTS
from tests.faults.points import Fault, is_for
from tests.faults.rig import Record, Rig, played
from tests.faults.seccomp import is_permitted
from tests.faults.table import print_table
from tests.faults.workers import Task, say, share, try_all

_PLANT_POINTS = 60


def main() -> int:
    options = _options()
    started = time.monotonic()
    by_strace = options.by_strace or not is_permitted()
    if by_strace:
        say("points are hit by strace: seccomp's user notification is not permitted here, or not wanted")
    with played() as (rig, records):
        say(f"{len(records)} steps played undisturbed in {time.monotonic() - started:.0f} s")
        is_good = True
        if not options.only_plants:
            tasks = _tasks(records, options)
            total = Counter(fault for _, _, fault in tasks)
            say("points: " + ", ".join(f"{fault} {count}" for fault, count in total.items()))
            shared = share(rig, records)
            outcomes = try_all(shared, tasks, options.workers, options.minutes, by_strace=by_strace)
            is_good = print_table(outcomes, len(tasks), time.monotonic() - started)
        if not options.no_plants:
            is_good &= _hunt_all(rig, records, by_strace=by_strace)
    return 0 if is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--faults", nargs="+", type=lambda word: Fault[word], default=list(Fault), metavar="KILL"
    )
    parser.add_argument("--every", type=int, default=1, help="try each n-th point only")
    parser.add_argument("--seed", type=int, default=0, help="in which order")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many; 0: when all is done")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--by-strace", action="store_true", help="hit by strace even where seccomp can")
    plants = parser.add_mutually_exclusive_group()
    plants.add_argument("--no-plants", action="store_true", help="no planted faults")
    plants.add_argument("--only-plants", action="store_true", help="nothing but the planted faults")
    return parser.parse_args()


def _tasks(records: Sequence[Record], options: argparse.Namespace) -> list[Task]:
    """In any order, so that what is left out by --every or --minutes is left out evenly."""
    tasks = [
        (place, point, fault)
        for fault in options.faults
        for place, record in enumerate(records)
        for point in record.points
        if is_for(point, fault)
    ]
    random.Random(options.seed).shuffle(tasks)
    return tasks[:: options.every]


def _hunt_all(rig: Rig, records: Sequence[Record], *, by_strace: bool) -> bool:
    say("\nplanted faults:")
    are_found = True
    for plant in PLANTS:
        count, outcome = hunt(rig, records, plant, _PLANT_POINTS, by_strace=by_strace)
        are_found &= outcome is not None
        how = f"{outcome.verdict} at {outcome.point}, point {count} of the hunt" if outcome else "NOT FOUND"
        say(f"  {plant.name}: {how}")
    return are_found


if __name__ == "__main__":
    sys.exit(main())
