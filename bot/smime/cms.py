"""Reads one CMS signature: what it says, before anything in it is believed (threats CMS1-CMS4, RFC 5652)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import cms, parser
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from bot.smime.ber import is_sound, parsing
from handlers.rules.reasons import Reason

DIGESTS: dict[str, type[hashes.SHA256] | type[hashes.SHA384] | type[hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_BITS = 2048
_MOST_CERTIFICATES = 20
# the parser's name of a signature algorithm -> its kind, and the digest that it fixes
_ALGORITHMS: dict[str, tuple[str, str | None]] = {
    "rsassa_pkcs1v15": ("rsa", None),
    "rsassa_pss": ("pss", None),
    **{f"{digest}_rsa": ("rsa", digest) for digest in DIGESTS},
    **{f"{digest}_ecdsa": ("ecdsa", digest) for digest in DIGESTS},
}
_WEAK = tuple(f"{digest}_{key}" for digest in ("md2", "md5", "sha1", "sha224") for key in ("rsa", "ecdsa"))
_SET_OF = 17


@dataclass(frozen=True)
class SignerId:
    """Who signed, as the signature names it: either issuer (DER) and serial number, or the subject key identifier."""

    issuer: bytes
    serial: int
    key_identifier: bytes | None


@dataclass(frozen=True)
class SignedAttributes:
    """The three that are required; `signed_at` in UTC. `encodings`: the DER of all of them, as they may be signed."""

    digest: bytes
    signed_at: datetime
    encodings: tuple[bytes, ...]


@dataclass(frozen=True)
class CmsSignature:
    """One signer's signature. `kind`: rsa, pss or ecdsa; `salt_length` of pss, in bytes. `content`: None if detached.

    `certificates`: DER, in no order, proven by nothing.
    """

    signer: SignerId
    digest: str
    kind: str
    salt_length: int
    signature: bytes
    attributes: SignedAttributes
    content: bytes | None
    certificates: tuple[bytes, ...]


def read_cms(data: bytes) -> CmsSignature | Reason:
    """What `data` (DER or BER) holds, or why it is refused. Never raises: the parser's every fault is the sender's."""
    if not is_sound(data):
        return Reason.CMS_MALFORMED
    try:
        # it reads lazily: not one value of it leaves this block
        with parsing("signature"):
            return _read(data)
    except ValueError:
        return Reason.CMS_MALFORMED


def _read(data: bytes) -> CmsSignature | Reason:
    outer = cms.ContentInfo.load(data, strict=True)
    if outer["content_type"].native != "signed_data":
        return Reason.CMS_MALFORMED
    signed = outer["content"]
    infos, inner = signed["signer_infos"], signed["encap_content_info"]
    if len(infos) != 1:
        return Reason.SEVERAL_SIGNATURES if len(infos) else Reason.CMS_MALFORMED
    if inner["content_type"].native != "data":
        return Reason.CMS_CONTENT
    info = infos[0]
    algorithm = _read_algorithm(info)
    if isinstance(algorithm, Reason):
        return algorithm
    kind, digest, salt_length = algorithm
    attributes = _read_attributes(info)
    if isinstance(attributes, Reason):
        return attributes
    return CmsSignature(
        signer=_read_signer(info["sid"]),
        digest=digest,
        kind=kind,
        salt_length=salt_length,
        signature=bytes(info["signature"]),
        attributes=attributes,
        content=bytes(inner["content"]) if inner["content"] else None,
        certificates=tuple(_read_certificates(signed["certificates"])),
    )


def _read_algorithm(info: Any) -> tuple[str, str, int] | Reason:
    """(kind, digest, salt length), or WEAK_DIGEST, WEAK_KEY (a kind of key that is not taken), CMS_MALFORMED."""
    digest, name = (
        info["digest_algorithm"]["algorithm"].native,
        info["signature_algorithm"]["algorithm"].native,
    )
    if digest not in DIGESTS or name in _WEAK:
        return Reason.WEAK_DIGEST
    if name not in _ALGORITHMS:
        return Reason.WEAK_KEY
    kind, fixed = _ALGORITHMS[name]
    if fixed not in (None, digest):
        return Reason.CMS_MALFORMED
    if kind != "pss":
        return kind, digest, 0
    return _read_pss(info["signature_algorithm"]["parameters"], digest)


def _read_pss(parameters: Any, digest: str) -> tuple[str, str, int] | Reason:
    """RFC 4056 3: one digest in all three places."""
    mask = parameters["mask_gen_algorithm"]
    used = {parameters["hash_algorithm"]["algorithm"].native, mask["parameters"]["algorithm"].native}
    if used - DIGESTS.keys():
        return Reason.WEAK_DIGEST
    length = int(parameters["salt_length"])
    if (
        used != {digest}
        or mask["algorithm"].native != "mgf1"
        or int(parameters["trailer_field"]) != 1
        or length < 0
    ):
        return Reason.CMS_MALFORMED
    return "pss", digest, length


def _read_attributes(info: Any) -> SignedAttributes | Reason:
    """Exactly one of each that is needed, each with one value, and no attribute twice (threats CMS4)."""
    rows = list(info["signed_attrs"] or ())
    values = {row["type"].dotted: row["values"] for row in rows}
    by_name = {row["type"].native: row["values"] for row in rows}
    needed = [by_name.get(name, ()) for name in ("content_type", "message_digest", "signing_time")]
    if len(values) != len(rows) or any(len(one) != 1 for one in needed):
        return Reason.SIGNED_ATTRIBUTES
    (content_type,), (digest,), (signed_at,) = needed
    if content_type.native != "data":
        return Reason.SIGNED_ATTRIBUTES
    # a time without a zone would become the machine's own
    if signed_at.native.tzinfo is None:
        return Reason.CMS_MALFORMED
    return SignedAttributes(bytes(digest), signed_at.native.astimezone(UTC), _encodings(rows))


def _encodings(rows: list[Any]) -> tuple[bytes, ...]:
    """The SET OF that was signed, in DER (RFC 5652 5.4): sorted, with each attribute as it came, or made DER anew.

    Both hold the same attributes. What is DER already must stay as it is: the parser would rewrite some values.
    """
    as_came, anew = [row.dump() for row in rows], [row.copy().dump(force=True) for row in rows]
    both = (parser.emit(0, 1, _SET_OF, b"".join(sorted(one))) for one in (as_came, anew))
    return tuple(dict.fromkeys(both))


def _read_signer(sid: Any) -> SignerId:
    if sid.name == "subject_key_identifier":
        return SignerId(b"", 0, bytes(sid.chosen))
    return SignerId(sid.chosen["issuer"].dump(), int(sid.chosen["serial_number"]), None)


def _read_certificates(choices: Any) -> Iterator[bytes]:
    """X.509 only: attribute certificates and other forms vouch for nothing here."""
    if len(choices or ()) > _MOST_CERTIFICATES:
        raise ValueError("too many certificates")
    for choice in choices or ():
        if choice.name == "certificate":
            yield choice.chosen.dump()


def takes_key(key: CertificatePublicKeyTypes) -> bool:
    """Whether such a key may sign: RSA from 2048 bits, or ECDSA on P-256, P-384, P-521 (threats CMS3)."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)


def is_good_signature(signature: CmsSignature, content: bytes, key: CertificatePublicKeyTypes) -> bool:
    """Whether `key` signed the attributes, and they name the digest of `content`."""
    if hashlib.new(signature.digest, content).digest() != signature.attributes.digest:
        return False
    return any(_is_signed(signature, encoded, key) for encoded in signature.attributes.encodings)


def _is_signed(signature: CmsSignature, encoded: bytes, key: CertificatePublicKeyTypes) -> bool:
    digest = DIGESTS[signature.digest]()
    try:
        if signature.kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature.signature, encoded, ec.ECDSA(digest))
        elif signature.kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.signature, encoded, padding.PKCS1v15(), digest)
        elif signature.kind == "pss" and isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(digest), signature.salt_length)
            key.verify(signature.signature, encoded, pss, digest)
        else:
            return False
    except (InvalidSignature, ValueError, OverflowError):
        # ValueError: a signature or a salt that does not even have a possible length
        return False
    return True
