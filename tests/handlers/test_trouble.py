"""What is wrong for a while: told once, also over restarts, again only when it gets worse, and once when it is over."""

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from handlers.letters.monitor import MonitorRecovered, MonitorTrouble
from handlers.trouble import Look, Seen, is_news, settle
from store import troubles
from store.tables import JournalEntry
from store.transaction import reading, writing
from store.troubles import TroubleKind
from tests.applications import NOW, DeskWorld

MINUTE = timedelta(minutes=1)
MAY_PASS = (TroubleKind.IMAP, TroubleKind.SMTP, TroubleKind.SIGNER)


def look(world: DeskWorld, now: datetime, *looks: Look) -> list[tuple[str, str]]:
    """What a round at `now` tells: the template and the code. Nothing is kept but what the store keeps."""
    world.now = now
    with reading(world.engine) as session:
        expected = is_news(world.context(session), looks)
    with writing(world.engine) as session:
        news = settle(world.context(session), looks)
    assert bool(news) == expected
    letters = [notice.letter for one in news for notice in one.notices]
    assert all(isinstance(letter, MonitorTrouble | MonitorRecovered) for letter in letters)
    return [(letter.template.partition(".")[2], letter.what) for letter in letters]  # type: ignore[union-attr]


def a_look(kind: TroubleKind, *about: str, stage: int = 0, is_sure: bool = False, only: str = "") -> Look:
    return Look(kind, tuple(Seen(one, f"{one} is bad", stage, is_sure) for one in about), only)


@pytest.mark.parametrize("kind", [kind for kind in TroubleKind if kind not in MAY_PASS])
def test_it_is_told_at_once_and_once_and_its_end_once(world: DeskWorld, kind: TroubleKind) -> None:
    bad, good = a_look(kind, "x"), a_look(kind)
    told = [look(world, NOW + MINUTE * n, bad if 3 <= n < 2000 else good) for n in range(0, 4000, 7)]
    assert [one for one in told if one] == [[("trouble", kind)], [("recovered", kind)]]


@pytest.mark.parametrize("kind", MAY_PASS)
def test_what_may_pass_is_told_when_it_has_lasted(world: DeskWorld, kind: TroubleKind) -> None:
    bad, good = a_look(kind, "x"), a_look(kind)
    for n in range(0, 60, 14):
        assert look(world, NOW + MINUTE * n, bad) == []
        assert look(world, NOW + MINUTE * (n + 13), good) == []
    start = NOW + MINUTE * 100
    assert look(world, start, bad) == look(world, start + 14 * MINUTE, bad) == []
    assert look(world, start + 15 * MINUTE, bad) == [("trouble", kind)]
    with reading(world.engine) as session:
        (row,) = troubles.told(session)
    assert row.since == start
    assert look(world, start + 16 * MINUTE, bad) == []
    assert look(world, start + 17 * MINUTE, good) == [("recovered", kind)]


def test_what_is_sure_is_told_at_once_though_its_kind_may_pass(world: DeskWorld) -> None:
    assert look(world, NOW, a_look(TroubleKind.SIGNER, "x", is_sure=True)) == [
        ("trouble", TroubleKind.SIGNER)
    ]


def test_a_round_that_could_not_look_changes_nothing_but_time_tells(world: DeskWorld) -> None:
    """As with no mail to send: nobody knows whether the server is back."""
    assert look(world, NOW, a_look(TroubleKind.SMTP, "x")) == []
    assert look(world, NOW + 14 * MINUTE) == []
    assert look(world, NOW + 15 * MINUTE) == [("trouble", TroubleKind.SMTP)]
    assert look(world, NOW + 1000 * MINUTE) == []
    assert look(world, NOW + 1001 * MINUTE, a_look(TroubleKind.SMTP)) == [("recovered", TroubleKind.SMTP)]


def test_two_of_a_kind_are_two(world: DeskWorld) -> None:
    kind = TroubleKind.DISK
    assert look(world, NOW, a_look(kind, "a")) == [("trouble", kind)]
    assert look(world, NOW, a_look(kind, "a", "b")) == [("trouble", kind)]
    assert look(world, NOW, a_look(kind, "b")) == [("recovered", kind)]
    with reading(world.engine) as session:
        assert [row.about for row in troubles.told(session)] == ["b"]


def test_who_looks_at_one_only_ends_no_other(world: DeskWorld) -> None:
    """Two machines on one store: each speaks of its own."""
    kind = TroubleKind.LEDGER
    assert look(world, NOW, a_look(kind, "b", only="b")) == [("trouble", kind)]
    assert look(world, NOW + MINUTE, a_look(kind, only="a")) == []
    assert look(world, NOW + 2 * MINUTE, a_look(kind, "b", only="b")) == []
    assert look(world, NOW + 3 * MINUTE, a_look(kind, only="b")) == [("recovered", kind)]


def test_what_gets_worse_is_told_again_and_what_eases_is_not(world: DeskWorld) -> None:
    kind = TroubleKind.OWN_KEY
    stages = (1, 1, 2, 2, 3, 4, 4, 1, 1, 2)
    told = [look(world, NOW + MINUTE * n, a_look(kind, "x", stage=s)) for n, s in enumerate(stages)]
    assert [n for n, one in enumerate(told) if one] == [0, 2, 4, 5, 9]
    assert look(world, NOW + 99 * MINUTE, a_look(kind)) == [("recovered", kind)]


def test_a_clock_that_was_ahead_keeps_nothing_secret(world: DeskWorld) -> None:
    assert look(world, NOW + 5000 * MINUTE, a_look(TroubleKind.IMAP, "x")) == []
    assert look(world, NOW, a_look(TroubleKind.IMAP, "x")) == [("trouble", TroubleKind.IMAP)]


def test_the_journal_has_what_was_told_and_nothing_that_passed(world: DeskWorld) -> None:
    look(world, NOW, a_look(TroubleKind.IMAP, "passes"), a_look(TroubleKind.DISK, "/srv"))
    look(world, NOW + MINUTE, a_look(TroubleKind.IMAP), a_look(TroubleKind.DISK))
    with reading(world.engine) as session:
        facts = [
            json.loads(entry.facts)
            for entry in session.scalars(select(JournalEntry).where(JournalEntry.event == "trouble"))
        ]
    assert [(f["kind"], f["about"], f["step"]) for f in facts] == [
        ("disk", "/srv", "told"),
        ("disk", "/srv", "over"),
    ]


def test_a_long_address_fits_and_is_known_again(world: DeskWorld) -> None:
    long = "http://crl.example.jp/" + "x" * 400
    kind = TroubleKind.CRL_OFFICERS
    assert look(world, NOW, a_look(kind, long)) == [("trouble", kind)]
    assert look(world, NOW + MINUTE, a_look(kind, long)) == []
    assert look(world, NOW + 2 * MINUTE, a_look(kind)) == [("recovered", kind)]
