"""The benchmark's cases around a running desk, at a tiny scale: that they measure what they say. Never how fast."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, select

from bot.bench import answer, backlog, download, memory, start
from bot.bench.approving import apply, approve
from bot.bench.data import ec_rows
from bot.bench.letters import applications, sender_of, senders
from bot.bench.mail_desk import MailDesk, open_mail_desk
from bot.bench.result import BenchFault, Result
from store.states import EntryState
from store.tables import Entry, Mail
from store.transaction import open_store, reading


@pytest.fixture
def desk(need: Callable[[str], str]) -> Iterator[MailDesk]:
    need("dovecot")
    with open_mail_desk() as opened:
        yield opened


def figures(result: Result) -> dict[str, float]:
    return {figure.name: figure.value for figure in result.figures}


def reasons(desk: MailDesk) -> dict[str, int]:
    """Reason of the intake -> how many mails had it."""
    engine = open_store(desk.config.store.url)
    with reading(engine) as session:
        rows = session.execute(select(Mail.reason, func.count()).group_by(Mail.reason)).all()
        found = {reason: count for reason, count in rows}
    engine.dispose()
    return found


def test_senders_write_in_turns_and_no_two_mails_are_alike() -> None:
    mails = list(applications(1, 6, 3))
    assert [sender_of(mail) for mail in mails] == senders(3) * 2
    assert len(set(mails)) == 6


def test_both_kinds_of_mail_are_answered_each_beside_its_notice(desk: MailDesk) -> None:
    result = answer.measure_answers(desk, 2)
    found = figures(result)
    for kind in ("faulty", "good"):
        assert 0 < found[f"answer_median_{kind}"] <= found[f"answer_p99_{kind}"]
        assert 0 < found[f"notice_median_{kind}"] <= found[f"notice_p99_{kind}"]
    # three to warm up, then two of each kind
    assert reasons(desk) == {"taken": 5, "row_fault": 2}
    assert len(result.ratios) == 5


def test_a_whole_backlog_is_answered(desk: MailDesk) -> None:
    found = figures(backlog.measure_backlog(desk, 30))
    assert found["backlog_rate"] > 0
    assert found["backlog_bare_rate"] > 0
    assert len([name for name in found if name.startswith("backlog_tenth")]) == 10
    assert reasons(desk) == {"taken": 30}


def test_the_tenths_of_a_backlog_add_up() -> None:
    answered = backlog._Answered(begin=0.0, moments=[1.0 + n / 10 for n in range(40)], cpu=1.0, memory=1)
    assert answered.seconds == pytest.approx(4.9)
    assert answered.slices() == pytest.approx([0.3, *[0.4] * 9])


def test_memory_is_told_after_every_row_is_issued(desk: MailDesk) -> None:
    found = figures(memory.measure_memory(desk, 3))
    assert 0 < found["memory_idle_peak"] <= found["memory_checked_peak"] <= found["memory_issued_peak"]
    engine = open_store(desk.config.store.url)
    with reading(engine) as session:
        assert list(session.scalars(select(Entry.state))) == [EntryState.ISSUED] * 3
    engine.dispose()


def test_the_page_is_shown_and_its_url_stays_good(desk: MailDesk) -> None:
    found = figures(download.measure_download(desk, 0.2))
    assert found["download_rate"] > 0
    engine = open_store(desk.config.store.url)
    with reading(engine) as session:
        assert list(session.scalars(select(Entry.state))) == [EntryState.ISSUED]
    engine.dispose()


def test_a_url_that_is_gone_counts_for_nothing(desk: MailDesk) -> None:
    with desk.running():
        [url] = approve(desk, apply(desk, [row for _, row in ec_rows(1, 1)]), 1)
        with pytest.raises(BenchFault, match="was not shown"):
            download.visit_all(url[:-4] + "AAAA", 0.2)


def test_start_is_measured_beside_a_python_that_does_nothing(desk: MailDesk) -> None:
    result = start.measure_start(desk, 1)
    found = figures(result)
    assert 0 < found["bare_cpu"] < found["help_cpu"] < found["once_cpu"]
    assert {ratio.name for ratio in result.ratios} == {
        f"{what}_to_bare_{of}_ratio" for what in ("help", "once") for of in ("wall", "cpu")
    }


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(BenchFault, match="no-such"):
        start._cost((*start.RINGI, "no-such"))
