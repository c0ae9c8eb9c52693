"""Signs what the bot sends to readers of S/MIME: its certificate, key and what stands between it and its root."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from bot.config import Smime, read_secret


class SigningFault(Exception):
    """The bot's S/MIME certificate or key can't be used; the text names the file."""

    temporary = False


@dataclass(frozen=True)
class BotCertificate:
    """`chain`: the certificates above ours, the nearest first, possibly with the root, which is never sent."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    def sign_detached(self, data: bytes) -> bytes:
        """A CMS SignedData in DER over exactly these bytes: SHA-256, content type, digest and signing time signed
        (RFC 8551 2.5), our certificate and those above it within; `micalg` is `sha-256` (RFC 8551 3.5.3.2)."""
        builder = PKCS7SignatureBuilder().set_data(data)
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        for above in self.chain:
            if above.subject != above.issuer:
                builder = builder.add_certificate(above)
        # Binary: the bytes as they are; without it line ends would be written anew
        return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])


def open_bot_certificate(settings: Smime) -> BotCertificate | None:
    """What `[smime]` names for our own mails, None where it names nothing. Raises SigningFault, SecretFault."""
    if settings.certificate is None or settings.key is None:
        return None
    own, *more = _read_certificates(settings.certificate)
    above = _read_certificates(settings.chain) if settings.chain else []
    passphrase = read_secret(settings.passphrase_file) if settings.passphrase_file else None
    key = _read_key(settings.key, passphrase)
    if key.public_key() != own.public_key():
        raise SigningFault(f"{settings.key} is not the key of {settings.certificate}")
    return BotCertificate(own, key, (*more, *above))


def _read_certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise SigningFault(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SigningFault(f"{path} holds no certificate in PEM") from error


def _read_key(path: Path, passphrase: str | None) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase.encode() if passphrase else None)
    except OSError as error:
        raise SigningFault(f"{path}: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        raise SigningFault(f"smime.passphrase_file does not open {path}, or it is no key in PEM") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SigningFault(f"{path} is neither RSA nor EC: mail programs could not check what it signs")
    return key
