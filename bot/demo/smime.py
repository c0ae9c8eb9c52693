"""The rehearsal by S/MIME: an authority made on the spot, certificates for officer and bot, and a revocation list.

It needs no program: the bot's mails are judged by the service's own verifier, and by openssl where there is one.
"""

import base64
import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bot.config import Config, Smime
from bot.demo.checks import cut_signed_mail, require, verify_cms
from bot.demo.private import write_private
from bot.demo.seals import SmimeSeal
from bot.setup.answers import SmimeAnswers
from bot.smime.keys import SmimeKeys
from bot.verified import Verified, VerifierFault
from handlers.rules.register import Institution, Register

_P12_PASSWORD = "ringi"  # of a key that lives as long as the rehearsal
_DAYS = 90  # the rehearsal moves its clock by weeks


@dataclass
class SmimePlay:
    """`root`: what mail programs must trust. `key_file`: the officer's certificate."""

    key_file: Path
    seal: SmimeSeal
    root: Path
    smime: SmimeAnswers
    bot_address: str
    name: str = "S/MIME"
    judge: str = field(init=False)
    _keys: SmimeKeys = field(init=False)

    def __post_init__(self) -> None:
        self.judge = (
            "openssl and the service's own verifier" if shutil.which("openssl") else "the own verifier"
        )

    def meet(self, config: Config) -> None:
        """The verifier is given the bot's certificate as the only one to take."""
        assert self.smime.certificate
        settings = Smime(ca_file=self.root, crl_dir=self.root.parent / "smime-crls")
        self._keys = SmimeKeys.load(_register_of(self.smime.certificate), self.root.parent, settings)

    def verify(self, raw: bytes) -> None:
        signed, part = cut_signed_mail(raw)
        head, _, body = part.partition(b"\r\n\r\n")
        require(b"application/pkcs7-signature" in head, "the second part is no S/MIME signature")
        signature = base64.b64decode(body)
        if shutil.which("openssl"):
            verify_cms(signed, signature, self.root, self.bot_address)
        try:
            verdict = self._keys.verify_detached(signed, signature, datetime.now(UTC))
        except VerifierFault as fault:
            require(False, f"the verifier: {fault}")
            return
        require(isinstance(verdict, Verified), f"the verifier does not take the signature: {verdict}")

    def places(self, directory: Path) -> list[tuple[str, str]]:
        p12 = self.key_file.with_suffix(".p12")
        return [
            (
                "  officer's key",
                f"{p12}, password {_P12_PASSWORD} (Settings, Certificates, Your Certificates)",
            ),
            ("  S/MIME trust", f"{self.root} (Authorities, Import: identifies mail users)"),
        ]


def smime_system(place: Path, bot: str, officer: str) -> SmimePlay:
    """Everything is written into `place`."""
    root = place / "smime-root.pem"
    ca_key = _new_key()
    ca = _issue("Ringi demo S/MIME CA", None, ca_key, None)
    root.write_bytes(ca.public_bytes(Encoding.PEM))
    (place / "smime-crls").mkdir()
    (place / "smime-crls/ca.crl").write_bytes(_sign_list(ca, ca_key))
    key, bot_key = _new_key(), _new_key()
    certificate = _issue("Hanako Toroku", officer, key, (ca, ca_key))
    own = _issue("Ringi", bot, bot_key, (ca, ca_key))
    (place / "officer.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    lock = BestAvailableEncryption(_P12_PASSWORD.encode())
    p12 = pkcs12.serialize_key_and_certificates(b"Hanako Toroku", key, certificate, [ca], lock)
    write_private(place / "officer.p12", p12)
    (place / "bot.pem").write_bytes(own.public_bytes(Encoding.PEM))
    write_private(place / "bot.key", bot_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    answers = SmimeAnswers(root, (str(place / "smime-crls/ca.crl"),), place / "bot.pem", place / "bot.key")
    return SmimePlay(place / "officer.pem", SmimeSeal(certificate, key), root, answers, bot)


def _register_of(certificate: Path) -> Register:
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    spki = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bot = {
        "id": "bot",
        "name": "the bot",
        "addresses": ["bot@example.ac.jp"],
        "notify": "bot@example.ac.jp",
        "smime": [{"public_key": hashlib.sha256(spki).hexdigest(), "file": str(certificate)}],
    }
    desk = {
        "id": "desk",
        "digest": "0" * 64,
        "name": "the desk",
        "domains": [{"name": "example.ac.jp"}],
        "organization": "testkikan",
        "state": "Tokyo",
        "locality": "Chiyoda-ku",
        "applicant_domains": ["example.ac.jp"],
        "officers": [bot],
    }
    return Register({"desk": Institution.model_validate(desk)}, "0" * 64)


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _issue(
    name: str,
    address: str | None,
    key: rsa.RSAPrivateKey,
    issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None,
) -> x509.Certificate:
    """`address` None: the authority itself."""
    now = datetime.now(UTC).replace(microsecond=0)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "testkikan"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    above, signing_key = issuer or (None, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
        .add_extension(_usage(is_ca=address is None), critical=True)
    )
    if address is None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    else:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
        names = x509.SubjectAlternativeName([x509.RFC822Name(address)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=not is_ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _sign_list(ca: x509.Certificate, key: rsa.RSAPrivateKey) -> bytes:
    """Nobody is revoked. DER."""
    now = datetime.now(UTC).replace(microsecond=0)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject)
    builder = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=_DAYS))
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
