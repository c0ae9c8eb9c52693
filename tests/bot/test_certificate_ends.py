"""Until when a pinned S/MIME certificate is good, from the files the register names."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from bot.certificate_ends import read_certificate_ends
from handlers.rules.key_ends import KeyState
from handlers.rules.register import Register, SmimeKey
from handlers.rules.scheme import Scheme
from tests.applications import TESTKIKAN, an_officer

KEY = ec.generate_private_key(ec.SECP256R1())
END = datetime(2027, 6, 30, 14, 59, 59, tzinfo=UTC)
PIN = (
    hashlib.sha256(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    .hexdigest()
    .upper()
)


def a_certificate(end: datetime = END, key: ec.EllipticCurvePrivateKey = KEY) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Suzuki")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(end - timedelta(days=365)).not_valid_after(end)
    return builder.sign(key, hashes.SHA256())


def read(directory: Path, content: bytes | None, pin: str = PIN) -> tuple[KeyState, ...]:
    if content is not None:
        (directory / "suzuki.pem").write_bytes(content)
    smime = (SmimeKey(public_key=pin, file="suzuki.pem"),)
    officer = an_officer("suzuki", "5" * 40).model_copy(update={"openpgp": (), "smime": smime})
    register = Register({"testkikan": TESTKIKAN.model_copy(update={"officers": (officer,)})}, "f" * 64)
    return read_certificate_ends(register, directory)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_the_end_of_the_pinned_certificate_is_read(tmp_path: Path, encoding: Encoding) -> None:
    assert read(tmp_path, a_certificate().public_bytes(encoding)) == (KeyState(Scheme.SMIME, PIN, END),)


def test_of_two_certificates_of_the_key_the_longer_one_counts(tmp_path: Path) -> None:
    later = END + timedelta(days=365)
    both = a_certificate(later).public_bytes(Encoding.PEM) + a_certificate().public_bytes(Encoding.PEM)
    assert read(tmp_path, both) == (KeyState(Scheme.SMIME, PIN, later),)


def test_a_certificate_of_another_key_and_what_is_none_give_no_state(tmp_path: Path) -> None:
    assert read(tmp_path, None) == ()
    assert read(tmp_path, a_certificate().public_bytes(Encoding.PEM), "AB" * 32) == ()
    for content in (
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ):
        assert read(tmp_path, content) == ()
