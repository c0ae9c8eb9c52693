"""S/MIME and revocation lists: the threat CMS6, whose word a list is, and what a stale one does."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from bot.smime.keys import SmimeFault, SmimeKeys
from bot.verified import Verified
from handlers.rules.reasons import Reason
from tests.smime_people import DAY, ENTITY, Ca, Person, Pki, Signing, make_key, make_pki, pinned_keys

SECOND = timedelta(seconds=1)
URL = x509.UniformResourceIdentifier("http://crl.example.jp/smime.crl")
OTHER_URL = x509.UniformResourceIdentifier("http://crl.example.jp/other.crl")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path)


def judge(pki: Pki, person: Person, **settings: object) -> Verified | Reason:
    return verify(pinned_keys(pki, person, **settings), pki, person)


def verify(keys: SmimeKeys, pki: Pki, person: Person) -> Verified | Reason:
    return keys.verify_detached(ENTITY, person.sign_detached(ENTITY), pki.now)


def is_held(pki: Pki, person: Person, **settings: object) -> bool:
    with pytest.raises(SmimeFault) as fault:
        judge(pki, person, **settings)
    return fault.value.temporary


def suzuki(pki: Pki, **how: object) -> Person:
    return pki.issue("suzuki", "suzuki@example.ac.jp", **how)


def test_CMS6_fresh_lists_of_every_ca_are_enough(pki: Pki) -> None:
    pki.publish_crls()
    assert isinstance(judge(pki, suzuki(pki)), Verified)


def test_CMS6_a_revoked_officer_is_refused(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls(revoked=[person])
    assert judge(pki, person) is Reason.REVOKED_CERTIFICATE


def test_CMS6_a_revocation_after_the_signing_refuses_too(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls()
    keys = pinned_keys(pki, person)
    assert isinstance(verify(keys, pki, person), Verified)
    # judged again for the time of the decision, with a list that is younger than that
    pki.publish(
        "intermediate",
        pki.crl(revoked=[person], this_update=pki.now + DAY, next_update=pki.now + 8 * DAY),
    )
    assert verify(keys, pki, person) is Reason.REVOKED_CERTIFICATE


def test_CMS6_a_revoked_ca_is_refused(pki: Pki) -> None:
    pki.publish_crls(revoked=[pki.intermediate])
    assert judge(pki, suzuki(pki)) is Reason.REVOKED_CERTIFICATE


def test_CMS6_a_key_is_revoked_by_any_of_its_certificates(pki: Pki) -> None:
    old, new = suzuki(pki), suzuki(pki)
    pki.publish_crls(revoked=[old])
    keys = pinned_keys(pki, old)
    named_by_key = new.sign(ENTITY, Signing(by_key_identifier=True))
    assert keys.verify_detached(ENTITY, named_by_key, pki.now) is Reason.REVOKED_CERTIFICATE


def test_CMS6_a_thief_gets_no_other_certificate_for_a_revoked_key(pki: Pki) -> None:
    """Any CA below the roots may certify the stolen key for another name: the pinned certificate's word stands."""
    pinned, other_ca = suzuki(pki), pki.make_ca("Other CA")
    thief = pki.issue("thief", "thief@example.com", whose="suzuki", issuer=other_ca)
    pki.publish("other", pki.crl(other_ca))
    pki.publish_crls()
    keys = pinned_keys(pki, pinned, with_chain=True)
    assert thief.pin == pinned.pin
    assert isinstance(verify(keys, pki, thief), Verified)
    pki.publish_crls(revoked=[pinned])
    assert verify(keys, pki, thief) is Reason.REVOKED_CERTIFICATE


@pytest.mark.parametrize("missing", ["root", "intermediate"])
def test_CMS6_a_missing_list_holds_the_mail(pki: Pki, missing: str) -> None:
    pki.publish_crls()
    (pki.crl_dir / f"{missing}.crl").unlink()
    person = suzuki(pki)
    assert is_held(pki, person)
    soft = judge(pki, person, crl="soft-fail")
    assert isinstance(soft, Verified)
    assert b"crl missing\n" in soft.status


def test_CMS6_no_directory_of_lists_holds_the_mail(pki: Pki) -> None:
    assert is_held(pki, suzuki(pki))


def test_CMS6_a_list_holds_until_its_next_update_and_not_longer(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls(next_update=pki.now)
    assert isinstance(judge(pki, person), Verified)
    pki.publish_crls(next_update=pki.now - SECOND)
    assert is_held(pki, person)
    soft = judge(pki, person, crl="soft-fail")
    assert isinstance(soft, Verified)
    assert soft.status.count(b"crl stale ") == 2


def test_CMS6_a_stale_list_still_knows_whom_it_revoked(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls(revoked=[person], next_update=pki.now - DAY, this_update=pki.now - 8 * DAY)
    for setting in ("require", "soft-fail"):
        assert judge(pki, person, crl=setting) is Reason.REVOKED_CERTIFICATE


def test_CMS6_the_newest_of_several_lists_counts(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls()
    pki.publish("a-old", pki.crl(this_update=pki.now - 2 * DAY))
    pki.publish("z-new", pki.crl(this_update=pki.now - SECOND, revoked=[person]))
    assert judge(pki, person) is Reason.REVOKED_CERTIFICATE


def test_CMS6_a_new_list_is_read_without_a_restart(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls()
    keys = pinned_keys(pki, person)
    assert isinstance(verify(keys, pki, person), Verified)
    pki.publish("intermediate", pki.crl(revoked=[person]))
    assert verify(keys, pki, person) is Reason.REVOKED_CERTIFICATE


def test_CMS6_a_list_in_pem_is_read(pki: Pki) -> None:
    pki.publish_crls()
    crl = x509.load_der_x509_crl(pki.crl())
    pki.publish("intermediate", b"\n" + crl.public_bytes(Encoding.PEM))
    assert isinstance(judge(pki, suzuki(pki)), Verified)


# what is no list of this CA for this certificate is as if it weren't there: the mail waits


def test_CMS6_a_list_that_the_ca_did_not_sign_is_not_taken(pki: Pki) -> None:
    person = suzuki(pki)
    pki.publish_crls()
    pki.publish("intermediate", pki.crl(key=make_key("p256"), revoked=[person]))
    assert is_held(pki, person)


def test_CMS6_a_list_of_another_ca_is_not_taken(pki: Pki, tmp_path: Path) -> None:
    other = make_pki(tmp_path / "other", pki.now)
    pki.publish_crls()
    pki.publish("intermediate", other.crl())
    assert is_held(pki, suzuki(pki))


def test_CMS6_a_list_signed_with_sha1_or_damaged_is_not_taken(pki: Pki) -> None:
    pki.publish_crls()
    good = pki.crl()
    for bad in (b"", good[:-1], good[:-1] + bytes([good[-1] ^ 1]), b"-----BEGIN X509 CRL-----\n"):
        pki.publish("intermediate", bad)
        assert is_held(pki, suzuki(pki))


def test_CMS6_a_ca_that_may_not_sign_lists_does_not(pki: Pki) -> None:
    pki.publish_crls()
    for usage, taken in ((("key_cert_sign",), False), (("key_cert_sign", "crl_sign"), True), (None, True)):
        ca = pki.make_ca("other", usage=usage)
        pki.publish("other", pki.crl(ca))
        person = suzuki(pki, issuer=ca)
        assert isinstance(judge(pki, person), Verified) if taken else is_held(pki, person)


def scope(**changes: object) -> x509.IssuingDistributionPoint:
    nothing = dict.fromkeys(
        (
            "only_contains_user_certs",
            "only_contains_ca_certs",
            "indirect_crl",
            "only_contains_attribute_certs",
        ),
        False,
    )
    names = dict.fromkeys(("full_name", "relative_name", "only_some_reasons"))
    return x509.IssuingDistributionPoint(**{**nothing, **names, **changes})


NARROW: dict[str, x509.ExtensionType] = {
    "delta": x509.DeltaCRLIndicator(1),
    "indirect": scope(indirect_crl=True),
    "users only": scope(only_contains_user_certs=True),
    "CAs only": scope(only_contains_ca_certs=True),
    "attribute certificates": scope(only_contains_attribute_certs=True),
    "some reasons": scope(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})),
    "another point": scope(full_name=[OTHER_URL]),
    "unknown and critical": x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
}


@pytest.mark.parametrize("kind", NARROW)
def test_CMS6_a_list_that_does_not_speak_for_all_is_not_taken(pki: Pki, kind: str) -> None:
    pki.publish_crls()
    points = x509.CRLDistributionPoints([x509.DistributionPoint([URL], None, None, None)])
    person = suzuki(pki, extensions=[(points, False)])
    pki.publish("intermediate", pki.crl(extensions=[(NARROW[kind], True)]))
    assert is_held(pki, person)


def test_CMS6_a_list_for_the_certificates_own_point_is_taken(pki: Pki) -> None:
    pki.publish_crls()
    points = x509.CRLDistributionPoints([x509.DistributionPoint([URL], None, None, None)])
    pki.publish("intermediate", pki.crl(extensions=[(scope(full_name=[URL]), True)]))
    assert isinstance(judge(pki, suzuki(pki, extensions=[(points, False)])), Verified)
    assert is_held(pki, suzuki(pki))


def test_CMS6_a_list_with_an_unknown_extension_that_is_not_critical_is_taken(pki: Pki) -> None:
    pki.publish_crls()
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    pki.publish("intermediate", pki.crl(extensions=[(strange, False)]))
    assert isinstance(judge(pki, suzuki(pki)), Verified)


def test_CMS6_a_delta_that_does_not_call_itself_critical_is_not_taken(pki: Pki) -> None:
    pki.publish_crls()
    pki.publish("intermediate", pki.crl(extensions=[(x509.DeltaCRLIndicator(1), False)]))
    assert is_held(pki, suzuki(pki))


def test_CMS6_a_list_under_another_name_is_not_taken(pki: Pki) -> None:
    pki.publish_crls()
    other = Ca(pki.intermediate.key, pki.make_ca("other").certificate)
    pki.publish("intermediate", pki.crl(other))
    assert is_held(pki, suzuki(pki))


def test_CMS6_an_anchor_needs_no_list(pki: Pki) -> None:
    pki.ca_file.write_bytes(pki.intermediate.certificate.public_bytes(Encoding.PEM))
    pki.publish("intermediate", pki.crl())
    assert isinstance(judge(pki, suzuki(pki)), Verified)


def test_CMS6_a_list_that_can_not_be_read_is_as_a_missing_one(pki: Pki) -> None:
    pki.publish_crls()
    (pki.crl_dir / "intermediate.crl").unlink()
    (pki.crl_dir / "intermediate.crl").mkdir()
    os.symlink("nowhere", pki.crl_dir / "dead.crl")
    assert is_held(pki, suzuki(pki))
