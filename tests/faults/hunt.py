"""Whether the trials find a planted fault, and where."""

import random
from collections.abc import Sequence

from tests.faults.planted import Plant
from tests.faults.points import Point
from tests.faults.rig import Record, Rig
from tests.faults.trial import Court, Outcome, Verdict

_BAD = (Verdict.LOST, Verdict.DOUBLED, Verdict.STUCK)


def hunt(
    rig: Rig, records: Sequence[Record], plant: Plant, most: int, seed: int = 0, *, by_strace: bool = False
) -> tuple[int, Outcome | None]:
    """Try points of the spoiled program, spread over the step: after how many which one showed it."""
    record = next(record for record in records if record.name == plant.step)
    rig.put_back(record)
    points = [point for point in rig.trace(record.now, plant.code) if point.role in plant.roles]
    court, count = Court(rig, plant.code, by_strace), 0
    for count, point in enumerate(_spread(points, most, seed), start=1):
        outcome = court.attempt(record, point, plant.fault)
        if outcome.verdict in _BAD:
            return count, outcome
    return count, None


def _spread(points: Sequence[Point], most: int, seed: int) -> list[Point]:
    """`most` of them in any order. The many writes of pages come in long rows: some, evenly spread, meet each row. Of
    the few other calls, which part the rows, as many as there is room for."""
    pages = [point for point in points if point.call == "pwrite64"]
    others = [point for point in points if point.call != "pwrite64"]
    chance = random.Random(seed)
    step = max(1, len(pages) // max(1, most // 3))
    chosen = pages[step // 2 :: step]
    chosen += chance.sample(others, max(0, min(len(others), most - len(chosen))))
    chance.shuffle(chosen)
    return chosen
