"""Which mails the intake reads ahead by one command: few bytes, however many mails wait."""

from datetime import UTC, datetime

from bot.imap.folder import Look
from bot.intake import _AHEAD_BYTES, _read_at_once

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_small_mails_are_read_together_up_to_the_first_that_would_be_too_much() -> None:
    looks = {uid: Look(size, NOW) for uid, size in enumerate([10, _AHEAD_BYTES - 20, 10, 1, 5], start=1)}
    assert _read_at_once(looks) == {1: 10, 2: _AHEAD_BYTES - 20, 3: 10}


def test_a_mail_by_itself_is_not_read_ahead_however_small_or_large() -> None:
    assert _read_at_once({1: Look(10, NOW)}) == {}
    assert _read_at_once({1: Look(10, NOW), 2: Look(_AHEAD_BYTES, NOW)}) == {}
    assert _read_at_once({}) == {}
