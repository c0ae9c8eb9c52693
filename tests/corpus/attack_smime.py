"""Attacks on S/MIME signatures: CMS1 to CMS8. Each starts from a mail that is carried out when nothing is spoiled."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from asn1crypto import cms, core
from cryptography.x509.oid import ExtendedKeyUsageOID

from handlers.rules.reasons import Reason
from tests.corpus.court import Court
from tests.corpus.forging import Attack, Forge, mail, opaque_cms, wrap_cms
from tests.smime_people import DAY, Ca, Person, Pki, Signing, make_pki

Maker = Callable[[Forge], bytes]
ITO = "smime_ito"
_RECEIPT = "1.2.840.113549.1.9.16.1.1"  # RFC 2634: a type that no library reads into
_ADDRESS = f"{ITO}@example.ac.jp"


@dataclass(frozen=True)
class Spoiled:
    """`how` the CMS is made; `person`: who signs, where it is not simply the officer."""

    how: Signing = field(default_factory=Signing)
    person: Callable[[Court], Person] = lambda court: court.persons[ITO]
    change: Callable[[bytes], bytes] = lambda der: der
    opaque: bool = False

    def __call__(self, f: Forge) -> bytes:
        entity = f.entity()
        person = self.person(f.court)
        der = self.change(person.sign(entity, self.how))
        return mail(opaque_cms(der) if self.opaque else wrap_cms(entity, der), person.address)


def _issue(**changes: object) -> Callable[[Court], Person]:
    """Another certificate for the officer's own pinned key."""

    def make(court: Court) -> Person:
        return court.pki.issue(ITO, _ADDRESS, "p256", **changes)  # type: ignore[arg-type]

    return make


def _under(*names: str, **changes: object) -> Callable[[Court], Person]:
    """The officer's key below a chain of new CAs; `changes` are those of the last."""

    def make(court: Court) -> Person:
        ca: Ca | None = None
        for name in names:
            ca = court.pki.make_ca(name, ca, **(changes if name == names[-1] else {}))  # type: ignore[arg-type]
        return court.pki.issue(ITO, _ADDRESS, "p256", issuer=ca)

    return make


def _elsewhere(court: Court) -> Person:
    """The officer's key, vouched for by a root that nobody named."""
    other: Pki = make_pki(court.pki.directory / "other", court.now)
    return other.issue(ITO, _ADDRESS, "p256")


def _cms1_and_2() -> list[Attack]:
    content, one = Reason.CMS_CONTENT, Signing(content=True)
    several = Reason.SEVERAL_SIGNATURES
    return [
        Attack("CMS1", "detached with a content", Spoiled(one), content),
        Attack("CMS1", "opaque without a content", Spoiled(opaque=True), content),
        Attack("CMS1", "content of another type",
               Spoiled(Signing(content=True, content_type=_RECEIPT), opaque=True), content),
        Attack("CMS1", "detached, of another type", Spoiled(Signing(content_type="enveloped_data")), content),
        Attack("CMS1", "opaque beside an empty part", _opaque_beside_nothing, Reason.BROKEN_SIGNED_MAIL),
        Attack("CMS1", "opaque of no stated type", _opaque_as("application/pkcs7-mime"), Reason.BROKEN_SIGNED_MAIL),
        Attack("CMS1", "opaque as certificates only", _opaque_as("application/pkcs7-mime; smime-type=certs-only"),
               Reason.BROKEN_SIGNED_MAIL),
        Attack("CMS1", "opaque as octets", _opaque_as("application/octet-stream"), Reason.NO_TSV),
        Attack("CMS2", "two signers", Spoiled(Signing(signers=2)), several),
        Attack("CMS2", "two signers, opaque", Spoiled(Signing(signers=2, content=True), opaque=True), several),
        Attack("CMS2", "no signer", Spoiled(Signing(signers=0)), Reason.CMS_MALFORMED),
        Attack("CMS2", "no signer, opaque",
               Spoiled(Signing(signers=0, content=True), opaque=True), Reason.CMS_MALFORMED),
    ]  # fmt: skip


def _opaque_beside_nothing(f: Forge) -> bytes:
    """multipart/signed whose part is empty: a program shows nothing where the signature holds a decision."""
    return mail(wrap_cms(b"", f.court.persons[ITO].sign_opaque(f.entity())), _ADDRESS)


def _opaque_as(kind: str) -> Maker:
    def make(f: Forge) -> bytes:
        der = f.court.persons[ITO].sign_opaque(f.entity())
        return mail(opaque_cms(der, kind), _ADDRESS)

    return make


def _rsa(name: str) -> Callable[[Court], Person]:
    return lambda court: court.persons[name]


def _cms3() -> list[Attack]:
    weak = Reason.WEAK_DIGEST
    rows = [
        ("MD5 by RSA", Spoiled(Signing("md5"), _rsa("smime_kato")), weak),
        ("SHA-1 by RSA", Spoiled(Signing("sha1"), _rsa("smime_kato")), weak),
        ("SHA-1", Spoiled(Signing("sha1")), weak),
        ("SHA-224", Spoiled(Signing("sha224")), weak),
        ("SHA-1, opaque", Spoiled(Signing("sha1", content=True), opaque=True), weak),
        ("PSS over SHA-1", Spoiled(Signing("sha1", pss=True), _rsa("smime_kato")), weak),
        ("PSS with a mask of SHA-1", Spoiled(Signing(pss=True, mgf_digest="sha1"), _rsa("smime_kato")), weak),
        ("PSS with another mask",
         Spoiled(Signing(pss=True, mgf_digest="sha512"), _rsa("smime_kato")), Reason.CMS_MALFORMED),
        ("RSA of 1024 bits", Spoiled(person=_stranger("rsa1024")), Reason.UNKNOWN_KEY),
        ("P-224", Spoiled(person=_stranger("p224")), Reason.UNKNOWN_KEY),
        ("Ed25519", Spoiled(person=_stranger("ed25519")), Reason.WEAK_KEY),
    ]  # fmt: skip
    return [Attack("CMS3", name, make, reason) for name, make, reason in rows]


def _stranger(kind: str) -> Callable[[Court], Person]:
    """The officer's name and address, another key."""
    return lambda court: court.pki.issue(ITO, _ADDRESS, kind, whose="smime_impostor")


def _cms4() -> list[Attack]:
    content_type, at, digest = "content_type", "signing_time", "message_digest"
    rows: list[tuple[str, tuple[str, ...] | None]] = [
        ("none at all", None),
        ("no content type", (at, digest)),
        ("no digest", (content_type, at)),
        ("no time", (content_type, digest)),
        ("content type twice", (content_type, content_type, at, digest)),
        ("digest twice", (content_type, at, digest, digest)),
        ("time twice", (content_type, at, at, digest)),
    ]
    refused = Reason.SIGNED_ATTRIBUTES
    attacks = [Attack("CMS4", name, Spoiled(Signing(attributes=kinds)), refused) for name, kinds in rows]
    two = Spoiled(Signing(repeated_values=True))
    return [
        *attacks,
        Attack("CMS4", "two values in each", two, refused),
        Attack("CMS4", "a content type that is not the content's", Spoiled(change=_retyped), Reason.SIGNED_ATTRIBUTES),
        Attack("CMS4", "over other bytes", _over_other, Reason.BAD_SIGNATURE),
        Attack("CMS4", "a bit of the signature",
               Spoiled(change=lambda d: d[:-1] + bytes([d[-1] ^ 1])), Reason.BAD_SIGNATURE),
        Attack("CMS4", "the content changed, opaque", _content_changed, Reason.BAD_SIGNATURE),
    ]  # fmt: skip


def _retyped(der: bytes) -> bytes:
    """The signed attribute says enveloped data; what the signature is over is not looked at before that."""
    attribute = bytes.fromhex("06092a864886f70d010903310b06092a864886f70d0107")
    assert der.count(attribute + b"\x01") == 1
    return der.replace(attribute + b"\x01", attribute + b"\x03")


def _over_other(f: Forge) -> bytes:
    der = f.court.persons[ITO].sign_detached(f.entity("却下: x"))
    return mail(wrap_cms(f.entity(), der), _ADDRESS)


def _content_changed(f: Forge) -> bytes:
    der = f.court.persons[ITO].sign_opaque(f.entity("確認"))
    changed = der.replace("確認\r\n\r\n".encode(), "承認\r\n\r\n".encode())
    assert changed != der
    return mail(opaque_cms(changed), _ADDRESS)


def _cms5() -> list[Attack]:
    untrusted, purpose = Reason.UNTRUSTED_CERTIFICATE, Reason.CERTIFICATE_PURPOSE
    tls = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    rows = [
        ("a root nobody named", Spoiled(person=_elsewhere), untrusted),
        ("a root that comes along", Spoiled(Signing(), person=_elsewhere_with_root), untrusted),
        ("for TLS", Spoiled(person=_issue(purposes=tls)), purpose),
        (
            "for anything",
            Spoiled(person=_issue(purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))),
            purpose,
        ),
        ("no purpose", Spoiled(person=_issue(purposes=None)), purpose),
        ("for encryption only", Spoiled(person=_issue(usage=("key_encipherment",))), purpose),
        ("no key usage", Spoiled(person=_issue(usage=None)), purpose),
        ("expired", Spoiled(person=_dated(-60, -30)), Reason.EXPIRED_CERTIFICATE),
        ("not valid yet", Spoiled(person=_dated(30, 60)), Reason.EXPIRED_CERTIFICATE),
        ("another key of the same name", Spoiled(person=_stranger("p256")), Reason.UNKNOWN_KEY),
        ("four CAs deep", Spoiled(person=_under("A", "B", "C", "D")), untrusted),
        ("below what is no CA", Spoiled(person=_under("A", is_ca=False)), untrusted),
        ("below a CA for TLS only", Spoiled(person=_under("A", purposes=tls)), untrusted),
        (
            "below a CA that may not sign",
            Spoiled(person=_under("A", usage=("digital_signature",))),
            untrusted,
        ),
        ("the CA's certificate missing", Spoiled(Signing(chain=False), _under("A")), untrusted),
    ]
    return [Attack("CMS5", name, make, reason) for name, make, reason in rows]


def _elsewhere_with_root(court: Court) -> Person:
    person = _elsewhere(court)
    root = make_pki(court.pki.directory / "other2", court.now).root
    return Person(
        person.name, person.address, person.key, person.certificate, (*person.chain, root.certificate)
    )


def _dated(begin: int, end: int) -> Callable[[Court], Person]:
    return lambda court: court.pki.issue(
        ITO, _ADDRESS, "p256", begin=court.now + begin * DAY, end=court.now + end * DAY
    )


def _cms6() -> list[Attack]:
    revoked = Reason.REVOKED_CERTIFICATE
    return [
        Attack("CMS6", "revoked", Spoiled(person=_rsa("smime_revoked")), revoked),
        Attack("CMS6", "revoked, opaque", Spoiled(Signing(content=True), _rsa("smime_revoked"), opaque=True), revoked),
        Attack("CMS6", "below a revoked CA", Spoiled(person=_rsa("smime_lost")), revoked),
    ]  # fmt: skip


def _cms7() -> list[Attack]:
    bomb = b"\x30\x80" * 5000
    rows: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("truncated by one byte", lambda d: d[:-1]),
        ("half of it", lambda d: d[: len(d) // 2]),
        ("its first bytes", lambda d: d[:20]),
        ("something behind it", lambda d: d + b"\x05\x00"),
        ("a length far too long", lambda d: d[:1] + b"\x84\xff\xff\xff\xff" + d[4:]),
        ("5,000 deep", lambda d: bomb),
        ("5,000 deep and closed", lambda d: bomb + bytes(10_000)),
        ("30 deep inside it", lambda d: b"\x30\x80" * 30 + d + bytes(60)),
        ("no structure", lambda d: b"PK\x03\x04" + d),
        ("text", lambda d: b"APPROVE"),
        ("a certificate", lambda d: d[d.index(b"\x30\x82", 60) :]),
        ("encrypted instead",
         lambda d: d.replace(bytes.fromhex("2a864886f70d010702"), bytes.fromhex("2a864886f70d010703"), 1)),
    ]  # fmt: skip
    malformed = Reason.CMS_MALFORMED
    attacks = [Attack("CMS7", name, Spoiled(change=change), malformed) for name, change in rows]
    opaque = Spoiled(Signing(content=True), change=lambda d: d[:-1], opaque=True)
    return [
        *attacks,
        Attack("CMS7", "opaque, truncated", opaque, malformed),
        Attack("CMS7", "30 deep where nobody looks", Spoiled(change=_deep_attribute), malformed),
        Attack("CMS7", "opaque, empty", _empty, Reason.BROKEN_SIGNED_MAIL),
        Attack("CMS7", "broken base64", _broken_base64, Reason.BROKEN_SIGNED_MAIL),
    ]


def _deep_attribute(der: bytes) -> bytes:
    """A good signature with one more attribute, unsigned and deep: no part that is read is touched."""
    value = b"\x05\x00"
    for _ in range(30):
        value = b"\x30" + bytes([len(value)]) + value
    outer = cms.ContentInfo.load(der)
    attribute = cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Any.load(value)]})
    outer["content"]["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([attribute])
    return bytes(outer.dump(force=True))


def _empty(f: Forge) -> bytes:
    return mail(opaque_cms(b""), _ADDRESS)


def _broken_base64(f: Forge) -> bytes:
    der = base64.encodebytes(f.court.persons[ITO].sign_opaque(f.entity()))
    head = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return mail(head + b"=" + der, _ADDRESS)


def _cms8() -> list[Attack]:
    def ahead(court: Court) -> Person:
        return court.persons[ITO]

    def signed_ahead(f: Forge) -> bytes:
        entity = f.entity()
        der = ahead(f.court).sign_detached(entity, at=f.court.now + timedelta(hours=2))
        return mail(wrap_cms(entity, der), _ADDRESS)

    future = Reason.SIGNED_IN_FUTURE
    return [
        Attack("CMS8", "two hours ahead", signed_ahead, future),
        Attack("CMS8", "arrived before it was signed", Spoiled(), future, later=timedelta(hours=-2)),
    ]


ATTACKS = (*_cms1_and_2(), *_cms3(), *_cms4(), *_cms5(), *_cms6(), *_cms7(), *_cms8())
