"""A mail that gpg falls over is that mail's fault; a gpg that can't work is nobody's, and its mails wait (DOS4)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.openpgp import call
from bot.openpgp.call import GpgFault
from bot.openpgp.keys import OfficerKeys, Verified
from bot.verified import MailFault
from handlers.rules.reasons import Reason
from tests.keys import clearsign, export_key, gpg_home, make_key, sign_detached
from tests.officer_keys import keys_of

NOW = datetime.now(UTC)
GOOD, CRAFTED = b"good\r\n", b"crafted\r\n"
# real gpg, but for bytes that hold the word, and for everything once the file `broken` is there
_PROGRAM = """#!/bin/sh
if [ -e {place}/broken ] && [ "$(cat {place}/broken)" = all ]; then {does}; fi
for file; do
  case $file in */signed|*/block) grep -q crafted "$file" && {{ {does}; }};; esac
done
exec {gpg} "$@"
"""
_STUMBLES = {
    "hangs": "exec sleep 600",
    "is killed": "kill -SEGV $$",
    "writes without end": 'while [ "$1" != --status-fd ]; do shift; done; exec yes >/dev/fd/$2',
}


@dataclass(frozen=True)
class World:
    place: Path
    home: Path
    key: str
    gpg: str

    def officers(self, does: str) -> OfficerKeys:
        program = self.place / "gpg"
        program.write_text(_PROGRAM.format(place=self.place, does=does, gpg=self.gpg))
        program.chmod(0o700)
        return keys_of(
            {"a": (self.key, export_key(self.home, self.key))}, self.place / "register", str(program)
        )

    def sign(self, content: bytes) -> bytes:
        return sign_detached(self.home, self.key, content)


@pytest.fixture
def world(tmp_path: Path, need: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(call, "VERIFY_LIMIT", 1.0)
    gpg = need("gpg")
    with gpg_home() as home:
        yield World(tmp_path, home, make_key(home, "a", "a@example.ac.jp"), gpg)


@pytest.mark.parametrize("does", _STUMBLES.values(), ids=_STUMBLES)
def test_DOS4_a_mail_that_gpg_falls_over_is_to_blame_and_no_other(world: World, does: str) -> None:
    officers = world.officers(does)
    with pytest.raises(MailFault, match="with this mail only"):
        officers.verify_detached(CRAFTED, world.sign(CRAFTED), NOW)
    with pytest.raises(MailFault):
        officers.verify_inline(clearsign(world.home, world.key, CRAFTED), NOW)
    assert isinstance(officers.verify_detached(GOOD, world.sign(GOOD), NOW), Verified)


@pytest.mark.parametrize("does", _STUMBLES.values(), ids=_STUMBLES)
def test_a_gpg_that_works_with_nothing_blames_no_mail(
    world: World, does: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "_LOOK_LIMIT", 1.0)
    officers = world.officers(does)
    (world.place / "broken").write_text("all")
    for content in (GOOD, CRAFTED):
        with pytest.raises(GpgFault):
            officers.verify_detached(content, world.sign(content), NOW)


@pytest.mark.parametrize("octets", [b"", b"junk" * 100, None], ids=["empty", "junk", "cut"])
def test_a_ring_that_gpg_can_not_read_makes_no_good_key_unknown(world: World, octets: bytes | None) -> None:
    officers = world.officers("exit 9")
    (ring,) = (world.place / "register" / "rings").glob("*/pubring.kbx")
    ring.write_bytes(ring.read_bytes()[:100] if octets is None else octets)
    with pytest.raises(GpgFault, match="can't read the officers' keyring"):
        officers.verify_detached(GOOD, world.sign(GOOD), NOW)


def test_a_gpg_that_says_nothing_refuses_nothing_unless_it_works(world: World) -> None:
    """No room, no memory: gpg ends with 2, and a good signature is as good as before."""
    officers = world.officers("exit 2")
    assert officers.verify_detached(CRAFTED, world.sign(CRAFTED), NOW) is Reason.UNVERIFIABLE
    (world.place / "broken").write_text("all")
    with pytest.raises(GpgFault, match="can't read"):
        officers.verify_detached(GOOD, world.sign(GOOD), NOW)
