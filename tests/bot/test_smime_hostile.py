"""S/MIME from somebody hostile: cut, flipped, nested and oversized values never break the verifier (threats CMS7)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from asn1crypto import cms, core, parser

from bot.smime.ber import is_sound
from bot.smime.cms import read_cms
from bot.smime.keys import SmimeKeys
from bot.verified import Verified
from handlers.rules.reasons import Reason
from tests.smime_people import ENTITY, Person, Pki, Signing, make_pki, pinned_keys

# the library warns of odd serial numbers before it refuses them
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
KINDS = [
    ("p256", Signing()),
    ("rsa2048", Signing(pss=True)),
    ("p256", Signing(content=True, by_key_identifier=True)),
]


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = make_pki(tmp_path)
    made.publish_crls()
    return made


def verify(keys: SmimeKeys, pki: Pki, signature: bytes, how: Signing) -> Verified | Reason:
    if how.content:
        return keys.verify_opaque(signature, pki.now)
    return keys.verify_detached(ENTITY, signature, pki.now)


@pytest.mark.parametrize(("key", "how"), KINDS)
def test_CMS7_cut_at_every_byte_it_is_malformed(pki: Pki, key: str, how: Signing) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp", key)
    keys, whole = pinned_keys(pki, person), person.sign(ENTITY, how)
    assert isinstance(verify(keys, pki, whole, how), Verified)
    assert {verify(keys, pki, whole[:end], how) for end in range(len(whole))} == {Reason.CMS_MALFORMED}


def test_CMS7_the_same_in_ber(pki: Pki) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    keys, whole = pinned_keys(pki, person), as_ber(person.sign_detached(ENTITY))
    assert isinstance(verify(keys, pki, whole, Signing()), Verified)
    for end in range(len(whole)):
        assert verify(keys, pki, whole[:end], Signing()) is Reason.CMS_MALFORMED


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("key", "how"), KINDS)
def test_CMS7_a_flipped_byte_is_refused_or_was_not_signed(
    pki: Pki, key: str, how: Signing, seed: int
) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp", key)
    keys, whole = pinned_keys(pki, person), person.sign(ENTITY, how)
    unsigned = set(unsigned_bytes(whole, person))
    rng = random.Random(seed)
    taken = []
    for _ in range(300):
        at, value = rng.randrange(len(whole)), rng.randrange(1, 256)
        flipped = whole[:at] + bytes([whole[at] ^ value]) + whole[at + 1 :]
        if isinstance(verify(keys, pki, flipped, how), Verified):
            taken.append(at)
    assert set(taken) <= unsigned, [(at, whole[at - 8 : at + 8].hex()) for at in taken if at not in unsigned]


def unsigned_bytes(whole: bytes, person: Person) -> Iterator[int]:
    """Where a change may pass: what RFC 5652 leaves unsigned and nothing is decided by.

    The two version numbers; the list of digests (a hint); the certificates, for the officer's stands in the register
    (a spoiled CA's certificate breaks the path, and then it is refused anyway); the parameters of an algorithm,
    which are NULL or absent; the name of an RSA algorithm, of which two spell the same.
    """
    signed = cms.ContentInfo.load(whole)["content"]
    info = signed["signer_infos"][0]
    parts = [signed["digest_algorithms"], info["digest_algorithm"], info["signature_algorithm"]]
    places = [part.dump() for part in parts] + [person.der]
    for place in places:
        start = whole.find(place)
        while start >= 0:
            yield from range(start, start + len(place))
            start = whole.find(place, start + 1)
    for holder in (signed, info):
        start = whole.find(holder.contents)
        yield from range(start, start + len(holder["version"].dump()))


def test_CMS7_random_bytes_are_malformed() -> None:
    rng = random.Random(7)
    for size in (0, 1, 2, 10, 100, 1000):
        assert read_cms(rng.randbytes(size)) is Reason.CMS_MALFORMED


@pytest.mark.parametrize("closed", [True, False])
def test_CMS7_deep_values_are_malformed(closed: bool) -> None:
    deep = (b"\x30\x80" * 100_000) + (b"\0\0" * 100_000 if closed else b"")
    assert not is_sound(deep)
    assert read_cms(deep) is Reason.CMS_MALFORMED
    assert is_sound(nested(24))
    assert not is_sound(nested(25))


def test_CMS7_depth_counts_also_where_nobody_looks(pki: Pki) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    keys = pinned_keys(pki, person)
    for depth, taken in ((5, True), (24, False)):
        outer = cms.ContentInfo.load(person.sign_detached(ENTITY))
        deep = b""
        for _ in range(depth):
            deep = parser.emit(0, 1, 16, deep)
        row = cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Any(core.Sequence.load(deep))]})
        outer["content"]["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([row])
        verdict = verify(keys, pki, outer.dump(force=True), Signing())
        assert isinstance(verdict, Verified) if taken else verdict is Reason.CMS_MALFORMED


def nested(depth: int) -> bytes:
    return b"\x30\x80" * depth + b"\0\0" * depth


def test_CMS7_a_value_of_a_million_parts_is_malformed() -> None:
    body = b"\x05\x00" * 1_000_000
    assert not is_sound(b"\x30\x83" + len(body).to_bytes(3, "big") + body)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x30",
        b"\x30\x00\x00",
        b"\x30\x01",
        b"\x30\x02\x05\x01",
        b"\x30\x80\x05\x00",
        b"\x30\x80\x05\x00\x00",
        b"\x04\x80\x00\x00",
        b"\x00\x00",
        b"\x30\x89" + b"\x01" * 9,
        b"\x30\x88" + b"\xff" * 8,
        b"\x3f\x81\x01\x00",
        b"\x30\x03\x30\x80\x00\x00",
    ],
)
def test_CMS7_broken_lengths_are_malformed(bad: bytes) -> None:
    assert not is_sound(bad)


@pytest.mark.parametrize(
    "good", [b"\x30\x00", b"\x05\x00", b"\x30\x80\0\0", b"\x30\x04\x30\x80\0\0", b"\x30\x81\x02\x05\0"]
)
def test_CMS7_whole_values_are_sound(good: bytes) -> None:
    assert is_sound(good)
    assert not is_sound(good + b"\0")


def test_CMS7_bytes_after_the_signature_are_refused(pki: Pki) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    keys = pinned_keys(pki, person)
    assert verify(keys, pki, person.sign_detached(ENTITY) + b"\n", Signing()) is Reason.CMS_MALFORMED


def test_CMS7_many_certificates_are_refused(pki: Pki) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    keys = pinned_keys(pki, person)
    for count, taken in ((17, True), (30, False)):
        verdict = verify(
            keys, pki, person.sign(ENTITY, Signing(certificates=(person.der,) * count)), Signing()
        )
        assert isinstance(verdict, Verified) if taken else verdict is Reason.CMS_MALFORMED


def as_ber(der: bytes) -> bytes:
    """The three outer values with indefinite lengths, as many mail programs write them."""
    signed = cms.ContentInfo.load(der)["content"]
    head = cms.ContentType("signed_data").dump()
    return b"\x30\x80" + head + b"\xa0\x80\x30\x80" + signed.contents + b"\0\0" * 3
