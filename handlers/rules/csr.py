"""The CSR column: one PKCS#10 in the forms people paste it, read and checked (RFC 2986, threats CSR1-5)."""

import binascii
import hashlib
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from handlers.rules.profile import Profile
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.subject_dn import SubjectDN, subject_of
from handlers.rules.weak_keys import find_rsa_weakness

_COLUMN = 7
_EXPONENT_BITS = 256  # FIPS 186-5 A.1.1; to check a signature costs as many multiplications
KEYS = {
    "rsa2048": "RSA 2048",
    "rsa3072": "RSA 3072",
    "rsa4096": "RSA 4096",
    "p256": "EC P-256",
    "p384": "EC P-384",
}
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_LINE = r"-----{} (?:NEW )?CERTIFICATE REQUEST-----"
_BODY = r"([A-Za-z0-9+/=\s]+)"
PEM = re.compile(rf"{_LINE.format('BEGIN')}{_BODY}{_LINE.format('END')}|{_BODY}", re.A)
_BEGIN, _END = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"
_SPACE = re.compile(r"\s+")
# what cryptography raises for broken bytes; a test changes every byte of good requests
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_KEY_MARKER = re.compile(rb"--\s*(?:BEGIN|END)[\sA-Z0-9]{0,40}?PRIVATE\s*KEY", re.I)
# the first 18 bytes of a base64 run that could be DER: a SEQUENCE begins with an M
_DER_START = re.compile(rb"(?<![A-Za-z0-9+/=])M[A-Za-z0-9+/]{23}")
# SEQUENCE, its length, the version and what must follow it: PKCS#8 or PKCS#1 (0), SEC 1 (1), PKCS#12 (3)
_KEY_HEAD = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
    rb"(?:\x02\x01\x00(?:\x30|\x02[\x81-\x83])|\x02\x01\x01\x04|\x02\x01\x03\x30)",
    re.S,
)


@dataclass(frozen=True)
class Csr:
    """A request that was read. `public_key_sha256`: hex, over the SPKI in DER; `public_key`: `RSA 2048`.

    `dns_names`: what its extensionRequest names, in lower case; never issued, names come from the TSV.
    """

    der: bytes
    public_key_sha256: str
    public_key: str
    dns_names: tuple[str, ...]


@dataclass(frozen=True)
class _Request:
    """What cryptography reads lazily, all read."""

    subject: x509.Name
    key: CertificatePublicKeyTypes
    digest: str
    is_signed: bool
    alternative_names: x509.SubjectAlternativeName | None


def check_csr(
    text: str,
    profile: Profile | None,
    subject_dn: SubjectDN | None,
    blocked_keys: frozenset[str] = frozenset(),
) -> tuple[Csr | None, tuple[RowError, ...]]:
    """Read column 7 and check it against the profile and column 1, as far as these two are known.

    The Csr is None where the request cannot be read at all. `blocked_keys`: an operator's list of SPKI
    SHA-256 in hex.
    """
    der = _decode(text)
    if der is None:
        return None, (_unreadable("BEGIN/END, base64"),)
    request = _read(der)
    if request is None:
        return None, (_unreadable("PKCS#10"),)
    digest_errors = _check_digest(request.digest, profile)
    if not request.is_signed and not digest_errors:
        return None, (_unreadable("signature"),)
    spki = request.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    csr = Csr(der, hashlib.sha256(spki).hexdigest(), _describe(request.key), _dns_names(request))
    errors = [
        *_check_subject(request.subject, subject_dn),
        *_check_mail_addresses(request),
        *_check_key(csr, request.key, profile, blocked_keys),
        *digest_errors,
    ]
    return csr, tuple(errors)


def read_csr(text: str) -> tuple[SubjectDN, Csr] | None:
    """The subject and what else a request says, in any form that people paste; not checked against anything."""
    der = _decode(text)
    request = _read(der) if der else None
    if der is None or request is None:
        return None
    spki = request.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    csr = Csr(der, hashlib.sha256(spki).hexdigest(), _describe(request.key), _dns_names(request))
    return subject_of(request.subject), csr


def has_private_key(data: bytes) -> bool:
    """Whether a private key stands anywhere in the bytes (threats CSR5).

    PEM, also on one line, without its spaces or as UTF-16; bare base64; DER. PKCS#12 counts: it holds one.
    """
    plain = data.replace(b"\0", b"") if data.count(b"\0") * 3 > len(data) else data
    if _KEY_MARKER.search(plain) or _KEY_HEAD.match(data):
        return True
    return any(_KEY_HEAD.match(binascii.a2b_base64(m[0])) for m in _DER_START.finditer(plain))


def _decode(text: str) -> bytes | None:
    plain = text.removeprefix(_BEGIN).removesuffix(_END)
    if plain and len(plain) == len(text) - len(_BEGIN) - len(_END):
        # as openssl writes it, in one line; what this can't read may still be one of the other forms
        with suppress(ValueError):
            return binascii.a2b_base64(plain, strict_mode=True)
    match = PEM.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return binascii.a2b_base64(_SPACE.sub("", match[1] or match[2]), strict_mode=True)
    except ValueError:
        return None


def _read(der: bytes) -> _Request | None:
    # cryptography warns of odd subjects (a country of three letters); they are refused below in any case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            csr = x509.load_der_x509_csr(der)
            # a signature is whole bytes: the library does not mind unused bits at its end
            if der[-len(csr.signature) - 1] != 0:
                return None
            key = csr.public_key()
            is_signed = _is_signed(csr, key)
            return _Request(csr.subject, key, _digest_of(csr), is_signed, _alternative_names_of(csr))
        except _UNREADABLE:
            return None


def _is_signed(csr: x509.CertificateSigningRequest, key: CertificatePublicKeyTypes) -> bool:
    algorithm = csr.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e.bit_length() > _EXPONENT_BITS:
        return False
    # cryptography calls every SHA-1 signature invalid, but a profile may still take them
    if isinstance(algorithm, hashes.SHA1) and isinstance(key, rsa.RSAPublicKey):
        try:
            key.verify(csr.signature, csr.tbs_certrequest_bytes, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            return False
        return True
    return csr.is_signature_valid


def _digest_of(csr: x509.CertificateSigningRequest) -> str:
    algorithm = csr.signature_hash_algorithm
    return algorithm.name if algorithm else ""


def _alternative_names_of(csr: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _describe(key: CertificatePublicKeyTypes) -> str:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {CURVES.get(key.curve.name, key.curve.name)}"
    return type(key).__name__.lstrip("_").removesuffix("PublicKey")


def _dns_names(request: _Request) -> tuple[str, ...]:
    if request.alternative_names is None:
        return ()
    return tuple(name.lower() for name in request.alternative_names.get_values_for_type(x509.DNSName))


def _check_subject(subject: x509.Name, subject_dn: SubjectDN | None) -> list[RowError]:
    """A set of (type, value), whatever the order inside the CSR: openssl writes C first."""
    found = subject_of(subject)
    ours = {(kind, value) for kind, value in found.attributes if kind != NameOID.EMAIL_ADDRESS.dotted_string}
    if subject_dn is None or ours == set(subject_dn.attributes):
        return []
    return [row_error(Code.CSR_SUBJECT, _COLUMN, found.text())]


def _check_mail_addresses(request: _Request) -> list[RowError]:
    names = request.alternative_names
    in_names = names is not None and bool(names.get_values_for_type(x509.RFC822Name))
    if in_names or request.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        return [row_error(Code.CSR_MAIL_ADDRESS, _COLUMN)]
    return []


def _check_key(
    csr: Csr, key: CertificatePublicKeyTypes, profile: Profile | None, blocked_keys: frozenset[str]
) -> list[RowError]:
    wanted = KEYS[profile.key] if profile else csr.public_key
    if csr.public_key != wanted:
        return [row_error(Code.KEY_NOT_ALLOWED, _COLUMN, csr.public_key, wanted)]
    weakness = "blocked" if csr.public_key_sha256 in blocked_keys else None
    if weakness is None and isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        weakness = find_rsa_weakness(numbers.n, numbers.e)
    return [row_error(Code.WEAK_KEY, _COLUMN, weakness)] if weakness else []


def _check_digest(digest: str, profile: Profile | None) -> list[RowError]:
    if profile is None or digest in profile.csr_digests:
        return []
    return [row_error(Code.CSR_DIGEST, _COLUMN, digest.upper() or "-")]


def _unreadable(where: Literal["BEGIN/END, base64", "PKCS#10", "signature"]) -> RowError:
    return row_error(Code.CSR_UNREADABLE, _COLUMN, where)
