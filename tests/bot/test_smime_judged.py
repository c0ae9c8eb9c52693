"""Our S/MIME verdicts against two others, `openssl cms` and pyHanko: equal on what is good, else we are stricter."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.validation.generic_cms import async_validate_cms_signature, async_validate_detached_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from bot.smime.keys import SmimeFault
from bot.verified import Verified
from tests.smime_people import DAY, ENTITY, Person, Pki, Signing, make_pki, pinned_keys

Need = Callable[[str], str]
OUTFORM = ("-outform", "DER")
CONTENT_TYPE, TIME, DIGEST = "content_type", "signing_time", "message_digest"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = make_pki(tmp_path)
    made.publish_crls()
    return made


def ours(pki: Pki, person: Person, signature: bytes, *, opaque: bool) -> bool:
    keys = pinned_keys(pki, person)
    try:
        if opaque:
            verdict = keys.verify_opaque(signature, pki.now)
            return isinstance(verdict, Verified) and verdict.output == ENTITY
        return isinstance(keys.verify_detached(ENTITY, signature, pki.now), Verified)
    except SmimeFault:
        return False


def openssls(pki: Pki, signature: bytes, *, opaque: bool) -> bool:
    trusted = pki.directory / "trusted.pem"
    lists = [x509.load_der_x509_crl(file.read_bytes()) for file in pki.crl_dir.glob("*.crl")]
    trusted.write_bytes(pki.ca_file.read_bytes() + b"".join(one.public_bytes(Encoding.PEM) for one in lists))
    (pki.directory / "entity").write_bytes(ENTITY)
    (pki.directory / "signature").write_bytes(signature)
    trust = ["-CAfile", str(trusted), "-no-CApath", "-no-CAstore", "-purpose", "smimesign", "-crl_check_all"]
    content = [] if opaque else ["-content", "entity"]
    files = ["-inform", "DER", "-in", "signature", *content, "-out", "output"]
    time = ["-attime", str(int(pki.now.timestamp()))]
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", *files, *trust, *time],
        cwd=pki.directory,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0 and (pki.directory / "output").read_bytes() == ENTITY


def pyhankos(pki: Pki, signature: bytes, *, opaque: bool) -> bool:
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(pki.root.certificate.public_bytes(Encoding.DER))],
        crls=[file.read_bytes() for file in pki.crl_dir.glob("*.crl")],
        revocation_mode="require",
        moment=pki.now,
    )
    usage = KeyUsageConstraints({"digital_signature", "non_repudiation"}, extd_key_usage={"email_protection"})
    try:
        signed = cms.ContentInfo.load(signature)["content"]
        if opaque:
            status = asyncio.run(
                async_validate_cms_signature(signed, validation_context=context, key_usage_settings=usage)
            )
        else:
            status = asyncio.run(
                async_validate_detached_cms(ENTITY, signed, context, key_usage_settings=usage)
            )
    except Exception:  # noqa: BLE001  # a judge that can not read it does not take it
        return False
    return bool(status.valid and status.intact and status.trusted)


def verdicts(pki: Pki, person: Person, signature: bytes, *, opaque: bool = False) -> tuple[bool, bool, bool]:
    """(ours, openssl's, pyHanko's)"""
    return (
        ours(pki, person, signature, opaque=opaque),
        openssls(pki, signature, opaque=opaque),
        pyhankos(pki, signature, opaque=opaque),
    )


def suzuki(pki: Pki, key: str = "p256", **how: object) -> Person:
    return pki.issue("suzuki", "suzuki@example.ac.jp", key, **how)


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("key_identifier", [False, True])
@pytest.mark.parametrize(
    ("key", "digest", "pss"),
    [
        ("rsa2048", "sha256", False),
        ("rsa3072", "sha512", False),
        ("rsa2048", "sha256", True),
        ("rsa3072", "sha384", True),
        ("p256", "sha256", False),
        ("p384", "sha384", False),
        ("p521", "sha512", False),
    ],
)
def test_all_three_take_what_is_good(
    pki: Pki, need: Need, key: str, digest: str, pss: bool, key_identifier: bool, opaque: bool
) -> None:
    need("openssl")
    person = suzuki(pki, key)
    how = Signing(digest=digest, pss=pss, by_key_identifier=key_identifier, content=opaque)
    assert verdicts(pki, person, person.sign(ENTITY, how), opaque=opaque) == (True, True, True)


def sign_by_openssl(pki: Pki, person: Person, *flags: str) -> bytes:
    (pki.directory / "key.pem").write_bytes(person.key_pem())
    (pki.directory / "certificate.pem").write_bytes(person.certificate.public_bytes(Encoding.PEM))
    (pki.directory / "chain.pem").write_bytes(
        b"".join(one.public_bytes(Encoding.PEM) for one in person.chain)
    )
    (pki.directory / "entity").write_bytes(ENTITY)
    base = ["openssl", "cms", "-sign", "-binary", "-in", "entity", *OUTFORM, "-certfile", "chain.pem"]
    done = subprocess.run(
        [*base, "-signer", "certificate.pem", "-inkey", "key.pem", *flags],
        cwd=pki.directory,
        capture_output=True,
        check=True,
    )
    return done.stdout


PSS = ("-keyopt", "rsa_padding_mode:pss")


@pytest.mark.parametrize(
    "form", [(), ("-stream",), ("-nodetach",), ("-nodetach", "-stream"), ("-nodetach", "-indef")]
)
@pytest.mark.parametrize(
    ("key", "flags"),
    [
        ("rsa2048", ()),
        ("rsa2048", PSS),
        ("rsa3072", ("-md", "sha512", *PSS, "-keyid")),
        ("p256", ("-keyid",)),
        ("p384", ("-md", "sha384")),
        ("p521", ("-md", "sha512")),
        ("p256", ("-nosmimecap",)),
    ],
)
def test_all_three_take_what_openssl_signs(
    pki: Pki, need: Need, key: str, flags: tuple[str, ...], form: tuple[str, ...]
) -> None:
    need("openssl")
    if "-stream" in form or "-indef" in form:
        # openssl 3.0 can't stream what it signs with PSS
        flags = tuple(flag for flag in flags if flag not in PSS)
    person = suzuki(pki, key)
    signature = sign_by_openssl(pki, person, *flags, *form)
    opaque = cms.ContentInfo.load(signature)["content"]["encap_content_info"]["content"].native is not None
    assert (signature[1] == 0x80) == ("-stream" in form or "-indef" in form)
    assert verdicts(pki, person, signature, opaque=opaque) == (True, True, True)


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("key", ["rsa2048", "p256", "p384", "p521"])
def test_all_three_take_what_cryptography_signs(pki: Pki, need: Need, key: str, opaque: bool) -> None:
    need("openssl")
    person = suzuki(pki, key)
    options = [pkcs7.PKCS7Options.Binary, *([] if opaque else [pkcs7.PKCS7Options.DetachedSignature])]
    builder = pkcs7.PKCS7SignatureBuilder().set_data(ENTITY)
    builder = builder.add_signer(person.certificate, person.key, hashes.SHA256())
    for ca in person.chain:
        builder = builder.add_certificate(ca)
    signature = builder.sign(Encoding.DER, options)
    assert verdicts(pki, person, signature, opaque=opaque) == (True, True, True)


def test_all_three_take_pss_that_cryptography_signs(pki: Pki, need: Need) -> None:
    need("openssl")
    person = suzuki(pki, "rsa2048")
    assert isinstance(person.key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(ENTITY)
    builder = builder.add_signer(person.certificate, person.key, hashes.SHA256(), rsa_padding=pss)
    builder = builder.add_certificate(person.chain[0])
    signature = builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.DetachedSignature])
    assert verdicts(pki, person, signature) == (True, True, True)


@dataclass(frozen=True)
class Dispute:
    """Something we refuse. `others`: whether openssl and pyHanko take it. `why`: the reason that we don't."""

    others: tuple[bool, bool]
    why: str
    how: Signing = Signing()
    key: str = "p256"
    leaf: tuple[tuple[str, object], ...] = ()


DISPUTES = {
    "two signers": Dispute((True, False), "CMS2: who decided?", Signing(signers=2)),
    "no signer": Dispute((False, False), "CMS2", Signing(signers=0)),
    "sha1": Dispute((True, False), "CMS3", Signing(digest="sha1")),
    "sha224": Dispute(
        (True, True), "CMS3: only digests that OpenPGP signatures may have here", Signing(digest="sha224")
    ),
    "md5": Dispute((True, False), "CMS3", Signing(digest="md5"), "rsa2048"),
    "pss with two digests": Dispute(
        (True, True), "RFC 4056 3", Signing(pss=True, mgf_digest="sha512"), "rsa2048"
    ),
    "no attributes": Dispute((True, True), "CMS4: no time, and open to re-use", Signing(attributes=None)),
    "no time": Dispute(
        (True, True), "CMS4: without a time no window (CMS8)", Signing(attributes=(CONTENT_TYPE, DIGEST))
    ),
    "no content type": Dispute((False, False), "CMS4", Signing(attributes=(TIME, DIGEST))),
    "no digest": Dispute((False, False), "CMS4", Signing(attributes=(CONTENT_TYPE, TIME))),
    "two digests": Dispute((False, False), "CMS4", Signing(attributes=(CONTENT_TYPE, TIME, DIGEST, DIGEST))),
    "two times": Dispute((False, True), "CMS4", Signing(attributes=(CONTENT_TYPE, TIME, TIME, DIGEST))),
    "values twice": Dispute((False, False), "CMS4", Signing(repeated_values=True)),
    "signed tomorrow": Dispute((True, True), "CMS8", Signing(at=None)),
    "no key usage": Dispute((True, False), "CMS5: it must be said", leaf=(("usage", None),)),
    "no purpose": Dispute(
        (True, False), "CMS5: only if the configuration allows", leaf=(("purposes", None),)
    ),
    "any purpose": Dispute(
        (False, False),
        "CMS5: it must be said",
        leaf=(("purposes", (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),),
    ),
    "for TLS": Dispute((False, False), "CMS5", leaf=(("purposes", (ExtendedKeyUsageOID.CLIENT_AUTH,)),)),
    "for encryption": Dispute((False, False), "CMS5", leaf=(("usage", ("key_encipherment",)),)),
    "a CA": Dispute(
        (True, True),
        "CMS5: a CA's key signs no mails",
        leaf=(("extensions", ((x509.BasicConstraints(ca=True, path_length=None), True),)),),
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", DISPUTES)
def test_where_we_are_stricter_than_the_judges(pki: Pki, need: Need, name: str) -> None:
    need("openssl")
    dispute = DISPUTES[name]
    person = suzuki(pki, dispute.key, **dict(dispute.leaf))
    how = Signing(at=pki.now + DAY) if name == "signed tomorrow" else dispute.how
    assert verdicts(pki, person, person.sign(ENTITY, how)) == (False, *dispute.others), dispute.why


BAD_WORLDS: dict[str, Callable[[Pki, Person], object]] = {
    "revoked": lambda pki, person: pki.publish("intermediate", pki.crl(revoked=[person])),
    "CA revoked": lambda pki, _: pki.publish("root", pki.crl(pki.root, revoked=[pki.intermediate])),
    "stale list": lambda pki, _: pki.publish(
        "intermediate", pki.crl(this_update=pki.now - 9 * DAY, next_update=pki.now - DAY)
    ),
    "no list": lambda pki, _: (pki.crl_dir / "intermediate.crl").unlink(),
    "list by another": lambda pki, person: pki.publish("intermediate", pki.crl(key=person.key)),
    "another root": lambda pki, _: pki.ca_file.write_bytes(
        make_pki(pki.directory / "other").root.certificate.public_bytes(Encoding.PEM)
    ),
}


@pytest.mark.parametrize("name", BAD_WORLDS)
def test_none_takes_what_no_list_or_root_vouches_for(pki: Pki, need: Need, name: str) -> None:
    need("openssl")
    person = suzuki(pki)
    signature = person.sign_detached(ENTITY)
    assert ours(pki, person, signature, opaque=False)
    BAD_WORLDS[name](pki, person)
    assert not ours(pki, person, signature, opaque=False)
    assert not openssls(pki, signature, opaque=False)
    if name != "another root":  # our pyHanko is always given the PKI's own root
        assert not pyhankos(pki, signature, opaque=False)


def test_what_we_keep_is_enough_for_openssl(pki: Pki, need: Need, tmp_path: Path) -> None:
    need("openssl")
    person = suzuki(pki)
    signature = person.sign(ENTITY, Signing(own=False, chain=False))
    verified = pinned_keys(pki, person, with_chain=True).verify_detached(ENTITY, signature, pki.now)
    assert isinstance(verified, Verified)
    kept = {material.name: material.data for material in verified.materials}
    load, load_crl = x509.load_der_x509_certificate, x509.load_der_x509_crl
    # openssl takes a CA that did not come with the mail only from here
    trusted = [
        load(kept["issuer-1.der"]),
        load(kept["issuer-2.der"]),
        load_crl(kept["crl-1.der"]),
        load_crl(kept["crl-2.der"]),
    ]
    others = [load(kept["certificate.der"])]
    (tmp_path / "trusted.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in trusted))
    (tmp_path / "others.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in others))
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "entity").write_bytes(ENTITY)
    files = ["-inform", "DER", "-in", "signature", "-content", "entity", "-certfile", "others.pem"]
    trust = ["-CAfile", "trusted.pem", "-no-CApath", "-no-CAstore", "-crl_check_all", "-out", "output"]
    command = ["openssl", "cms", "-verify", "-binary", *files, *trust]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
