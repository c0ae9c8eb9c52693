"""The outcome in one table: journey and fault -> tried, lost, doubled, stuck, mails repeated and why."""

import sys
from collections.abc import Sequence

from tests.faults.trial import Outcome, Verdict

_HEAD = (
    "journey",
    "fault",
    "tried",
    "restarted",
    "lost",
    "doubled",
    "stuck",
    "silent",
    "broken",
    "mails repeated",
    "alarms",
)
_WHY = """\
tried: the program was hit there. restarted: of these, how often it was then started until quiet; the others left
behind exactly what one of these did. mails repeated: the same bytes under the same Message-ID came twice, each because
the program was hit between handing the mail to the server and having the answer on record. Nothing else came twice.
alarms: mails to the monitors that say what was met; only where the desk lived on."""


def print_table(outcomes: Sequence[Outcome], planned: int, seconds: float) -> bool:
    """True if everything held."""
    rows = [_HEAD, *_rows(outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    missed = sum(outcome.verdict is Verdict.MISSED for outcome in outcomes)
    tail = f"{len(outcomes)} of {planned} points in {seconds:.0f} s; {missed} were missed (no run made such a call)"
    bad = [outcome for outcome in outcomes if outcome.verdict not in (Verdict.HELD, Verdict.MISSED)]
    sys.stdout.write("\n".join(["", *lines, "", tail, _WHY, *map(str, bad), ""]))
    return not bad


def _rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    keys = dict.fromkeys((outcome.journey, outcome.fault) for outcome in outcomes)
    groups = {key: [o for o in outcomes if (o.journey, o.fault) == key] for key in sorted(keys)}
    rows = [(journey, str(fault.value), *_counts(group)) for (journey, fault), group in groups.items()]
    return [*rows, ("all", "", *_counts(outcomes))]


def _counts(group: Sequence[Outcome]) -> tuple[str, ...]:
    def count(verdict: Verdict) -> str:
        return str(sum(outcome.verdict is verdict for outcome in group))

    tried = sum(outcome.verdict is not Verdict.MISSED for outcome in group)
    restarted = sum(outcome.was_restarted for outcome in group)
    kinds = (Verdict.LOST, Verdict.DOUBLED, Verdict.STUCK, Verdict.SILENT, Verdict.BROKEN)
    repeats = sum(outcome.repeats for outcome in group)
    alarms = sum(outcome.alarms for outcome in group)
    return (str(tried), str(restarted), *map(count, kinds), str(repeats), str(alarms))
