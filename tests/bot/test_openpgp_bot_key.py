"""The bot's own key: made, used and listed with the real gpg."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.openpgp.keys import BotKey, GpgFault, Verified, gpg_version, make_bot_key
from handlers.rules.reasons import Reason
from tests.keys import add_subkey, gpg_home, make_home, make_key, remove_home, run_gpg
from tests.officer_keys import keys_of

NOW = datetime.now(UTC)
PASSPHRASE = "合言葉 with blanks % and \\"
DATA = "稟議\r\n".encode() + bytes(range(256))


@pytest.fixture(scope="module")
def bot(need: Callable[[str], str]) -> Iterator[BotKey]:
    need("gpg")
    with gpg_home() as home:
        made = home / "new" / "gnupg"
        fingerprint = make_bot_key(made, "Ringi 稟議", "ringi@example.ac.jp", PASSPHRASE)
        yield BotKey(made, fingerprint, PASSPHRASE)
        subprocess.run(["gpgconf", "--homedir", str(made), "--kill", "gpg-agent"], check=True)


def test_what_the_bot_signs_verifies_by_the_key_it_exports(bot: BotKey, tmp_path: Path) -> None:
    exported = bot.export()
    assert exported.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    reader = keys_of({"ringi": (bot.fingerprint, exported)}, tmp_path)
    verdict = reader.verify_detached(DATA, bot.sign_detached(DATA), NOW)
    assert isinstance(verdict, Verified)
    # SHA-256, as micalg=pgp-sha256 says
    assert (verdict.fingerprint, verdict.digest) == (bot.fingerprint, 8)
    assert reader.verify_detached(DATA + b"x", bot.sign_detached(DATA), NOW) is Reason.BAD_SIGNATURE


def test_the_key_is_ed25519_signs_only_and_never_expires(bot: BotKey) -> None:
    listed = run_gpg(bot.home, "--with-colons", "--list-keys", bot.fingerprint).decode().split("\n")
    [fields] = [line.split(":") for line in listed if line.startswith("pub:")]
    assert (fields[16], fields[11], fields[6]) == ("ed25519", "scSC", "")
    assert not [line for line in listed if line.startswith("sub:")]
    assert [line.split(":")[9] for line in listed if line.startswith("uid:")] == [
        "Ringi 稟議 <ringi@example.ac.jp>"
    ]
    assert bot.expires_at() is None
    assert bot.home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("passphrase", ["wrong", "", None])
def test_a_wrong_passphrase_is_a_fault_and_asks_nobody(bot: BotKey, passphrase: str | None) -> None:
    # the agent remembers a passphrase that it was told
    subprocess.run(["gpgconf", "--homedir", str(bot.home), "--kill", "gpg-agent"], check=True)
    with pytest.raises(GpgFault, match="the bot's key does not sign: gpg: ") as caught:
        BotKey(bot.home, bot.fingerprint, passphrase).sign_detached(DATA)
    assert not caught.value.temporary


def test_the_passphrase_is_not_shown(bot: BotKey) -> None:
    assert PASSPHRASE not in repr(bot)


def test_a_key_may_have_no_passphrase(need: Callable[[str], str]) -> None:
    need("gpg")
    with gpg_home() as home:
        key = BotKey(home, make_bot_key(home, "Ringi", "ringi@example.ac.jp", None), None)
        assert key.sign_detached(DATA).startswith(b"-----BEGIN PGP SIGNATURE-----\n")


def test_a_key_that_is_not_there_is_a_fault(need: Callable[[str], str]) -> None:
    need("gpg")
    with gpg_home() as home:
        make_key(home, "other", "other@example.ac.jp")
        for call in (BotKey.export, BotKey.expires_at, lambda key: key.sign_detached(DATA)):
            with pytest.raises(GpgFault):
                call(BotKey(home, "A" * 40, None))


def test_a_home_or_a_gpg_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    for key in (BotKey(tmp_path / "none", "A" * 40, None), BotKey(tmp_path, "A" * 40, None, "/none/gpg")):
        for call in (BotKey.export, BotKey.expires_at, lambda key: key.sign_detached(DATA)):
            with pytest.raises(GpgFault):
                call(key)


def test_a_home_with_too_long_a_path_is_refused_before_gpg_fails_on_it(tmp_path: Path) -> None:
    with pytest.raises(GpgFault, match="too long for the socket"):
        make_bot_key(tmp_path / ("x" * 80), "Ringi", "ringi@example.ac.jp", None)
    assert list(tmp_path.iterdir()) == []


def test_a_line_end_in_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GpgFault, match="control character"):
        make_bot_key(tmp_path, "Ringi\nKey-Usage: cert", "ringi@example.ac.jp", None)


def test_an_operators_own_key_expires_with_its_last_signing_key(need: Callable[[str], str]) -> None:
    need("gpg")
    home = make_home()
    try:
        key = make_key(home, "bot", "bot@example.ac.jp", expires="30d")
        monthly = BotKey(home, key, None).expires_at()
        assert monthly is not None
        assert abs(monthly - NOW - timedelta(days=30)) < timedelta(hours=1)
        add_subkey(home, key, "10d")
        sooner = BotKey(home, key, None).expires_at()
        assert sooner is not None
        assert abs(sooner - NOW - timedelta(days=10)) < timedelta(hours=1)
        add_subkey(home, key, "0")
        assert BotKey(home, key, None).expires_at() == monthly
    finally:
        remove_home(home)


def test_the_version_of_gpg_is_read(need: Callable[[str], str], tmp_path: Path) -> None:
    version = gpg_version(need("gpg"))
    assert version is not None
    assert version.startswith("2.")
    assert gpg_version("/nonexistent/gpg") is None
    assert gpg_version("/bin/true") is None
