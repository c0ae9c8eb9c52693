"""What officers honestly sign is carried out, whichever program wrote it."""

from collections import Counter
from functools import cache

import pytest

from handlers.rules.reasons import Reason
from store.states import Filed
from tests.corpus.answer import Genuine
from tests.corpus.court import Court, Verdict
from tests.corpus.genuine import GENUINE

_MOST_REFUSED = 1


def _name(case: Genuine) -> str:
    return f"{case.program.name} {case.scheme} {case.style} by {case.officer}: {case.name}"


@cache
def _judge(court: Court, case: Genuine) -> Verdict:
    with court.sitting() as sitting:
        if case.before:
            colleague = Genuine("before", case.program, case.before, officer="tanaka")
            assert sitting.receive(colleague.mail(court)).has_effect
        return sitting.receive(case.mail(court))


@pytest.mark.parametrize("case", GENUINE, ids=_name)
def test_an_honest_answer_is_carried_out_as_it_was_meant(court: Court, case: Genuine) -> None:
    verdict = _judge(court, case)
    assert (verdict.filed, verdict.done) == (Filed.DONE, (case.done(court),)), verdict.reason


def test_the_corpus_is_large_has_no_mail_twice_and_almost_nothing_is_refused(court: Court) -> None:
    verdicts = {case: _judge(court, case) for case in GENUINE}
    table = Counter(
        (case.program.name, case.scheme.value, case.style, verdict.reason.value)
        for case, verdict in verdicts.items()
    )
    print()  # noqa: T201  # below the dots
    for (program, scheme, style, reason), count in sorted(table.items()):
        print(f"{program:<18}{scheme:<9}{style:<10}{reason:<12}{count:>3}")  # noqa: T201  # the table is asked for
    refused = [case for case, verdict in verdicts.items() if verdict.done != (case.done(court),)]
    print(f"{len(GENUINE)} genuine mails, {len(refused)} refused")  # noqa: T201
    assert len(GENUINE) >= 100
    assert len({_name(case) for case in GENUINE}) == len(GENUINE)
    assert len({verdict.reason for verdict in verdicts.values()} - {Reason.APPROVED}) >= 3
    assert len(refused) <= _MOST_REFUSED
