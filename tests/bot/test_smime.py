"""S/MIME signatures: each row of the threats CMS1-CMS5 and CMS8, what is taken and what is refused."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from bot.register import RegisterFault
from bot.smime.keys import SmimeKeys
from bot.verified import Verified
from handlers.rules.reasons import Reason
from tests.smime_people import DAY, ENTITY, Ca, Person, Pki, Signing, make_pki, pinned_keys

MAIL, TLS = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.CLIENT_AUTH
ALL = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
MINUTE = timedelta(minutes=1)
ADDRESS = "suzuki@example.ac.jp"
RECEIPT = "1.2.840.113549.1.9.16.1.1"  # RFC 2634: a type that no library reads into


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = make_pki(tmp_path)
    made.publish_crls()
    return made


def suzuki(pki: Pki, key: str = "p256", **how: object) -> Person:
    return pki.issue("suzuki", ADDRESS, key, **how)


def judge(pki: Pki, person: Person, how: Signing | None = None, **settings: object) -> Verified | Reason:
    """The verdict on a signature of `person`, whose key is pinned, over ENTITY."""
    keys, how = pinned_keys(pki, person, **settings), how or Signing()
    signature = person.sign(ENTITY, how)
    if how.content:
        return keys.verify_opaque(signature, pki.now)
    return keys.verify_detached(ENTITY, signature, pki.now)


def is_taken(verdict: Verified | Reason) -> bool:
    return isinstance(verdict, Verified)


def test_what_a_good_signature_gives(pki: Pki) -> None:
    person = suzuki(pki)
    moment = pki.now - 5 * MINUTE
    verified = judge(pki, person, Signing(at=moment, digest="sha384"))
    assert isinstance(verified, Verified)
    assert (verified.fingerprint, verified.signed_at, verified.digest) == (person.pin, moment, 9)
    assert verified.output is None
    names = [material.name for material in verified.materials]
    assert names == ["certificate.der", "issuer-1.der", "issuer-2.der", "crl-1.der", "crl-2.der"]
    assert verified.materials[0].data == person.der
    assert verified.materials[2].data == pki.root.certificate.public_bytes(Encoding.DER)
    lines = verified.status.decode().splitlines()
    assert lines[0] == "digest sha384"
    assert [line.split()[0] for line in lines].count("chain") == 2
    assert sum(line.startswith("crl fresh ") for line in lines) == 2


# CMS1: content


def test_CMS1_an_opaque_signature_gives_the_content_it_carries(pki: Pki) -> None:
    verified = judge(pki, suzuki(pki), Signing(content=True))
    assert isinstance(verified, Verified)
    assert verified.output == ENTITY


def test_CMS1_a_detached_signature_with_a_content_is_refused(pki: Pki) -> None:
    person = suzuki(pki)
    verdict = pinned_keys(pki, person).verify_detached(ENTITY, person.sign_opaque(ENTITY), pki.now)
    assert verdict is Reason.CMS_CONTENT


def test_CMS1_an_opaque_signature_without_a_content_is_refused(pki: Pki) -> None:
    person = suzuki(pki)
    verdict = pinned_keys(pki, person).verify_opaque(person.sign_detached(ENTITY), pki.now)
    assert verdict is Reason.CMS_CONTENT


def test_CMS1_an_empty_content_is_a_content(pki: Pki) -> None:
    person = suzuki(pki)
    signature = person.sign_opaque(b"")
    keys = pinned_keys(pki, person)
    assert keys.verify_detached(b"", signature, pki.now) is Reason.CMS_CONTENT
    verified = keys.verify_opaque(signature, pki.now)
    assert isinstance(verified, Verified)
    assert verified.output == b""


def test_CMS1_another_type_of_content_is_refused(pki: Pki) -> None:
    assert judge(pki, suzuki(pki), Signing(content_type=RECEIPT, content=True)) is Reason.CMS_CONTENT


# CMS2: signers


def test_CMS2_one_signer_is_taken(pki: Pki) -> None:
    assert is_taken(judge(pki, suzuki(pki), Signing(signers=1)))


def test_CMS2_two_signers_are_refused(pki: Pki) -> None:
    assert judge(pki, suzuki(pki), Signing(signers=2)) is Reason.SEVERAL_SIGNATURES


def test_CMS2_no_signer_is_refused(pki: Pki) -> None:
    assert judge(pki, suzuki(pki), Signing(signers=0)) is Reason.CMS_MALFORMED


# CMS3: algorithms


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("key", ["rsa2048", "rsa3072", "p256", "p384", "p521"])
def test_CMS3_strong_digests_and_keys_are_taken(pki: Pki, key: str, digest: str) -> None:
    assert is_taken(judge(pki, suzuki(pki, key), Signing(digest=digest)))


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_CMS3_pss_is_taken(pki: Pki, digest: str) -> None:
    assert is_taken(judge(pki, suzuki(pki, "rsa2048"), Signing(digest=digest, pss=True)))


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha224"])
def test_CMS3_a_weak_digest_is_refused(pki: Pki, digest: str) -> None:
    assert judge(pki, suzuki(pki, "rsa2048"), Signing(digest=digest)) is Reason.WEAK_DIGEST


def test_CMS3_a_weak_digest_in_the_signature_alone_is_refused(pki: Pki) -> None:
    person = suzuki(pki)
    signature = altered(person.sign_detached(ENTITY), set_algorithm("sha1_ecdsa"))
    assert pinned_keys(pki, person).verify_detached(ENTITY, signature, pki.now) is Reason.WEAK_DIGEST


def test_CMS3_two_digests_in_one_signature_are_refused(pki: Pki) -> None:
    person = suzuki(pki)
    signature = altered(person.sign_detached(ENTITY), set_algorithm("sha512_ecdsa"))
    assert pinned_keys(pki, person).verify_detached(ENTITY, signature, pki.now) is Reason.CMS_MALFORMED


def test_CMS3_pss_with_sha1_in_its_mask_is_refused(pki: Pki) -> None:
    how = Signing(pss=True, mgf_digest="sha1")
    assert judge(pki, suzuki(pki, "rsa2048"), how) is Reason.WEAK_DIGEST


def test_CMS3_pss_with_two_digests_is_refused(pki: Pki) -> None:
    how = Signing(pss=True, mgf_digest="sha512")
    assert judge(pki, suzuki(pki, "rsa2048"), how) is Reason.CMS_MALFORMED


def test_CMS3_an_rsa_key_does_not_answer_for_ecdsa(pki: Pki) -> None:
    person = suzuki(pki, "rsa2048")
    signature = altered(person.sign_detached(ENTITY), set_algorithm("sha256_ecdsa"))
    assert pinned_keys(pki, person).verify_detached(ENTITY, signature, pki.now) is Reason.BAD_SIGNATURE


def test_CMS3_another_kind_of_signature_is_refused(pki: Pki) -> None:
    person = suzuki(pki)
    signature = altered(person.sign_detached(ENTITY), set_algorithm("ed25519"))
    assert pinned_keys(pki, person).verify_detached(ENTITY, signature, pki.now) is Reason.WEAK_KEY


@pytest.mark.parametrize("key", ["rsa1024", "p224", "ed25519"])
def test_CMS3_a_weak_key_can_not_be_pinned(pki: Pki, key: str) -> None:
    with pytest.raises(RegisterFault, match="weak key"):
        pinned_keys(pki, suzuki(pki, key))


# CMS4: signed attributes

REQUIRED = ("content_type", "signing_time", "message_digest")


@pytest.mark.parametrize("order", [REQUIRED, tuple(reversed(REQUIRED))])
def test_CMS4_the_three_attributes_are_enough_in_any_order(pki: Pki, order: tuple[str, ...]) -> None:
    assert is_taken(judge(pki, suzuki(pki), Signing(attributes=order)))


def test_CMS4_what_is_signed_is_the_sorted_set_however_it_came(pki: Pki) -> None:
    person = suzuki(pki)
    signature = person.sign_detached(ENTITY)
    rows = cms.ContentInfo.load(signature)["content"]["signer_infos"][0]["signed_attrs"]
    backwards = b"".join(row.dump() for row in reversed(list(rows)))
    shuffled = signature.replace(rows.contents, backwards)
    assert shuffled != signature
    assert is_taken(pinned_keys(pki, person).verify_detached(ENTITY, shuffled, pki.now))


def test_CMS4_a_signature_without_attributes_is_refused(pki: Pki) -> None:
    assert judge(pki, suzuki(pki), Signing(attributes=None)) is Reason.SIGNED_ATTRIBUTES


@pytest.mark.parametrize("missing", REQUIRED)
def test_CMS4_each_of_the_three_must_be_there(pki: Pki, missing: str) -> None:
    how = Signing(attributes=tuple(name for name in REQUIRED if name != missing))
    assert judge(pki, suzuki(pki), how) is Reason.SIGNED_ATTRIBUTES


@pytest.mark.parametrize("doubled", REQUIRED)
def test_CMS4_none_may_be_there_twice(pki: Pki, doubled: str) -> None:
    assert judge(pki, suzuki(pki), Signing(attributes=(*REQUIRED, doubled))) is Reason.SIGNED_ATTRIBUTES


def test_CMS4_an_attribute_has_one_value(pki: Pki) -> None:
    assert judge(pki, suzuki(pki), Signing(repeated_values=True)) is Reason.SIGNED_ATTRIBUTES


def test_CMS4_another_attribute_may_be_there_but_not_twice(pki: Pki) -> None:
    assert is_taken(judge(pki, suzuki(pki), Signing(attributes=(*REQUIRED, "1.2.3.4"))))
    twice = Signing(attributes=(*REQUIRED, "1.2.3.4", "1.2.3.4"))
    assert judge(pki, suzuki(pki), twice) is Reason.SIGNED_ATTRIBUTES


def test_CMS4_the_content_type_attribute_must_be_data(pki: Pki) -> None:
    how = Signing(signed_content_type=RECEIPT)
    assert judge(pki, suzuki(pki), how) is Reason.SIGNED_ATTRIBUTES


def test_CMS4_other_bytes_than_the_signed_ones_are_refused(pki: Pki) -> None:
    person = suzuki(pki)
    keys, signature = pinned_keys(pki, person), person.sign_detached(ENTITY)
    assert keys.verify_detached(ENTITY + b"\r\n", signature, pki.now) is Reason.BAD_SIGNATURE


def test_CMS4_attributes_that_were_not_signed_are_refused(pki: Pki) -> None:
    person = suzuki(pki)

    def move_time(signed: cms.SignedData) -> None:
        for row in signed["signer_infos"][0]["signed_attrs"]:
            if row["type"].native == "signing_time":
                row["values"] = [cms.Time("utc_time", pki.now - DAY)]

    signature = altered(person.sign_detached(ENTITY), move_time)
    assert pinned_keys(pki, person).verify_detached(ENTITY, signature, pki.now) is Reason.BAD_SIGNATURE


# CMS5: who, and by whose word


def test_CMS5_a_key_that_nobody_pinned_is_refused(pki: Pki) -> None:
    other = pki.issue("tanaka", ADDRESS)
    keys = pinned_keys(pki, suzuki(pki))
    assert keys.verify_detached(ENTITY, other.sign_detached(ENTITY), pki.now) is Reason.UNKNOWN_KEY


def test_CMS5_a_signature_by_another_key_under_the_officers_name_is_refused(pki: Pki) -> None:
    person, other = suzuki(pki), pki.issue("tanaka", ADDRESS)
    forged = Person("suzuki", ADDRESS, other.key, person.certificate, person.chain)
    assert (
        pinned_keys(pki, person).verify_detached(ENTITY, forged.sign_detached(ENTITY), pki.now)
        is Reason.BAD_SIGNATURE
    )


@pytest.mark.parametrize("by_key_identifier", [False, True])
def test_CMS5_the_signer_may_be_named_in_both_ways(pki: Pki, by_key_identifier: bool) -> None:
    assert is_taken(judge(pki, suzuki(pki), Signing(by_key_identifier=by_key_identifier)))


@pytest.mark.parametrize("by_key_identifier", [False, True])
def test_CMS5_a_signer_who_is_named_as_nobody_is_unknown_though_the_key_fits(
    pki: Pki, by_key_identifier: bool
) -> None:
    person = suzuki(pki)
    signature = person.sign(ENTITY, Signing(by_key_identifier=by_key_identifier))
    extension = person.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    serial = person.certificate.serial_number
    name = (
        extension.value.digest
        if by_key_identifier
        else serial.to_bytes((serial.bit_length() + 7) // 8, "big")
    )
    # the certificate stands before it: its last place is the signer's name, which nobody signs
    place = signature.rindex(name) + len(name) - 1
    other = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
    keys = pinned_keys(pki, person)
    assert is_taken(keys.verify_detached(ENTITY, signature, pki.now))
    assert keys.verify_detached(ENTITY, other, pki.now) is Reason.UNKNOWN_KEY


def test_CMS5_a_mail_without_certificates_is_verified_with_the_registers_file(pki: Pki) -> None:
    person = suzuki(pki)
    how = Signing(own=False, chain=False)
    assert judge(pki, person, how) is Reason.UNTRUSTED_CERTIFICATE
    assert is_taken(judge(pki, person, how, with_chain=True))


def test_CMS5_a_renewed_certificate_of_the_same_key_needs_no_new_pin(pki: Pki) -> None:
    old = suzuki(pki, begin=pki.now - 400 * DAY, end=pki.now - 30 * DAY)
    new = suzuki(pki)
    keys = pinned_keys(pki, old)
    assert len(keys.warnings) == 1
    for how in (Signing(), Signing(by_key_identifier=True)):
        assert is_taken(keys.verify_detached(ENTITY, new.sign(ENTITY, how), pki.now))
    assert keys.verify_detached(ENTITY, old.sign_detached(ENTITY), pki.now) is Reason.EXPIRED_CERTIFICATE


def test_CMS5_a_root_that_is_not_configured_is_refused(pki: Pki, tmp_path: Path) -> None:
    other = make_pki(tmp_path / "other", pki.now)
    stranger = other.issue("suzuki", ADDRESS)
    root = other.root.certificate.public_bytes(Encoding.DER)
    assert judge(pki, stranger) is Reason.UNTRUSTED_CERTIFICATE
    assert judge(pki, stranger, Signing(certificates=(root,))) is Reason.UNTRUSTED_CERTIFICATE


def test_CMS5_a_certificate_right_below_the_root_is_taken(pki: Pki) -> None:
    assert is_taken(judge(pki, suzuki(pki, issuer=pki.root)))


def test_CMS5_three_cas_below_the_root_are_taken_and_four_are_not(pki: Pki) -> None:
    above = pki.root
    for depth in range(1, 5):
        above = pki.make_ca(f"CA {depth}", above)
        pki.publish(f"ca-{depth}", pki.crl(above))
        verdict = judge(pki, suzuki(pki, issuer=above))
        assert is_taken(verdict) if depth <= 3 else verdict is Reason.UNTRUSTED_CERTIFICATE


BAD_CAS: dict[str, dict[str, object]] = {
    "no CA": {"is_ca": False},
    "may not sign certificates": {"usage": ("crl_sign", "digital_signature")},
    "vouches for TLS only": {"purposes": (TLS,)},
    "has a weak key": {"key": "rsa1024"},
    "critical and unknown": {
        "extensions": [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    },
    "for other addresses": {
        "extensions": [(x509.NameConstraints([x509.RFC822Name("example.jp")], None), True)],
    },
}


@pytest.mark.parametrize("fault", BAD_CAS)
def test_CMS5_a_ca_that_may_not_vouch_is_refused(pki: Pki, fault: str) -> None:
    ca = pki.make_ca("bad", **BAD_CAS[fault])
    pki.publish("bad", pki.crl(ca))
    assert judge(pki, suzuki(pki, issuer=ca)) is Reason.UNTRUSTED_CERTIFICATE


def test_CMS5_a_ca_signed_with_sha1_is_refused(pki: Pki) -> None:
    good = pki.make_ca("of SHA-256")
    pki.publish("good", pki.crl(good))
    assert is_taken(judge(pki, suzuki(pki, issuer=good)))
    weak = asn1_x509.Certificate.load(good.certificate.public_bytes(Encoding.DER))
    weak["tbs_certificate"]["signature"] = weak["signature_algorithm"] = {"algorithm": "sha1_ecdsa"}
    to_sign = weak["tbs_certificate"].dump(force=True)
    weak["signature_value"] = pki.root.key.sign(to_sign, ec.ECDSA(hashes.SHA1()))
    certificate = x509.load_der_x509_certificate(weak.dump(force=True))
    assert (
        judge(pki, suzuki(pki, issuer=Ca(good.key, certificate, (certificate,))))
        is Reason.UNTRUSTED_CERTIFICATE
    )


def test_CMS5_a_ca_that_has_run_out_is_refused(pki: Pki) -> None:
    ca = pki.make_ca("old", end=pki.now - DAY)
    assert judge(pki, suzuki(pki, issuer=ca)) is Reason.UNTRUSTED_CERTIFICATE


def test_CMS5_a_ca_that_ran_out_since_was_good_then(pki: Pki) -> None:
    ca = pki.make_ca("old", end=pki.now - DAY)
    pki.publish("old", pki.crl(ca))
    person = suzuki(pki, issuer=ca)
    then = pki.now - 2 * DAY
    assert is_taken(
        pinned_keys(pki, person).verify_detached(ENTITY, person.sign_detached(ENTITY, at=then), then)
    )


def test_CMS5_a_ca_may_have_no_key_usage_be_for_mail_and_constrain_addresses(pki: Pki) -> None:
    names = x509.NameConstraints([x509.RFC822Name("example.ac.jp")], None)
    for how in (
        {"usage": None},
        {"purposes": (MAIL,)},
        {"purposes": (ALL,)},
        {"extensions": [(names, True)]},
    ):
        ca = pki.make_ca("good", **how)
        pki.publish("good", pki.crl(ca))
        assert is_taken(judge(pki, suzuki(pki, issuer=ca)))


def test_CMS5_path_length_holds(pki: Pki) -> None:
    upper = pki.make_ca("upper", path_length=0)
    lower = pki.make_ca("lower", upper)
    for ca in (upper, lower):
        pki.publish(ca.certificate.subject.rfc4514_string()[3:8], pki.crl(ca))
    assert is_taken(judge(pki, suzuki(pki, issuer=upper)))
    assert judge(pki, suzuki(pki, issuer=lower)) is Reason.UNTRUSTED_CERTIFICATE


def test_CMS5_the_address_may_stand_in_the_subject_alone(pki: Pki) -> None:
    assert is_taken(judge(pki, suzuki(pki, alternative_name=False)))


@pytest.mark.parametrize(
    ("purposes", "required", "allowed"),
    [
        ((MAIL,), True, True),
        ((MAIL, TLS), True, True),
        (None, False, True),
        ((ALL,), False, True),
        ((TLS,), False, False),
    ],
)
def test_CMS5_email_protection(
    pki: Pki, purposes: tuple[ObjectIdentifier, ...] | None, required: bool, allowed: bool
) -> None:
    person = suzuki(pki, purposes=purposes)
    for setting, taken in (("require", required), ("absent-allowed", allowed)):
        verdict = judge(pki, person, email_protection=setting)
        assert is_taken(verdict) if taken else verdict is Reason.CERTIFICATE_PURPOSE


@pytest.mark.parametrize(
    ("usage", "taken"),
    [
        (("digital_signature",), True),
        (("content_commitment",), True),
        (("digital_signature", "key_encipherment"), True),
        (("key_encipherment",), False),
        (None, False),
    ],
)
def test_CMS5_digital_signature_or_non_repudiation(
    pki: Pki, usage: tuple[str, ...] | None, taken: bool
) -> None:
    verdict = judge(pki, suzuki(pki, usage=usage))
    assert is_taken(verdict) if taken else verdict is Reason.CERTIFICATE_PURPOSE


def test_CMS5_a_ca_does_not_sign_mails(pki: Pki) -> None:
    person = suzuki(pki, extensions=[(x509.BasicConstraints(ca=True, path_length=None), True)])
    assert judge(pki, person) is Reason.CERTIFICATE_PURPOSE


def test_CMS5_a_certificate_serves_within_its_dates(pki: Pki) -> None:
    person = suzuki(pki, begin=pki.now - DAY, end=pki.now + DAY)
    keys = pinned_keys(pki, person)
    second = timedelta(seconds=1)
    signature = person.sign_detached(ENTITY, at=pki.now - 2 * DAY)

    def at(moment: datetime) -> Verified | Reason:
        return keys.verify_detached(ENTITY, signature, moment)

    assert is_taken(at(pki.now - DAY))
    assert is_taken(at(pki.now + DAY))
    assert at(pki.now - DAY - second) is Reason.EXPIRED_CERTIFICATE
    assert at(pki.now + DAY + second) is Reason.EXPIRED_CERTIFICATE


def test_CMS5_an_unknown_critical_extension_is_refused(pki: Pki) -> None:
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert is_taken(judge(pki, suzuki(pki, extensions=[(strange, False)])))
    assert judge(pki, suzuki(pki, extensions=[(strange, True)])) is Reason.UNTRUSTED_CERTIFICATE


def test_CMS5_strange_certificates_beside_the_officers_do_no_harm(pki: Pki) -> None:
    strange = core.Sequence.load(b"\x30\x03\x02\x01\x05").dump()
    person = suzuki(pki)
    other = pki.issue("tanaka", ADDRESS).der
    assert is_taken(judge(pki, person, Signing(certificates=(other, person.der))))
    assert is_taken(judge(pki, person, Signing(certificates=(strange,))))


# CMS8: the signer's clock


@pytest.mark.parametrize(("ahead", "taken"), [(-3650 * DAY, True), (60 * MINUTE, True), (61 * MINUTE, False)])
def test_CMS8_signing_time_at_most_an_hour_ahead(pki: Pki, ahead: timedelta, taken: bool) -> None:
    verdict = judge(pki, suzuki(pki), Signing(at=pki.now + ahead))
    assert is_taken(verdict) if taken else verdict is Reason.SIGNED_IN_FUTURE


def altered(der: bytes, alter: Callable[[cms.SignedData], None]) -> bytes:
    outer = cms.ContentInfo.load(der)
    alter(outer["content"])
    return outer.dump(force=True)


def set_algorithm(name: str) -> Callable[[cms.SignedData], None]:
    def alter(signed: cms.SignedData) -> None:
        signed["signer_infos"][0]["signature_algorithm"] = {"algorithm": name}

    return alter


def test_keys_of_two_officers_are_both_known(pki: Pki) -> None:
    people = [suzuki(pki), pki.issue("tanaka", "tanaka@example.ac.jp", "rsa2048")]
    keys: SmimeKeys = pinned_keys(pki, *people)
    for person in people:
        verified = keys.verify_detached(ENTITY, person.sign_detached(ENTITY), pki.now)
        assert isinstance(verified, Verified)
        assert verified.fingerprint == person.pin
