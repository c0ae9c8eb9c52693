"""DOS1: what hostile mails cost, from their bytes to their answers, beside an ordinary mail in the same run.

CPU seconds of this process and of gpg, not time by the clock. The bound is what an honest sender may ask for: one file
of 99 rows. Each hostile mail is far below it; `-s` shows the table.
"""

import resource
import time

import pytest

from tests.applications import tsv, tsv_line
from tests.corpus.court import Court
from tests.corpus.forging import Forge
from tests.corpus.hostile import HOSTILE, full_file, with_file

# files of 99 rows: the costliest hostile mail takes about two and a half
_MOST = 6


def cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def cost(court: Court, raw: bytes, times: int = 1) -> float:
    """CPU seconds at the least of so many tries."""
    found = []
    for _ in range(times):
        with court.sitting() as sitting:
            start = cpu()
            sitting.receive(raw)
            found.append(cpu() - start)
    return min(found)


@pytest.fixture(scope="module")
def ordinary(court: Court) -> float:
    cost(court, with_file(tsv(tsv_line("warm.example.ac.jp"))))
    return cost(court, with_file(tsv(tsv_line("one.example.ac.jp"))), 5)


@pytest.fixture(scope="module")
def most(court: Court, ordinary: float) -> float:
    found = cost(court, full_file(), 2)
    print(  # noqa: T201  # figures for people
        f"\nan ordinary mail: {ordinary * 1000:.1f} ms of CPU; one of 99 rows: {found / ordinary:.0f} times that"
    )
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_DOS1_no_hostile_mail_costs_what_an_honest_one_may(
    court: Court, ordinary: float, most: float, name: str
) -> None:
    raw = HOSTILE[name](Forge(court))
    found = cost(court, raw)
    if found >= _MOST * most:
        found = cost(court, raw, 2)  # a busy machine blows up a single look
    print(f"| {name} | {len(raw) / 1000:.0f} kB | {found * 1000:.1f} ms | {found / ordinary:.1f} |")  # noqa: T201  # figures for people
    assert found < _MOST * most
