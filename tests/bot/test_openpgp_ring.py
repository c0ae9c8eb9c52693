"""The officers' keyring: made from the register's key files, or refused with every fault of theirs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.openpgp.keys import GpgFault, OfficerKeys, Verified
from bot.register import RegisterFault
from handlers.rules.reasons import Reason
from tests.keys import add_subkey, export_key, gpg_home, make_key, run_gpg, sign_detached
from tests.officer_keys import keys_of, register_of
from tests.openpgp_packets import dearmor

NOW = datetime.now(UTC)
SIGNED = "承認\r\n".encode()


@pytest.fixture(scope="module")
def home(need: Callable[[str], str]) -> Iterator[Path]:
    need("gpg")
    with gpg_home() as made:
        yield made


@pytest.fixture(scope="module")
def key(home: Path) -> str:
    return make_key(home, "内田", "uchida@example.ac.jp")


@pytest.fixture(scope="module")
def other(home: Path) -> str:
    return make_key(home, "other", "other@example.ac.jp")


def _faults(directory: Path, files: dict[str, tuple[str, bytes]]) -> list[str]:
    with pytest.raises(RegisterFault) as caught:
        keys_of(files, directory)
    assert list((directory / "rings").iterdir()) == []
    return [str(fault).replace(f"{directory}/", "") for fault in caught.value.faults]


def test_a_key_file_may_be_armored_or_binary(home: Path, key: str, tmp_path: Path) -> None:
    signature = sign_detached(home, key, SIGNED)
    armored = export_key(home, key)
    for number, content in enumerate((armored, dearmor(armored), b"A comment\n" + armored)):
        officers = keys_of({"u": (key, content)}, tmp_path / str(number))
        assert isinstance(officers.verify_detached(SIGNED, signature, NOW), Verified)
        assert officers.warnings == ()


def test_every_fault_of_every_key_file_is_told_with_its_path(
    home: Path, key: str, other: str, tmp_path: Path
) -> None:
    both = run_gpg(home, "--armor", "--export", key, other)
    directory = tmp_path / "register"
    faults = _faults(
        directory,
        {
            "a": (other, export_key(home, key)),
            "b": ("B" * 40, both),
            "c": ("C" * 40, b"no key at all"),
            "d": ("D" * 40, b""),
            "e": ("E" * 40, sign_detached(home, key, SIGNED)),
        },
    )
    assert faults[0] == f"a.asc: a of testkikan: holds {key}, not only the pinned {other}"
    pair = ", ".join(sorted([key, other]))
    assert faults[1] == f"b.asc: b of testkikan: holds {pair}, not only the pinned {'B' * 40}"
    for name, fault in zip("cde", faults[2:], strict=True):
        assert fault.startswith(f"{name}.asc: {name} of testkikan: holds no key that gpg takes: gpg: ")


def test_a_file_with_the_pinned_key_and_another_is_refused(
    home: Path, key: str, other: str, tmp_path: Path
) -> None:
    content = export_key(home, key) + export_key(home, other)
    [fault] = _faults(tmp_path / "register", {"a": (key, content)})
    assert fault.endswith(f"not only the pinned {key}")


def test_a_missing_key_file_is_refused(home: Path, key: str, tmp_path: Path) -> None:
    register = register_of({"u": (key, export_key(home, key))}, tmp_path)
    (tmp_path / "u.asc").unlink()
    with pytest.raises(RegisterFault, match=r"u\.asc: u of testkikan: cannot be read: No such file"):
        OfficerKeys.load(register, tmp_path, tmp_path / "rings")


def test_a_secret_key_in_the_register_is_refused_and_not_read(home: Path, key: str, tmp_path: Path) -> None:
    secret = run_gpg(home, "--armor", "--export-secret-keys", key)
    for number, content in enumerate((secret, dearmor(secret))):
        [fault] = _faults(tmp_path / str(number), {"u": (key, content)})
        assert "holds a secret key" in fault


def test_a_key_that_only_sha1_holds_together_is_refused(home: Path, tmp_path: Path) -> None:
    fingerprint = make_key(home, "s", "sha1@example.jp", "rsa2048", digest="SHA1")
    [fault] = _faults(tmp_path / "register", {"u": (fingerprint, export_key(home, fingerprint))})
    assert "SHA1 algorithm are rejected" in fault


def test_a_key_that_was_never_made_for_signing_is_refused(home: Path, tmp_path: Path) -> None:
    fingerprint = make_key(home, "c", "cert@example.jp", usage="cert")
    [fault] = _faults(tmp_path / "1", {"u": (fingerprint, export_key(home, fingerprint))})
    assert fault == "u.asc: u of testkikan: cannot sign: no key in it is made for that"
    add_subkey(home, fingerprint)
    assert keys_of({"u": (fingerprint, export_key(home, fingerprint))}, tmp_path / "2").warnings == ()


def test_an_expired_key_is_a_warning_and_the_others_stay_in_force(
    home: Path, key: str, tmp_path: Path
) -> None:
    expired = make_key(home, "e", "expired@example.ac.jp", expires="30d", at="20200101T000000")
    files = {"a": (key, export_key(home, key)), "b": (expired, export_key(home, expired))}
    officers = keys_of(files, tmp_path)
    assert [str(fault) for fault in officers.warnings] == [f"{tmp_path}/b.asc: b of testkikan: has expired"]
    assert isinstance(officers.verify_detached(SIGNED, sign_detached(home, key, SIGNED), NOW), Verified)


def _rings(directory: Path) -> list[str]:
    return sorted(path.name[:16] for path in (directory / "rings").iterdir())


def test_each_load_makes_a_new_ring_and_removes_those_no_one_uses(
    home: Path, key: str, other: str, tmp_path: Path
) -> None:
    first_files = {"u": (key, export_key(home, key))}
    second_files = {"u": (other, export_key(home, other))}
    rings = tmp_path / "rings"
    first = OfficerKeys.load(register_of(first_files, tmp_path, "1" * 64), tmp_path, rings)
    (rings / "not ours").mkdir()
    second = OfficerKeys.load(register_of(second_files, tmp_path, "2" * 64), tmp_path, rings)
    # the first is still in use, and still knows its own key only
    assert _rings(tmp_path) == ["1" * 16, "2" * 16, "not ours"]
    signature = sign_detached(home, key, SIGNED)
    assert isinstance(first.verify_detached(SIGNED, signature, NOW), Verified)
    assert second.verify_detached(SIGNED, signature, NOW) is Reason.UNKNOWN_KEY
    del first
    third = OfficerKeys.load(register_of(first_files, tmp_path, "3" * 64), tmp_path, rings)
    assert _rings(tmp_path) == ["2" * 16, "3" * 16, "not ours"]
    assert isinstance(third.verify_detached(SIGNED, signature, NOW), Verified)


def test_a_bad_register_leaves_the_ring_in_force_alone(
    home: Path, key: str, other: str, tmp_path: Path
) -> None:
    officers = keys_of({"u": (key, export_key(home, key))}, tmp_path)
    with pytest.raises(RegisterFault):
        keys_of({"u": (other, export_key(home, key))}, tmp_path)
    assert len(_rings(tmp_path)) == 1
    assert isinstance(officers.verify_detached(SIGNED, sign_detached(home, key, SIGNED), NOW), Verified)


def test_only_its_owner_may_enter_a_ring(home: Path, key: str, tmp_path: Path) -> None:
    officers = keys_of({"u": (key, export_key(home, key))}, tmp_path)
    assert officers
    [ring] = (tmp_path / "rings").iterdir()
    assert ring.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "rings").stat().st_mode & 0o777 == 0o700


def test_no_agent_is_started_for_a_ring(home: Path, key: str) -> None:
    # in a path so short that an agent could start
    with gpg_home() as short:
        officers = keys_of({"u": (key, export_key(home, key))}, short / "r")
        officers.verify_detached(SIGNED, sign_detached(home, key, SIGNED), NOW)
        [ring] = (short / "r" / "rings").iterdir()
        assert not [path.name for path in ring.iterdir() if path.name.startswith("S.gpg-agent")]


def test_a_missing_gpg_is_a_fault_of_ours_and_not_of_the_register(
    home: Path, key: str, tmp_path: Path
) -> None:
    with pytest.raises(GpgFault, match="cannot be started"):
        keys_of({"u": (key, export_key(home, key))}, tmp_path, "/nonexistent/gpg")
    assert _rings(tmp_path) == []


def test_a_home_that_cannot_be_made_is_a_fault(home: Path, key: str, tmp_path: Path) -> None:
    (tmp_path / "rings").write_text("in the way")
    with pytest.raises(GpgFault, match="no home for gpg"):
        keys_of({"u": (key, export_key(home, key))}, tmp_path)
