"""Two processes on one store (threats 9): on SQLite one stands by, on PostgreSQL both work; whichever dies, whenever,
nothing is lost and nothing is done twice.

`make two-processes` plays PostgreSQL with hundreds of mails, `make test` with a few dozen.
"""

import os
import random
import time
import urllib.request

from tests.journeys.desk import Desk
from tests.journeys.test_floods import put
from tests.journeys.two_desks import (
    applications,
    approvals,
    count_mails,
    is_quiet,
    judge,
    questions,
    two_processes,
    use_store,
    wait_until,
    work_off,
)
from tests.servers.postgresql import PostgreSQL

pytest_plugins = ("tests.servers.fixtures",)

MAILS = int(os.environ.get("RINGI_TWO_MAILS", "36"))
KILLS = int(os.environ.get("RINGI_TWO_KILLS", "3"))
SEED = int(os.environ.get("RINGI_TWO_SEED", "1"))


def test_on_postgresql_both_work_and_a_kill_loses_and_doubles_nothing(
    desk: Desk, postgresql_url: str
) -> None:
    use_store(desk, postgresql_url)
    rng = random.Random(SEED)
    asked = applications(desk, MAILS * 2 // 3) + questions(MAILS // 3)
    rng.shuffle(asked)
    with two_processes(desk) as pair:

        def kill_one() -> None:
            place = rng.randrange(2)
            pair.kill(place)
            pair.start(place)

        work_off(pair, asked, kill_one, KILLS, rng)
        answers = approvals(desk)
        assert len(answers) == MAILS * 2 // 3
        work_off(pair, answers, kill_one, KILLS, rng)
    figures = judge(pair, asked + answers, 2 * KILLS)
    print(figures)  # noqa: T201
    assert (figures.lost, figures.doubled) == (0, 0)
    assert sum(count > 0 for count in figures.by_process.values()) > 1


def test_on_postgresql_a_restarted_database_loses_and_doubles_nothing(
    desk: Desk, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """Without a farewell, in the middle of it: both processes go on by themselves."""
    use_store(desk, postgresql_url)
    rng = random.Random(SEED)
    asked = applications(desk, MAILS // 3)
    with two_processes(desk) as pair:

        def restart() -> None:
            postgresql.crash()
            postgresql.start()

        work_off(pair, asked, restart, 1, rng)
        answers = approvals(desk)
        work_off(pair, answers, restart, 1, rng)
        assert all(service.is_running() for service in pair.services.values()), pair.logs()
    figures = judge(pair, asked + answers, kills=0)
    print(f"database restarted twice: {figures}")  # noqa: T201
    assert (figures.lost, figures.doubled, figures.repeated) == (0, 0, 0)


def test_on_sqlite_the_second_takes_over_when_the_first_is_killed_or_ends(desk: Desk) -> None:
    """Mails, page and signer: the second has none of them of its own as long as the first lives."""
    with two_processes(desk) as pair:
        assert "web stands by" in pair.logs()
        asked = applications(desk, 6)
        put(desk.servers.dovecot, asked)
        wait_until(lambda: count_mails(desk) > 0, pair, 60)
        pair.kill(0)
        died = time.monotonic()
        wait_until(lambda: count_mails(desk) == len(asked) and is_quiet(desk), pair, 60)
        print(f"all done {time.monotonic() - died:.1f} s after the kill")  # noqa: T201
        wait_until(lambda: page_answers(desk), pair, 10)
        # another one comes, now the second is the first, and ends in order
        pair.start(0)
        answers = approvals(desk)
        put(desk.servers.dovecot, answers)
        assert pair.services[1].stop(20) == 0
        wait_until(lambda: count_mails(desk) == len(asked + answers) and is_quiet(desk), pair, 60)
        wait_until(lambda: page_answers(desk), pair, 10)
    figures = judge(pair, asked + answers, kills=1)
    assert (figures.lost, figures.doubled) == (0, 0)


def page_answers(desk: Desk) -> bool:
    url = f"http://127.0.0.1:{desk.config.web.port}/health"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return bool(answer.read() == b"ok\n")
    except OSError:
        return False
