"""The register's S/MIME pins: what a certificate file may hold, and every fault told at once."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bot.register import RegisterFault
from bot.smime.keys import SmimeKeys
from bot.verified import Verified
from handlers.rules.register import SmimeKey
from tests.smime_people import DAY, ENTITY, Person, Pki, make_pki, pinned_keys, register_of


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = make_pki(tmp_path)
    made.publish_crls()
    made.register_dir.mkdir()
    return made


def load(pki: Pki, *people: tuple[Person, SmimeKey]) -> SmimeKeys:
    return SmimeKeys.load(register_of(*people), pki.register_dir, pki.settings())


def faults(pki: Pki, *people: tuple[Person, SmimeKey]) -> list[str]:
    with pytest.raises(RegisterFault) as refused:
        load(pki, *people)
    return [str(fault) for fault in refused.value.faults]


def pinned(
    pki: Pki, name: str = "suzuki", content: bytes | None = None, **how: object
) -> tuple[Person, SmimeKey]:
    """A person, and the pin whose file holds `content` (None: the certificate)."""
    person = pki.issue(name, f"{name}@example.ac.jp", **how)
    pin = person.smime_key(pki.register_dir)
    if content is not None:
        (pki.register_dir / pin.file).write_bytes(content)
    return person, pin


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_certificate_is_read_in_pem_and_in_der(pki: Pki, encoding: Encoding) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    keys = load(pki, (person, person.smime_key(pki.register_dir, encoding)))
    assert isinstance(keys.verify_detached(ENTITY, person.sign_detached(ENTITY), pki.now), Verified)
    assert keys.warnings == ()


def test_the_cas_in_the_files_are_known_as_issuers(pki: Pki) -> None:
    keys = pinned_keys(pki, pki.issue("suzuki", "suzuki@example.ac.jp"), with_chain=True)
    assert set(keys.issuers) == {pki.root.certificate, pki.intermediate.certificate}


def test_a_file_that_is_not_there_is_a_fault(pki: Pki) -> None:
    person, pin = pinned(pki)
    (pki.register_dir / pin.file).unlink()
    assert "suzuki of testkikan: cannot be read" in faults(pki, (person, pin))[0]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x30\x03\x02\x01\x05", b"-----BEGIN CERTIFICATE-----\nAAAA\n"]
)
def test_a_file_without_a_certificate_is_a_fault(pki: Pki, content: bytes) -> None:
    assert "holds no certificate" in faults(pki, pinned(pki, content=content))[0]


def test_a_certificate_of_another_key_is_a_fault(pki: Pki) -> None:
    other = pki.issue("tanaka", "tanaka@example.ac.jp")
    told = faults(pki, pinned(pki, content=other.der))
    assert f"holds the key {other.pin}, not the pinned" in told[0]


def test_a_secret_key_in_the_file_is_a_fault(pki: Pki) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    pem = person.certificate.public_bytes(Encoding.PEM)
    secrets = [
        pem + person.key_pem(),
        person.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()) + pem,
        person.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        person.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
    ]
    for content in secrets:
        assert "holds a secret key" in faults(pki, pinned(pki, content=content))[0]


def test_an_expired_certificate_and_one_to_come_are_warnings(pki: Pki) -> None:
    old = pinned(pki, "suzuki", begin=pki.now - 9 * DAY, end=pki.now - DAY)
    new = pinned(pki, "tanaka", begin=pki.now + DAY)
    first, second = load(pki, old, new).warnings
    assert "suzuki of testkikan: the certificate has expired" in str(first)
    assert "tanaka of testkikan: the certificate begins on" in str(second)


def test_all_faults_are_told_at_once(pki: Pki) -> None:
    pki.ca_file.unlink()
    told = faults(pki, pinned(pki, "suzuki", b""), pinned(pki, "tanaka", key="rsa1024"))
    assert len(told) == 3
    assert "smime.ca_file: cannot be read" in told[0]
    assert "weak key" in told[2]


def test_roots_that_can_not_be_read_or_are_weak_are_faults(pki: Pki, tmp_path: Path) -> None:
    one = pinned(pki)
    for content in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n"):
        pki.ca_file.write_bytes(content)
        assert "smime.ca_file: holds no certificates" in faults(pki, one)[0]
    weak = pki.make_ca("weak", key="rsa1024")
    pki.ca_file.write_bytes(weak.certificate.public_bytes(Encoding.PEM))
    assert "weak key" in faults(pki, one)[0]
