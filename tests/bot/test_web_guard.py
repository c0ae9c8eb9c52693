"""The parts of the page's defence that need a clock of their own, and the choice of language."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.web.guard import GuessLimit
from bot.web.language import choose_language, write_moment


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_URL2_the_wait_is_over_when_the_time_is_over() -> None:
    clock = Clock()
    limit = GuessLimit(clock, allowed=2, seconds=60)
    limit.count("192.0.2.1")
    assert limit.seconds_to_wait("192.0.2.1") == 0
    clock.now += 20
    limit.count("192.0.2.1")
    assert limit.seconds_to_wait("192.0.2.1") == 40
    assert limit.seconds_to_wait("192.0.2.2") == 0
    clock.now += 40
    assert limit.seconds_to_wait("192.0.2.1") == 0
    limit.count("192.0.2.1")
    assert limit.seconds_to_wait("192.0.2.1") == 0
    limit.count("192.0.2.1")
    assert limit.seconds_to_wait("192.0.2.1") == 60


def test_URL2_the_limit_remembers_no_more_addresses_than_it_may() -> None:
    limit = GuessLimit(Clock(), allowed=1, seconds=60, addresses=3)
    for n in range(1, 5):
        limit.count(f"192.0.2.{n}")
    assert [bool(limit.seconds_to_wait(f"192.0.2.{n}")) for n in range(1, 5)] == [False, True, True, True]
    assert len(limit._counts) == 3


def test_URL2_who_guessed_last_is_forgotten_last() -> None:
    limit = GuessLimit(Clock(), allowed=1, seconds=60, addresses=3)
    for n in (1, 2, 3, 1, 4):
        limit.count(f"192.0.2.{n}")
    assert [bool(limit.seconds_to_wait(f"192.0.2.{n}")) for n in range(1, 5)] == [True, False, True, True]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("not an address", "not an address", True),
    ],
)
def test_URL2_an_ipv6_client_counts_by_its_network(one: str, other: str, same: bool) -> None:
    limit = GuessLimit(Clock(), allowed=1)
    limit.count(one)
    assert bool(limit.seconds_to_wait(other)) is same


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", "ja"),
        (None, "*", "ja"),
        (None, "ja,en-US;q=0.9,en;q=0.8", "ja"),
        (None, "en-US,en;q=0.9,ja;q=0.8", "en"),
        (None, "JA-jp", "ja"),
        (None, "de-DE,de;q=0.9", "en"),
        (None, "de-DE,ja;q=0.3", "ja"),
        (None, "ja;q=0,en;q=0.1", "en"),
        (None, "ja;q=many", "ja"),
        ("en", "ja", "en"),
        ("ja", "en", "ja"),
        ("fr", "en", "en"),
        ("", "", "ja"),
    ],
)
def test_a_visitor_reads_the_language_the_browser_asks_for(
    asked: str | None, accepted: str, language: str
) -> None:
    assert choose_language(asked, accepted, "ja") == language


def test_who_names_no_language_gets_the_desks() -> None:
    assert choose_language(None, "", "en") == "en"
    assert choose_language(None, "ja", "en") == "ja"


@given(st.text(max_size=200))
def test_no_accept_language_breaks_the_page(accepted: str) -> None:
    assert choose_language(None, accepted, "ja") in ("ja", "en")


def test_a_moment_is_written_on_the_desks_clock() -> None:
    moment = datetime(2026, 12, 22, 14, 59, 59, tzinfo=UTC)
    assert write_moment(moment, "ja", 9) == "2026年12月22日(火) 23:59"
    assert write_moment(moment, "en", 9) == "Tue 22 Dec 2026, 23:59 (UTC+9)"
    assert write_moment(moment, "ja", 0) == "2026年12月22日(火) 14:59 (UTC+0)"
    assert write_moment(moment, "en", -5) == "Tue 22 Dec 2026, 09:59 (UTC-5)"
