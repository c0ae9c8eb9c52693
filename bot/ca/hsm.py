"""A CA key that stays in a hardware token (PKCS#11): to `cryptography` it is a private key whose `sign` asks the token.

The only home of python-pkcs11, which the extra `hsm` brings.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from bot.ca.protocol import CaFault
from bot.ca.token_uri import TokenKey

# DER of DigestInfo before the digest itself (RFC 8017 9.2, note 1)
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_PROBE = b"may we sign?"


@dataclass
class Token:
    """A login to one private key. `sign` logs in where that is needed, once more if the token went away."""

    where: TokenKey
    pin: str | None = field(repr=False)
    _key: Any = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _refused: CaFault | None = None

    def sign(self, mechanism: str, content: bytes) -> bytes:
        """`mechanism`: a name of PKCS#11 without CKM_. Raises CaFault, always temporary: the order is not to blame."""
        pkcs11 = _load()
        with self._lock:
            if self._refused:
                # a token locks itself after some wrong PINs: never try that one again
                raise self._refused
            try:
                return self._sign(mechanism, content)
            except pkcs11.PKCS11Error:
                self._key = None
            try:
                return self._sign(mechanism, content)
            except pkcs11.PKCS11Error as error:
                self._key = None
                raise self._fault(f"does not sign: {_name(error)}") from error

    def _sign(self, mechanism: str, content: bytes) -> bytes:
        if self._key is None:
            self._key = self._log_in()
        return bytes(self._key.sign(content, mechanism=_load().Mechanism[mechanism]))

    def _log_in(self) -> Any:
        pkcs11 = _load()
        wrong_pin = tuple(
            getattr(pkcs11.exceptions, name) for name in ("PinIncorrect", "PinInvalid", "PinLenRange")
        )
        library = pkcs11.lib(str(self.where.module))
        # else a token that was away and came back is not seen, and an old login stands in the way
        library.reinitialize()
        try:
            session = library.get_token(token_label=self.where.token).open(user_pin=self.pin)
            return session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self.where.label)
        except wrong_pin as error:
            self._refused = self._fault("does not take the PIN that ca.passphrase_file holds")
            raise self._refused from error
        except pkcs11.exceptions.PinLocked as error:
            self._refused = self._fault("is locked: too many wrong PINs")
            raise self._refused from error
        except pkcs11.exceptions.NoSuchKey as error:
            raise self._fault(f"holds no private key {self.where.label}") from error
        except pkcs11.exceptions.MultipleObjectsReturned as error:
            raise self._fault(f"holds several private keys {self.where.label}") from error

    def _fault(self, message: str) -> CaFault:
        return CaFault(f"the token {self.where.token} (ca.pkcs11) {message}", temporary=True)


def open_token_key(
    where: TokenKey, pin: str | None, public_key: CertificatePublicKeyTypes
) -> "RsaTokenKey | EcTokenKey":
    """The private key of `public_key`, proved by a signature. Raises CaFault: what cannot be at the start is not
    temporary."""
    key: RsaTokenKey | EcTokenKey
    token = Token(where, pin)
    try:
        if isinstance(public_key, rsa.RSAPublicKey):
            key = RsaTokenKey(token, public_key)
            signature = key.sign(_PROBE, padding.PKCS1v15(), hashes.SHA256())
            public_key.verify(signature, _PROBE, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public_key, ec.EllipticCurvePublicKey):
            key = EcTokenKey(token, public_key)
            public_key.verify(key.sign(_PROBE, ec.ECDSA(hashes.SHA256())), _PROBE, ec.ECDSA(hashes.SHA256()))
        else:
            raise CaFault("ca.certificate has neither an RSA nor an EC key", temporary=False)
    except InvalidSignature as error:
        message = f"the key {where.label} in the token {where.token} is not the key of ca.certificate"
        raise CaFault(f"{message}: name those of a pair", temporary=False) from error
    except CaFault as fault:
        raise CaFault(str(fault), temporary=False) from fault
    return key


class RsaTokenKey(rsa.RSAPrivateKey):
    """Signs by PKCS#1 v1.5 alone: what certificates and lists are signed with."""

    def __init__(self, token: Token, public_key: rsa.RSAPublicKey) -> None:
        self._token = token
        self._public_key = public_key

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(self, data: bytes | bytearray | memoryview, padding: Any, algorithm: Any) -> bytes:
        """Raises CaFault."""
        if getattr(padding, "name", "") != "EMSA-PKCS1-v1_5":
            raise UnsupportedAlgorithm("the token's key signs by PKCS#1 v1.5 only")
        name, digest = _digest(bytes(data), algorithm)
        return self._token.sign("RSA_PKCS", _DIGEST_INFO[name] + digest)

    def decrypt(self, ciphertext: bytes, padding: Any) -> NoReturn:
        raise _stays()

    def private_numbers(self) -> NoReturn:
        raise _stays()

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> NoReturn:
        raise _stays()

    def __copy__(self) -> "RsaTokenKey":
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> "RsaTokenKey":
        return self


class EcTokenKey(ec.EllipticCurvePrivateKey):
    """Signs by ECDSA with the token's own randomness: the same order gives another signature each time."""

    def __init__(self, token: Token, public_key: ec.EllipticCurvePublicKey) -> None:
        self._token = token
        self._public_key = public_key

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Raises CaFault."""
        _, digest = _digest(bytes(data), signature_algorithm.algorithm)
        # a digest that is longer than the curve is cut to its left-most bits (FIPS 186-5 6.4.1)
        raw = self._token.sign("ECDSA", digest[: (self.key_size + 7) // 8])
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def exchange(self, algorithm: Any, peer_public_key: Any) -> NoReturn:
        raise _stays()

    def private_numbers(self) -> NoReturn:
        raise _stays()

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> NoReturn:
        raise _stays()

    def __copy__(self) -> "EcTokenKey":
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> "EcTokenKey":
        return self


def _load() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        message = "ca.pkcs11 needs what the extra `hsm` brings: pip install 'ringi[hsm]'"
        raise CaFault(message, temporary=False) from error
    return pkcs11


def _digest(data: bytes, algorithm: object) -> tuple[str, bytes]:
    if not isinstance(algorithm, hashes.HashAlgorithm) or algorithm.name not in _DIGEST_INFO:
        raise UnsupportedAlgorithm("the token's key signs SHA-256, SHA-384 and SHA-512 only")
    running = hashes.Hash(algorithm)
    running.update(data)
    return algorithm.name, running.finalize()


def _name(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


def _stays() -> UnsupportedAlgorithm:
    return UnsupportedAlgorithm("the key never leaves its token")
