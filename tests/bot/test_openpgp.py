"""Detached signatures, made and judged by the real gpg: which count, and why the others do not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.openpgp.call import Gpg, GpgFault, private_files
from bot.openpgp.keys import OfficerKeys, Verified
from bot.openpgp.status import ValidSignature, judge
from handlers.rules.reasons import Reason
from tests.keys import (
    add_subkey,
    clearsign,
    export_key,
    gpg_home,
    make_key,
    revoke_key,
    run_gpg,
    sign_detached,
)
from tests.officer_keys import keys_of
from tests.openpgp_packets import RawKey, armor, dearmor, packet

NOW = datetime.now(UTC)
LONG_AGO, A_DAY_LATER = "20200101T000000", "20200102T000000"
SIGNED = "Content-Type: text/plain; charset=utf-8\r\n\r\n承認\r\n".encode()
RAW = RawKey(Ed25519PrivateKey.generate(), created=1_600_000_000)


@dataclass(frozen=True)
class World:
    """Officers' keys in one home; `pinned`: name -> fingerprint, all loaded into `officers`."""

    home: Path
    pinned: dict[str, str]
    stranger: str
    officers: OfficerKeys
    ring: Gpg

    def sign(self, name: str, *more: str, digest: str = "SHA256", at: str | None = None) -> bytes:
        return sign_detached(self.home, self.pinned[name], SIGNED, digest, *more, at=at)

    def packets(self, name: str, signed: bytes = SIGNED) -> bytes:
        return dearmor(sign_detached(self.home, self.pinned.get(name, self.stranger), signed))


def _make_keys(home: Path) -> dict[str, str]:
    keys = {
        "good": make_key(home, "内田 光", "good@example.ac.jp"),
        "rsa": make_key(home, "先 一郎", "rsa@example.ac.jp", "rsa2048"),
        "old": make_key(home, "old", "old@example.ac.jp", at=LONG_AGO),
        "expired": make_key(home, "expired", "expired@example.ac.jp", expires="30d", at=LONG_AGO),
        "revoked": make_key(home, "revoked", "revoked@example.ac.jp"),
        "renewed": make_key(home, "renewed", "renewed@example.ac.jp", at=LONG_AGO),
    }
    add_subkey(home, keys["renewed"], "30d", at=LONG_AGO)
    add_subkey(home, keys["renewed"], "1y")
    return keys


@pytest.fixture(scope="module")
def world(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("gpg")
    with gpg_home() as home:
        keys = _make_keys(home)
        revoked_signature = sign_detached(home, keys["revoked"], SIGNED)
        (home / "revoked.sig").write_bytes(revoked_signature)
        revoke_key(home, keys["revoked"])
        files = {name: (key, export_key(home, key)) for name, key in keys.items()}
        files["raw"] = (RAW.fingerprint, RAW.certificate(b"raw"))
        directory = tmp_path_factory.mktemp("register")
        officers = keys_of(files, directory)
        [ring] = (directory / "rings").iterdir()
        stranger = make_key(home, "stranger", "stranger@example.jp")
        yield World(home, keys, stranger, officers, Gpg("gpg", ring))


def _opaque(world: World) -> bytes:
    return run_gpg(world.home, "--local-user", world.pinned["good"], "--armor", "--sign", stdin=SIGNED)


def _literal() -> bytes:
    return packet(11, b"b\x00" + bytes(4) + SIGNED)


def _expired_signature(world: World) -> bytes:
    return world.sign("old", "--default-sig-expire", "1d", at=LONG_AGO)


Case = tuple[Callable[[World], bytes], Reason | None]

# name -> how the signature part is made, why it is refused (None: it is not)
MATRIX: dict[str, Case] = {
    "good": (lambda w: w.sign("good"), None),
    "sha1": (lambda w: w.sign("good", digest="SHA1"), Reason.WEAK_DIGEST),
    "ripemd160": (lambda w: w.sign("good", digest="RIPEMD160"), Reason.WEAK_DIGEST),
    "md5": (lambda w: w.sign("rsa", digest="MD5"), Reason.WEAK_DIGEST),
    "bad": (lambda w: armor(w.packets("good", b"other\r\n")), Reason.BAD_SIGNATURE),
    "unknown": (lambda w: armor(w.packets("stranger")), Reason.UNKNOWN_KEY),
    "future": (lambda w: w.sign("good", at="20800101T000000"), Reason.SIGNED_IN_FUTURE),
    "expired key": (lambda w: w.sign("expired", at=A_DAY_LATER), Reason.EXPIRED_KEY),
    "revoked key": (lambda w: (w.home / "revoked.sig").read_bytes(), Reason.REVOKED_KEY),
    "expired signature": (_expired_signature, Reason.EXPIRED_SIGNATURE),
    "good+bad": (lambda w: armor(w.packets("good") + w.packets("good", b"x")), Reason.SEVERAL_SIGNATURES),
    "bad+good": (lambda w: armor(w.packets("good", b"x") + w.packets("good")), Reason.SEVERAL_SIGNATURES),
    "unknown+good": (lambda w: armor(w.packets("stranger") + w.packets("good")), Reason.SEVERAL_SIGNATURES),
    "good+good": (lambda w: armor(w.packets("good") + w.packets("rsa")), Reason.SEVERAL_SIGNATURES),
    "opaque as detached": (_opaque, Reason.SIGNATURE_BLOCK),
    "literal+sig": (lambda w: armor(_literal() + w.packets("good")), Reason.SIGNATURE_BLOCK),
    "sig+literal": (lambda w: armor(w.packets("good") + _literal()), Reason.SIGNATURE_BLOCK),
    "clearsign as detached": (lambda w: clearsign(w.home, w.pinned["good"], SIGNED), Reason.SIGNATURE_BLOCK),
    "empty": (lambda w: b"", Reason.SIGNATURE_BLOCK),
    "truncated": (lambda w: armor(w.packets("good")[:-7]), Reason.SIGNATURE_BLOCK),
    # gpg then also writes KEYEXPIRED
    "new subkey, old one expired": (lambda w: w.sign("renewed"), None),
}
_SIGNERS = {"good": "good", "new subkey, old one expired": "renewed"}


@pytest.mark.parametrize("name", MATRIX)
def test_PGP2_a_signature_counts_or_is_refused_with_its_reason(world: World, name: str) -> None:
    make, reason = MATRIX[name]
    verdict = world.officers.verify_detached(SIGNED, make(world), NOW)
    if reason is not None:
        assert verdict is reason
    else:
        assert isinstance(verdict, Verified)
        assert verdict.fingerprint == world.pinned[_SIGNERS[name]]


# only our clock finds this one, see PGP5
@pytest.mark.parametrize("name", [name for name in MATRIX if name != "future"])
def test_PGP2_gpgs_status_lines_alone_refuse_what_is_to_be_refused(world: World, name: str) -> None:
    make, reason = MATRIX[name]
    with private_files(signature=make(world), signed=SIGNED) as directory:
        answer = world.ring.verify(directory / "signature", directory / "signed")
    verdict = judge(answer.exit, answer.status)
    assert isinstance(verdict, ValidSignature) == (reason is None), answer.status


def test_PGP2_a_verified_signature_carries_its_facts(world: World) -> None:
    verdict = world.officers.verify_detached(SIGNED, world.sign("rsa", digest="SHA512"), NOW)
    assert isinstance(verdict, Verified)
    assert (verdict.fingerprint, verdict.digest, verdict.output) == (world.pinned["rsa"], 10, None)
    assert abs(verdict.signed_at - NOW) < timedelta(hours=1)  # of a suite that takes its time
    assert b"[GNUPG:] VALIDSIG " in verdict.status


def test_PGP2_any_change_to_the_signed_bytes_makes_the_signature_bad(world: World) -> None:
    signature = world.sign("good")
    for signed in (SIGNED[:-2], SIGNED + b"\r\n", SIGNED.replace(b"utf-8", b"utf-7"), b""):
        assert world.officers.verify_detached(signed, signature, NOW) is Reason.BAD_SIGNATURE


def test_PGP3_the_officer_is_the_primary_key_whichever_subkey_signs(world: World) -> None:
    verdict = world.officers.verify_detached(SIGNED, world.sign("renewed"), NOW)
    assert isinstance(verdict, Verified)
    [line] = [line.split() for line in verdict.status.decode().split("\n") if " VALIDSIG " in line]
    assert line[2] != world.pinned["renewed"]
    assert verdict.fingerprint == world.pinned["renewed"]


def test_PGP3_the_ring_holds_the_pinned_keys_and_no_other(world: World) -> None:
    rows = [line.split(":") for line in world.ring.list_keys().output.decode().split("\n")]
    primaries = {rows[index + 1][9] for index, row in enumerate(rows) if row[0] == "pub"}
    assert primaries == {*world.pinned.values(), RAW.fingerprint}


def test_PGP3_a_key_in_a_ring_elsewhere_is_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(world.home))
    monkeypatch.setenv("HOME", str(world.home))
    signature = armor(world.packets("stranger"))
    assert world.officers.verify_detached(SIGNED, signature, NOW) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("kind", [0x02, 0x10, 0x13, 0x18, 0x1F, 0x20, 0x30, 0x40, 0x50, 0x60])
def test_PGP4_only_signatures_over_documents_count(world: World, kind: int) -> None:
    for good in (0x00, 0x01):
        signature = armor(RAW.signature(good, SIGNED, age=60))
        assert isinstance(world.officers.verify_detached(SIGNED, signature, NOW), Verified)
    signature = armor(RAW.signature(kind, SIGNED, age=60))
    assert world.officers.verify_detached(SIGNED, signature, NOW) is Reason.SIGNATURE_CLASS


def test_PGP4_a_weak_digest_in_a_crafted_signature_is_refused(world: World) -> None:
    signature = armor(RAW.signature(0x00, SIGNED, digest=2, age=60))
    assert world.officers.verify_detached(SIGNED, signature, NOW) is Reason.WEAK_DIGEST


@pytest.mark.parametrize(("age", "reason"), [(-86400, None), (3600, None), (3601, Reason.SIGNED_IN_FUTURE)])
def test_PGP5_a_signature_may_be_an_hour_younger_than_its_mail(
    world: World, age: int, reason: Reason | None
) -> None:
    arrived = datetime.fromtimestamp(RAW.created + 100_000, UTC)
    signature = armor(RAW.signature(0x00, SIGNED, age=100_000 + age))
    verdict = world.officers.verify_detached(SIGNED, signature, arrived)
    assert verdict is reason if reason else isinstance(verdict, Verified)


def test_PGP5_a_signature_in_the_future_of_this_machines_clock_is_judged_by_the_mails_arrival(
    world: World,
) -> None:
    signature = world.sign("good", at="20800101T000000")
    arrived = datetime(2080, 1, 1, tzinfo=UTC)
    assert isinstance(world.officers.verify_detached(SIGNED, signature, arrived), Verified)


def test_a_signature_older_than_its_key_is_unverifiable(world: World) -> None:
    signature = armor(RAW.signature(0x00, SIGNED, age=-60))
    assert world.officers.verify_detached(SIGNED, signature, NOW) is Reason.UNVERIFIABLE


def test_officers_in_the_ring_who_cannot_sign_today_are_warned_of(world: World) -> None:
    warned = {(fault.where, fault.message) for fault in world.officers.warnings}
    assert warned == {
        ("expired of testkikan", "has expired"),
        ("revoked of testkikan", "is revoked"),
    }


def test_a_ring_that_has_gone_is_no_unknown_key(world: World, tmp_path: Path) -> None:
    key = world.pinned["good"]
    officers = keys_of({"good": (key, export_key(world.home, key))}, tmp_path)
    [ring] = (tmp_path / "rings").iterdir()
    (ring / "pubring.kbx").unlink()
    with pytest.raises(GpgFault, match="can't read the officers' keyring"):
        officers.verify_detached(SIGNED, world.sign("good"), NOW)
