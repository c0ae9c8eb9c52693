"""A small S/MIME PKI for tests: a root, a CA below it, people with keys of any kind, revocation lists.

`pki = make_pki(directory)`; `pki.publish_crls()`; `person = pki.issue("suzuki", "suzuki@example.ac.jp")`;
`person.sign_detached(entity)`. All times are aware UTC; `now` is the real time unless it is given.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bot.config import Smime
from bot.smime.keys import SmimeKeys
from handlers.rules.register import Domain, Institution, Officer, Register, SmimeKey

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVES = {"p224": ec.SECP224R1, "p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
_DIGESTS = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
DAY = timedelta(days=1)
ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nAPPROVE\r\n"


@cache
def key_of(kind: str, whose: str) -> Key:
    """The same key again for the same kind and person: making RSA keys takes time."""
    return make_key(kind)


def make_key(kind: str) -> Key:
    """`rsa2048`, `p256`, `ed25519` ..."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


@dataclass(frozen=True)
class Signing:
    """How a CMS is made, and how it is spoiled.

    `attributes`: what comes of the three signed ones; None: no signed attributes at all. `signers`: how many
    signerInfos. `certificates`: DER, put in beside the signer's; `own`: whether the signer's is in.
    """

    digest: str = "sha256"
    at: datetime | None = None
    pss: bool = False
    by_key_identifier: bool = False
    content: bool = False
    content_type: str = "data"
    signed_content_type: str | None = None
    attributes: tuple[str, ...] | None = ("content_type", "signing_time", "message_digest")
    repeated_values: bool = False
    signers: int = 1
    own: bool = True
    chain: bool = True
    certificates: tuple[bytes, ...] = ()
    salt_length: int | None = None
    mgf_digest: str | None = None


@dataclass(frozen=True)
class Person:
    """`certificate`: the leaf. `chain`: what stands above it, the root left out. `pin`: SPKI SHA-256, hex capitals."""

    name: str
    address: str
    key: Key
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pin(self) -> str:
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest().upper()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def smime_key(self, directory: Path, encoding: Encoding = Encoding.PEM) -> SmimeKey:
        """Writes `<name>.pem` into the register's directory and gives the pin for the officer."""
        file = directory / f"{self.name}.pem"
        file.write_bytes(self.certificate.public_bytes(encoding))
        return SmimeKey(public_key=self.pin, file=file.name)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign_detached(self, entity: bytes, at: datetime | None = None) -> bytes:
        """A CMS (DER) over exactly these bytes: lines ended by CRLF."""
        return self.sign(entity, Signing(at=at))

    def sign_opaque(self, entity: bytes, at: datetime | None = None) -> bytes:
        return self.sign(entity, Signing(at=at, content=True))

    def sign(self, entity: bytes, how: Signing) -> bytes:
        infos = [self._signer_info(entity, how)] * how.signers
        der = [*([self.der] if how.own else []), *how.certificates]
        der += [one.public_bytes(Encoding.DER) for one in self.chain] if how.chain else []
        content = {"content_type": how.content_type}
        if how.content:
            content["content"] = entity if how.content_type == "data" else core.ParsableOctetString(entity)
        signed = {
            "version": "v3" if how.by_key_identifier or how.content_type != "data" else "v1",
            "digest_algorithms": [{"algorithm": how.digest}],
            "encap_content_info": content,
            "certificates": [asn1_x509.Certificate.load(one) for one in der],
            "signer_infos": infos,
        }
        return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()

    def _signer_info(self, entity: bytes, how: Signing) -> cms.SignerInfo:
        attributes = self._attributes(entity, how)
        to_sign = entity if attributes is None else attributes.dump()
        info = {
            "version": "v3" if how.by_key_identifier else "v1",
            "sid": self._sid(how),
            "digest_algorithm": {"algorithm": how.digest},
            "signature_algorithm": self._algorithm(how),
            "signature": self._sign(to_sign, how),
        }
        if attributes is not None:
            info["signed_attrs"] = attributes
        return cms.SignerInfo(info)

    def _sid(self, how: Signing) -> cms.SignerIdentifier:
        leaf = asn1_x509.Certificate.load(self.der)
        if how.by_key_identifier:
            return cms.SignerIdentifier("subject_key_identifier", leaf.key_identifier)
        both = {"issuer": leaf.issuer, "serial_number": leaf.serial_number}
        return cms.SignerIdentifier("issuer_and_serial_number", cms.IssuerAndSerialNumber(both))

    def _attributes(self, entity: bytes, how: Signing) -> cms.CMSAttributes | None:
        if how.attributes is None:
            return None
        digest = hashlib.new(how.digest, entity).digest()
        values = {
            "content_type": how.signed_content_type or how.content_type,
            "1.2.3.4": core.Null(),
            "signing_time": cms.Time("utc_time", how.at or datetime.now(UTC)),
            "message_digest": digest,
        }
        repeat = 2 if how.repeated_values else 1
        rows = [
            cms.CMSAttribute({"type": kind, "values": [values[kind]] * repeat}) for kind in how.attributes
        ]
        return cms.CMSAttributes(rows)

    def _algorithm(self, how: Signing) -> algos.SignedDigestAlgorithm:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return algos.SignedDigestAlgorithm({"algorithm": "ed25519"})
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return algos.SignedDigestAlgorithm({"algorithm": f"{how.digest}_ecdsa"})
        if not how.pss:
            return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"})
        mask = {"algorithm": "mgf1", "parameters": {"algorithm": how.mgf_digest or how.digest}}
        parameters = {
            "hash_algorithm": {"algorithm": how.digest},
            "mask_gen_algorithm": mask,
            "salt_length": self._salt_length(how),
        }
        return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})

    def _salt_length(self, how: Signing) -> int:
        return _DIGESTS[how.digest].digest_size if how.salt_length is None else how.salt_length

    def _sign(self, to_sign: bytes, how: Signing) -> bytes:
        digest = _DIGESTS[how.digest]()
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(to_sign)
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(to_sign, ec.ECDSA(digest))
        if not how.pss:
            return self.key.sign(to_sign, padding.PKCS1v15(), digest)
        mask = padding.MGF1(_DIGESTS[how.mgf_digest or how.digest]())
        return self.key.sign(to_sign, padding.PSS(mask, self._salt_length(how)), digest)


@dataclass(frozen=True)
class Ca:
    """`chain`: itself and what stands above it, the root left out."""

    key: Key
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()


@dataclass
class Pki:
    """`ca_file`: the root, PEM. `root` signs `intermediate`, and that the people. `crl_dir` is empty at first."""

    directory: Path
    root: Ca
    intermediate: Ca
    now: datetime

    @property
    def ca_file(self) -> Path:
        return self.directory / "roots.pem"

    @property
    def crl_dir(self) -> Path:
        return self.directory / "crls"

    @property
    def register_dir(self) -> Path:
        return self.directory / "register"

    def settings(self, **changes: object) -> Smime:
        return Smime(ca_file=self.ca_file, crl_dir=self.crl_dir, **changes)

    def issue(
        self,
        name: str,
        address: str,
        key: str = "p256",
        *,
        whose: str | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        usage: Sequence[str] | None = ("digital_signature", "content_commitment"),
        purposes: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
        alternative_name: bool = True,
        issuer: Ca | None = None,
        digest: str = "sha256",
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Person:
        """A person with a certificate. `key`: as for make_key, one for each name; `whose`: somebody else's."""
        issuer = issuer or self.intermediate
        private = key_of(key, whose or name)
        names = [
            (NameOID.COUNTRY_NAME, "JP"),
            (NameOID.ORGANIZATION_NAME, "testkikan"),
            (NameOID.COMMON_NAME, name),
        ]
        if not alternative_name:
            names.append((NameOID.EMAIL_ADDRESS, address))
        wanted: list[tuple[x509.ExtensionType, bool]] = [*extensions]
        wanted.append((x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False))
        wanted.append((_authority(issuer), False))
        if usage is not None:
            wanted.append((key_usage(*usage), True))
        if purposes is not None:
            wanted.append((x509.ExtendedKeyUsage(purposes), False))
        if alternative_name:
            wanted.append((x509.SubjectAlternativeName([x509.RFC822Name(address)]), False))
        builder = _builder(names, private, begin or self.now - 30 * DAY, end or self.now + 365 * DAY)
        certificate = _finish(builder, wanted, issuer, digest)
        return Person(name, address, private, certificate, issuer.chain)

    def make_ca(self, name: str, issuer: Ca | None = None, key: str = "p256", **changes: object) -> Ca:
        """A CA below `issuer` (None: the root). `changes`: see `_make_ca`."""
        return _make_ca(name, issuer or self.root, self.now, key, **changes)

    def crl(
        self,
        ca: Ca | None = None,
        *,
        revoked: Sequence[Person | Ca] = (),
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        revoked_at: datetime | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        key: Key | None = None,
        digest: str = "sha256",
    ) -> bytes:
        """A list of `ca` (None: the intermediate), DER; from an hour ago for seven days. `key`: who signs it."""
        ca = ca or self.intermediate
        begin = this_update or self.now - timedelta(hours=1)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(ca.certificate.subject)
            .last_update(begin)
            .next_update(next_update or self.now + 7 * DAY)
            .add_extension(x509.CRLNumber(int(begin.timestamp())), critical=False)
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(revoked_at or begin).build())
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(key or ca.key, _DIGESTS[digest]()).public_bytes(Encoding.DER)

    def publish_crls(self, **changes: object) -> None:
        """Puts lists of the root and of the intermediate into `crl_dir`; `changes` (see `crl`) hold for both."""
        self.publish("root", self.crl(self.root, **changes))
        self.publish("intermediate", self.crl(self.intermediate, **changes))

    def publish(self, name: str, crl: bytes) -> Path:
        self.crl_dir.mkdir(exist_ok=True)
        file = self.crl_dir / f"{name}.crl"
        file.write_bytes(crl)
        return file


def make_pki(directory: Path, now: datetime | None = None) -> Pki:
    """A new PKI around `now`: certificates from 30 days before it, for a year; CAs for ten."""
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    directory.mkdir(parents=True, exist_ok=True)
    root = _make_ca("Test Root", None, now, "p384")
    pki = Pki(directory, root, _make_ca("Test S/MIME CA", root, now, "p256"), now)
    pki.ca_file.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    return pki


def pinned_keys(pki: Pki, *people: Person, with_chain: bool = False, **settings: object) -> SmimeKeys:
    """A verifier that has the keys of `people` pinned. `with_chain`: the register's files hold what is above them."""
    pki.register_dir.mkdir(exist_ok=True)
    pins = []
    for person in people:
        pin = person.smime_key(pki.register_dir)
        if with_chain:
            chain = b"".join(one.public_bytes(Encoding.PEM) for one in person.chain)
            with (pki.register_dir / pin.file).open("ab") as file:
                file.write(chain)
        pins.append((person, pin))
    return SmimeKeys.load(register_of(*pins), pki.register_dir, pki.settings(**settings))


def register_of(*people: tuple[Person, SmimeKey]) -> Register:
    """One institution, testkikan, whose officers are these."""
    institution = Institution(
        id="testkikan",
        digest="0" * 64,
        name="テスト機関",
        domains=(Domain(name="example.ac.jp"),),
        organization="testkikan",
        state="Tokyo",
        locality="Chiyoda-ku",
        applicant_domains=("example.ac.jp",),
        officers=tuple(officer_of(person, pin) for person, pin in people),
    )
    return Register({"testkikan": institution}, "0" * 64)


def officer_of(person: Person, *pins: SmimeKey) -> Officer:
    return Officer(
        id=person.name, name=person.name, addresses=(person.address,), notify=person.address, smime=pins
    )


def key_usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


def _make_ca(
    name: str,
    issuer: Ca | None,
    now: datetime,
    key: str,
    *,
    usage: Sequence[str] | None = ("key_cert_sign", "crl_sign"),
    is_ca: bool = True,
    path_length: int | None = None,
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    digest: str = "sha256",
    end: datetime | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Ca:
    private = make_key(key)
    names = [
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "testkikan"),
        (NameOID.COMMON_NAME, name),
    ]
    wanted: list[tuple[x509.ExtensionType, bool]] = [*extensions]
    wanted.append((x509.BasicConstraints(ca=is_ca, path_length=path_length), True))
    wanted.append((x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False))
    if usage is not None:
        wanted.append((key_usage(*usage), True))
    if purposes is not None:
        wanted.append((x509.ExtendedKeyUsage(purposes), False))
    builder = _builder(names, private, now - 3650 * DAY, end or now + 3650 * DAY)
    if issuer:
        certificate = _finish(builder, [*wanted, (_authority(issuer), False)], issuer, digest)
        return Ca(private, certificate, (certificate, *issuer.chain))
    own = builder.issuer_name(_name(names))
    for extension, critical in wanted:
        own = own.add_extension(extension, critical=critical)
    return Ca(private, own.sign(private, _DIGESTS[digest]()))


def _builder(
    names: list[tuple[x509.ObjectIdentifier, str]], private: Key, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(_name(names))
        .public_key(private.public_key())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _finish(
    builder: x509.CertificateBuilder,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    issuer: Ca,
    digest: str,
) -> x509.Certificate:
    builder = builder.issuer_name(issuer.certificate.subject)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer.key, _DIGESTS[digest]())


def _name(names: list[tuple[x509.ObjectIdentifier, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in names])


def _authority(issuer: Ca) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
