"""One suite for both systems: a mail that an officer's program signed, from its bytes to `Signature` (SM, ID, PGP3)."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bot.openpgp.keys import OfficerKeys
from bot.reading import Reader
from bot.smime.keys import SmimeFault, SmimeKeys
from handlers.incoming import IncomingMail, MailKey, Signature
from handlers.rules.reasons import Reason
from handlers.rules.register import Register
from handlers.rules.scheme import Scheme
from tests.bot.mail_building import FOOTER, HEADER, TEXT_PART, multipart
from tests.signers import MailSigner, SmimeSigner, openpgp_signer, register_of, wrap
from tests.smime_people import Pki, make_pki

KEY = MailKey("desk", "INBOX", 7, 42)
FROM_SUZUKI = HEADER.replace(b"officer@example.ac.jp", b"suzuki@example.ac.jp")


@dataclass(frozen=True)
class World:
    """`form`: how the signer's program writes; opaque has the entity inside the signature."""

    form: str
    signer: MailSigner
    stranger: MailSigner
    register: Register
    reader: Reader
    now: datetime

    def sign(self, entity: bytes, by: MailSigner | None = None) -> bytes:
        """The top entity of a mail."""
        signer = by or self.signer
        made = signer.opaque(entity) if self.form == "opaque" else signer.multipart_signed(entity)
        assert made is not None
        return made

    def mail(self, entity: bytes = TEXT_PART, by: MailSigner | None = None) -> bytes:
        return FROM_SUZUKI + self.sign(entity, by)

    def read(self, raw: bytes, reader: Reader | None = None) -> IncomingMail:
        return (reader or self.reader).read(raw, KEY, self.now)

    def signature(self, raw: bytes) -> Signature:
        mail = self.read(raw)
        assert mail.signature is not None, mail.signature_fault
        return mail.signature

    def fault(self, raw: bytes) -> Reason | None:
        mail = self.read(raw)
        assert mail.signature is None
        return mail.signature_fault


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = make_pki(tmp_path_factory.mktemp("pki"))
    made.publish_crls()
    return made


@pytest.fixture(scope="module", params=["openpgp", "smime", "opaque"])
def world(
    request: pytest.FixtureRequest,
    need: Callable[[str], str],
    pki: Pki,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("register")
    if request.param == "openpgp":
        need("gpg")
        with openpgp_signer() as signer, openpgp_signer("stranger") as stranger:
            register = register_of([signer], folder)
            keys = OfficerKeys.load(register, folder, folder / "rings")
            reader = Reader(register, keys, None, None, 9)
            yield World(request.param, signer, stranger, register, reader, datetime.now(UTC))
    else:
        people = [smime_signer(pki, name) for name in ("suzuki", "stranger")]
        register = register_of(people[:1], folder)
        reader = Reader(register, None, SmimeKeys.load(register, folder, pki.settings()), None, 9)
        yield World(request.param, *people, register, reader, datetime.now(UTC))


def smime_signer(pki: Pki, name: str) -> SmimeSigner:
    person = pki.issue(name, f"{name}@example.ac.jp")
    return SmimeSigner(name, person.address, person.certificate, person.key, person.chain)


def test_SM1_a_mail_signed_as_a_whole_is_the_officers(world: World) -> None:
    signature = world.signature(world.mail())
    assert (signature.scheme, signature.fingerprint) == (world.signer.scheme, world.signer.pin)
    assert (signature.institution, signature.officer) == ("testkikan", "suzuki")
    assert signature.content.text == "APPROVE\n"
    assert abs(signature.signed_at - world.now) < timedelta(minutes=5)


def test_what_verified_it_is_kept(world: World) -> None:
    signature = world.signature(world.mail())
    first = signature.materials[0]
    if world.signer.scheme is Scheme.OPENPGP:
        assert (first.name, first.data) == ("key.asc", world.signer.key_file[1])
        assert b"VALIDSIG" in signature.status
    else:
        names = [material.name for material in signature.materials]
        assert names == ["certificate.der", "issuer-1.der", "issuer-2.der", "crl-1.der", "crl-2.der"]
        assert b"sha256:" in signature.status


def test_SM1_a_signature_below_the_top_counts_for_nothing(world: World) -> None:
    for entity in (
        multipart(b"mixed", b"m", world.sign(TEXT_PART), FOOTER),
        multipart(b"mixed", b"m", FOOTER, world.sign(TEXT_PART)),
        multipart(b"mixed", b"m", world.sign(TEXT_PART)),
    ):
        assert world.fault(FROM_SUZUKI + entity) is Reason.PARTIAL_SIGNATURE


def test_SM2_one_changed_byte_breaks_it(world: World) -> None:
    if world.form == "opaque":
        raw = world.sign(TEXT_PART)
        head, _, body = raw.partition(b"\r\n\r\n")
        spoiled = base64.b64decode(body).replace(b"APPROVE\r\n", b"DECLINE\r\n")
        changed = head + b"\r\n\r\n" + base64.encodebytes(spoiled).replace(b"\n", b"\r\n")
    else:
        changed = world.sign(TEXT_PART).replace(b"APPROVE", b"DECLINE")
    assert world.fault(FROM_SUZUKI + changed) is Reason.BAD_SIGNATURE


def test_SM2_the_exact_signed_bytes_are_kept(world: World) -> None:
    part = (
        b"Content-type:text/plain;charset=us-ascii\r\nX-Long:  "
        + b"w " * 60
        + b"\r\n\tx\r\n\r\nAPPROVE \t\r\n\r\n"
    )
    content = world.signature(world.mail(part)).content
    assert content.signed_bytes == part
    assert content.signed_sha256 == hashlib.sha256(part).hexdigest()


def test_SM3_line_feeds_on_the_way_change_nothing(world: World) -> None:
    assert world.signature(world.mail().replace(b"\r\n", b"\n")).content.text == "APPROVE\n"


@pytest.mark.parametrize("bad", [b"\0", b"\r"])
def test_SM3_nul_and_a_bare_cr_in_the_signed_text_are_refused(world: World, bad: bytes) -> None:
    assert world.fault(world.mail(TEXT_PART + b"a" + bad + b"b\r\n")) is Reason.CONTROL_CHARACTER


def test_SM4_the_first_leaf_is_the_text(world: World) -> None:
    wrapped = multipart(b"mixed", b"m", multipart(b"alternative", b"n", TEXT_PART, FOOTER))
    assert world.signature(world.mail(wrapped)).content.text in ("APPROVE", "APPROVE\n")
    html = b"Content-Type: text/html\r\n\r\n<p>APPROVE</p>\r\n"
    assert world.signature(world.mail(html)).content.text_fault is Reason.HTML_ONLY


def test_SM4_a_signature_within_the_signature_is_refused(world: World) -> None:
    assert world.fault(world.mail(world.sign(TEXT_PART))) is Reason.NESTED_SIGNATURE


def test_SM5_what_was_signed_as_something_else_is_refused(world: World) -> None:
    assert world.fault(world.mail(b"tree 4b825dc\r\n\r\nAPPROVE\r\n")) is Reason.BROKEN_SIGNED_MAIL


def test_SM6_without_the_signature_there_is_no_officer(world: World) -> None:
    mail = world.read(FROM_SUZUKI + TEXT_PART)
    assert (mail.signature, mail.signature_fault, mail.refused_key) == (None, None, None)


def test_SM7_a_header_twice_is_refused(world: World) -> None:
    twice = b"Subject: a\r\nSubject: b\r\n" + TEXT_PART
    assert world.fault(world.mail(twice)) is Reason.DUPLICATE_HEADER
    assert world.read(b"Subject: x\r\n" + world.mail()).fault is Reason.DUPLICATE_HEADER


def test_SM8_an_encrypted_part_inside_is_refused_unopened(world: World) -> None:
    inside = b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nAAAA\r\n"
    assert world.fault(world.mail(multipart(b"mixed", b"m", TEXT_PART, inside))) is Reason.ENCRYPTED


def test_SM9_an_unknown_charset_is_not_read(world: World) -> None:
    part = TEXT_PART.replace(b"utf-8", b"unicode_escape")
    assert world.signature(world.mail(part)).content.text_fault is Reason.BAD_CHARSET


def test_ID1_a_good_signature_from_another_address_is_refused_and_its_owner_known(world: World) -> None:
    mail = world.read(world.mail().replace(b"From: suzuki@", b"From: tanaka@"))
    assert (mail.signature, mail.signature_fault) == (None, Reason.FROM_MISMATCH)
    assert mail.refused_key == world.signer.pin


def test_ID2_a_from_inside_that_differs_is_refused(world: World) -> None:
    part = b"From: tanaka@example.ac.jp\r\n" + TEXT_PART
    assert world.fault(world.mail(part)) is Reason.SIGNED_FROM_DIFFERS


def test_PGP3_a_key_that_nobody_registered_is_unknown(world: World) -> None:
    assert world.fault(world.mail(by=world.stranger)) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("since", "until", "reason"),
    [
        (0, None, None),
        (1, None, Reason.KEY_NOT_YET),
        (None, 0, None),
        (None, -1, Reason.KEY_RETIRED),
        (0, 0, None),
    ],
)
def test_the_registers_days_hold_to_their_last_second(
    world: World, since: int | None, until: int | None, reason: Reason | None
) -> None:
    """By people's calendar: half past midnight in Japan is yesterday in UTC."""
    now = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
    day = date(2026, 11, 23)
    days = {
        "since": None if since is None else day + timedelta(since),
        "until": None if until is None else day + timedelta(until),
    }
    mail = replace(world, now=max(now, world.now)).read(world.mail(), _with_days(world, days, now))
    assert mail.signature_fault is reason
    assert mail.refused_key == (world.signer.pin if reason else None)


def _with_days(world: World, days: dict[str, date | None], now: datetime) -> Reader:
    """The pin's days, moved along to when the test runs: the signature is of today."""
    offset = (max(now, world.now) + timedelta(hours=9)).date() - (now + timedelta(hours=9)).date()
    moved = {name: day and day + offset for name, day in days.items()}
    institution = world.register.institutions["testkikan"]
    officer = institution.officers[0]
    pins = {s.value: tuple(pin.model_copy(update=moved) for pin in getattr(officer, s.value)) for s in Scheme}
    changed = institution.model_copy(update={"officers": (officer.model_copy(update=pins),)})
    return replace(world.reader, register=Register({"testkikan": changed}, "f" * 64))


def test_a_system_that_is_not_configured_is_not_served(world: World) -> None:
    reader = replace(world.reader, openpgp=None, smime=None)
    assert world.read(world.mail(), reader).signature_fault is Reason.SCHEME_NOT_SERVED


def test_CMS1_a_detached_form_without_its_part_is_not_taken_for_an_opaque_one(
    pki: Pki, tmp_path: Path
) -> None:
    """An empty first part beside a signature that carries its content: nobody's program shows that text."""
    signer = smime_signer(pki, "suzuki")
    register = register_of([signer], tmp_path)
    reader = Reader(register, None, SmimeKeys.load(register, tmp_path, pki.settings()), None, 9)
    carrying = signer.opaque(TEXT_PART).partition(b"\r\n\r\n")[2]
    kind = b"application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64"
    raw = FROM_SUZUKI + wrap(b"", kind, carrying, b"sha-256")
    assert reader.read(raw, KEY, datetime.now(UTC)).signature_fault is Reason.BROKEN_SIGNED_MAIL


def test_CMS6_a_stale_list_keeps_the_mail_waiting(tmp_path: Path) -> None:
    pki = make_pki(tmp_path / "pki")
    pki.publish_crls(next_update=pki.now - timedelta(minutes=1))
    signer = smime_signer(pki, "suzuki")
    register = register_of([signer], tmp_path)
    reader = Reader(register, None, SmimeKeys.load(register, tmp_path, pki.settings()), None, 9)
    with pytest.raises(SmimeFault):
        reader.read(FROM_SUZUKI + signer.multipart_signed(TEXT_PART), KEY, datetime.now(UTC))
