"""The revocation list as relying parties see it: judged by OpenSSL, numbered, fresh, and served."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.ca.local import LocalCa
from bot.ca.making import KeyKind
from bot.ca.protocol import CaFault, IssueOrder, Revoked
from bot.config import Ca as CaSettings
from handlers.refreeze import refreeze_changed
from store import applications, crls
from store.states import Kind
from store.tables import Application
from store.transaction import reading, writing
from tests.applications import NOW, TANAKA, policies
from tests.revocations import RevocationDesk, open_ca, open_desk, revoke_line
from tests.web_world import serving

SERIAL = 2**95 + 7
WEEK = timedelta(days=7)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RevocationDesk]:
    opened = open_desk(tmp_path)
    yield opened
    opened.world.engine.dispose()


def a_list(ca: LocalCa, *revoked: Revoked, number: int = 1) -> x509.CertificateRevocationList:
    der = ca.crl(revoked, number=number, this_update=NOW, next_update=NOW + WEEK)
    return x509.load_der_x509_crl(der)


def serials(desk: RevocationDesk) -> set[int]:
    return {each.serial_number for each in x509.load_der_x509_crl(desk.newest()[1])}


def number_in(der: bytes) -> int:
    return x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@pytest.mark.parametrize("key", ["rsa2048", "p256", "p384"])
def test_openssl_reads_and_verifies_the_list(
    tmp_path: Path, key: KeyKind, need: Callable[[str], str]
) -> None:
    ca = open_ca(tmp_path, key)
    der = ca.crl((Revoked(SERIAL, NOW, 1),), number=12, this_update=NOW, next_update=NOW + WEEK)
    (tmp_path / "ca.crl").write_bytes(der)
    command = [need("openssl"), "crl", "-inform", "DER", "-in", str(tmp_path / "ca.crl"), "-noout", "-text"]
    done = subprocess.run(
        [*command, "-verify", "-CAfile", str(tmp_path / "ca.pem")], capture_output=True, text=True, check=True
    )
    assert "verify OK" in done.stderr
    for part in ("Version 2 (0x1)", "X509v3 CRL Number", "Key Compromise", f"{SERIAL:X}"):
        assert part in done.stdout
    assert ("sha384" if key == "p384" else "sha256") in done.stdout.lower()


@pytest.mark.parametrize("key", ["rsa2048", "p384"])
def test_openssl_refuses_the_revoked_certificate_and_no_other(
    tmp_path: Path, key: KeyKind, need: Callable[[str], str]
) -> None:
    desk = open_desk(tmp_path, key)
    gone, good = desk.issue(), desk.issue("test2.example.ac.jp")
    desk.ask(revoke_line(gone))
    assert desk.round() == 1
    (tmp_path / "ca.crl").write_bytes(desk.newest()[1])

    def judge(serial: int) -> subprocess.CompletedProcess[str]:
        leaf = x509.load_der_x509_certificate(desk.leaf(serial)).public_bytes(Encoding.PEM)
        (tmp_path / "leaf.pem").write_bytes(leaf)
        crl = ["-crl_check", "-CRLfile", str(tmp_path / "ca.crl")]
        moment = ["-attime", str(int((NOW + timedelta(hours=1)).timestamp()))]
        command = [need("openssl"), "verify", "-CAfile", str(tmp_path / "ca.pem"), *crl, *moment]
        return subprocess.run(
            [*command, str(tmp_path / "leaf.pem")], capture_output=True, text=True, check=False
        )

    assert judge(good).returncode == 0
    refused = judge(gone)
    assert refused.returncode == 2
    assert "certificate revoked" in refused.stderr
    desk.world.engine.dispose()


def test_the_list_says_what_rfc_5280_asks_for(tmp_path: Path) -> None:
    ca = open_ca(tmp_path)
    reasons = {1: "key_compromise", 3: "affiliation_changed", 4: "superseded", 5: "cessation_of_operation"}
    found = a_list(ca, *(Revoked(SERIAL + r, NOW, r) for r in (0, *reasons)), number=2**40)
    issuer = x509.load_der_x509_certificate(ca.chain()[0])
    assert found.issuer == issuer.subject
    assert (found.last_update_utc, found.next_update_utc) == (NOW, NOW + WEEK)
    assert {e.oid._name: e.critical for e in found.extensions} == {
        "cRLNumber": False,
        "authorityKeyIdentifier": False,
    }
    named = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert named == issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2**40
    said = {e.serial_number - SERIAL: [x.value.reason.name for x in e.extensions] for e in found}
    assert said == {0: []} | {r: [name] for r, name in reasons.items()}
    assert {e.revocation_date_utc for e in found} == {NOW}


def test_an_empty_list_has_no_empty_sequence(tmp_path: Path, need: Callable[[str], str]) -> None:
    ca = open_ca(tmp_path)
    (tmp_path / "ca.crl").write_bytes(ca.crl((), number=1, this_update=NOW, next_update=NOW + WEEK))
    command = [need("openssl"), "crl", "-inform", "DER", "-in", str(tmp_path / "ca.crl"), "-noout", "-text"]
    assert (
        "No Revoked Certificates."
        in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )


@pytest.mark.parametrize(
    ("revoked", "number"),
    [
        (Revoked(SERIAL, NOW, 2), 1),
        (Revoked(SERIAL, NOW, 6), 1),
        (Revoked(SERIAL, NOW, 8), 1),
        (Revoked(0, NOW, 1), 1),
        (Revoked(2**160, NOW, 1), 1),
        (Revoked(SERIAL, NOW.replace(year=1949), 1), 1),
    ],
)
def test_what_can_not_stand_in_a_list_is_a_fault(tmp_path: Path, revoked: Revoked, number: int) -> None:
    with pytest.raises(CaFault) as caught:
        a_list(open_ca(tmp_path), revoked, number=number)
    assert not caught.value.temporary


def test_a_list_that_ends_before_it_begins_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(CaFault, match="can't be made"):
        open_ca(tmp_path).crl((), number=1, this_update=NOW, next_update=NOW - WEEK)


def without_crl_sign(folder: Path) -> LocalCa:
    """A CA whose certificate may sign certificates only."""
    ca = open_ca(folder)
    key, old = ca._key, x509.load_der_x509_certificate(ca.chain()[0])
    usage = old.extensions.get_extension_for_class(x509.KeyUsage).value
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    flags = {name: getattr(usage, name) for name in names}
    certificate = (
        x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), 5)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=3000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False, **flags
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ca.key").write_bytes(pem)
    return LocalCa.open(CaSettings(key=folder / "ca.key", certificate=folder / "ca.pem"), None, now=NOW)


def test_a_ca_that_may_not_sign_lists_says_so(tmp_path: Path) -> None:
    with pytest.raises(CaFault, match="cRLSign"):
        a_list(without_crl_sign(tmp_path))


def test_a_first_list_is_there_before_anything_is_revoked(desk: RevocationDesk) -> None:
    assert desk.round() == 0
    number, der = desk.newest()
    assert number == number_in(der) == 1
    assert serials(desk) == set()
    assert desk.round() == 0
    assert desk.newest()[0] == 1


def test_a_round_revokes_on_a_new_list_and_tells(desk: RevocationDesk) -> None:
    desk.round()
    serial = desk.issue()
    number = desk.ask(revoke_line(serial, c5="1"))
    desk.wait(hours=1)
    assert desk.round() == 1
    assert desk.world.states(number) == ["revoked"]
    assert desk.revoked() == {serial: (NOW + timedelta(hours=1), 1)}
    assert desk.newest()[0] == number_in(desk.newest()[1]) == 2
    (entry,) = x509.load_der_x509_crl(desk.newest()[1])
    assert (entry.serial_number, entry.revocation_date_utc) == (serial, NOW + timedelta(hours=1))
    assert [n.letter.template for n in desk.notices] == [
        "applicant.revoked",
        "officer.revoked",
        "officer.revoked",
    ]
    assert desk.round() == 0
    assert len(desk.notices) == 3
    assert desk.events()[-3:] == ["intended", "crl", "revoked"]


def test_earlier_revocations_stay_as_they_were(desk: RevocationDesk) -> None:
    first, second = desk.issue(), desk.issue("test2.example.ac.jp")
    desk.ask(revoke_line(first, c5="5"))
    desk.round()
    desk.wait(hours=5)
    desk.ask(revoke_line(second, "test2.example.ac.jp"))
    desk.round()
    found = x509.load_der_x509_crl(desk.newest()[1])
    entry = found.get_revoked_certificate_by_serial_number(first)
    assert entry is not None
    assert entry.revocation_date_utc == NOW
    assert entry.extensions[0].value.reason.name == "cessation_of_operation"
    assert serials(desk) == {first, second}


def test_a_list_is_renewed_when_less_than_half_is_left(desk: RevocationDesk) -> None:
    desk.round()
    desk.world.now = NOW + WEEK / 2
    desk.round()
    assert desk.newest()[0] == 1
    desk.wait(seconds=1)
    desk.round()
    number, der = desk.newest()
    assert number == number_in(der) == 2
    found = x509.load_der_x509_crl(der)
    assert found.last_update_utc == desk.world.now
    assert found.next_update_utc == desk.world.now + WEEK


def test_the_days_of_a_list_can_be_set(desk: RevocationDesk) -> None:
    desk.round(crl_days=2)
    assert x509.load_der_x509_crl(desk.newest()[1]).next_update_utc == NOW + timedelta(days=2)


def test_between_two_lists_revocations_are_gathered(desk: RevocationDesk) -> None:
    gone = [desk.issue(f"test{n}.example.ac.jp") for n in range(1, 4)]
    desk.between = timedelta(minutes=10)
    assert desk.round() == 0
    first = desk.newest()[0]
    numbers = [desk.ask(revoke_line(gone[n], f"test{n + 1}.example.ac.jp")) for n in range(2)]
    desk.world.now += timedelta(minutes=9, seconds=59)
    assert desk.round() == 0
    assert (desk.newest()[0], [desk.world.states(n) for n in numbers]) == (first, [["approved"]] * 2)
    assert not desk.notices
    desk.world.now += timedelta(seconds=1)
    assert desk.round() == 2
    assert (desk.newest()[0], serials(desk)) == (first + 1, set(gone[:2]))


def test_a_compromised_key_does_not_wait_and_takes_the_others_along(desk: RevocationDesk) -> None:
    gone = [desk.issue(f"test{n}.example.ac.jp") for n in range(1, 3)]
    desk.between = timedelta(minutes=10)
    assert desk.round() == 0
    desk.ask(revoke_line(gone[0]))
    assert desk.round() == 0
    desk.ask(revoke_line(gone[1], "test2.example.ac.jp", c5="1"))
    assert desk.round() == 2
    assert serials(desk) == set(gone)


def test_a_clock_that_was_set_back_holds_no_revocation(desk: RevocationDesk) -> None:
    gone = desk.issue()
    desk.between = timedelta(minutes=10)
    assert desk.round() == 0
    desk.ask(revoke_line(gone))
    desk.world.now -= timedelta(hours=1)
    assert desk.round() == 1


def test_a_list_from_a_clock_that_ran_ahead_is_replaced(desk: RevocationDesk) -> None:
    desk.wait(days=100)
    desk.round()
    desk.wait(days=-100)
    desk.round()
    number, der = desk.newest()
    assert (number, x509.load_der_x509_crl(der).last_update_utc) == (2, NOW)


def test_another_key_of_the_ca_gets_its_own_list_under_the_next_number(
    desk: RevocationDesk, tmp_path: Path
) -> None:
    old = desk.issue()
    desk.ask(revoke_line(old))
    desk.round()
    (tmp_path / "new").mkdir()
    other = open_ca(tmp_path / "new")
    desk.round(other)
    number, der = desk.newest()
    key = x509.load_der_x509_certificate(other.chain()[0]).public_key()
    found = x509.load_der_x509_crl(der)
    assert found.is_signature_valid(key)  # type: ignore[arg-type]
    assert (number, len(found)) == (2, 0)


def test_an_entry_leaves_only_after_a_list_has_shown_it_beyond_its_certificates_end(
    desk: RevocationDesk,
) -> None:
    serial = desk.issue()
    desk.ask(revoke_line(serial))
    desk.round()
    end = x509.load_der_x509_certificate(desk.leaf(serial)).not_valid_after_utc
    shown_after_end, gone_at = 0, None
    # once through an idle year, then day by day
    desk.world.now = end - timedelta(days=1)
    for _ in range(40):
        desk.round()
        found = x509.load_der_x509_crl(desk.newest()[1])
        if found.last_update_utc > end and serial in serials(desk):
            shown_after_end += 1
        if gone_at is None and serial not in serials(desk):
            gone_at = desk.world.now
        desk.wait(days=1)
    assert shown_after_end
    assert gone_at is not None
    assert gone_at > end + WEEK


@dataclass(frozen=True)
class CutOff:
    """A CA that a crash or an outage meets: `crl` signs, then raises."""

    ca: LocalCa
    error: BaseException

    @property
    def issuer(self) -> str:
        return self.ca.issuer

    def chain(self) -> tuple[bytes, ...]:
        return self.ca.chain()

    def issue(self, order: IssueOrder) -> bytes:
        return self.ca.issue(order)

    @property
    def not_after(self) -> datetime:
        return self.ca.not_after

    def crl(self, revoked: object, *, number: int, this_update: datetime, next_update: datetime) -> bytes:
        self.ca.crl(revoked, number=number, this_update=this_update, next_update=next_update)  # type: ignore[arg-type]
        raise self.error


def test_a_crash_after_signing_ends_in_one_revocation(desk: RevocationDesk) -> None:
    desk.round()
    serial = desk.issue()
    number = desk.ask(revoke_line(serial))
    with pytest.raises(KeyboardInterrupt):
        desk.round(CutOff(desk.ca, KeyboardInterrupt()))
    assert desk.world.states(number) == ["signing"]
    assert (desk.revoked(), desk.notices, desk.newest()[0]) == ({}, [], 1)
    desk.wait(minutes=5)
    assert desk.round() == 1
    assert desk.round() == 0
    # the signer wrote it down the first time
    assert desk.revoked() == {serial: (NOW, 4)}
    assert serials(desk) == {serial}
    assert len(desk.notices) == 3


def test_a_crash_while_recording_stores_neither_list_nor_revocation(
    desk: RevocationDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.round()
    number = desk.ask(revoke_line(desk.issue()))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(desk, "queue", lambda _session, notices, _now: crash() if notices else None)
        with pytest.raises(KeyboardInterrupt):
            desk.round()
    assert (desk.world.states(number), desk.revoked(), desk.newest()[0]) == (["signing"], {}, 1)
    assert desk.round() == 1
    assert desk.newest()[0] == 2


@pytest.mark.parametrize("is_temporary", [False, True])
def test_a_ca_that_can_not_sign_loses_no_revocation_and_is_heard_of(
    desk: RevocationDesk, is_temporary: bool
) -> None:
    serial = desk.issue()
    number = desk.ask(revoke_line(serial))
    revoker = desk.revoker(CutOff(desk.ca, CaFault("the token is away", temporary=is_temporary)))
    for _ in range(3):
        assert revoker.revoke_all(lambda: True) == 0
        heard = revoker.signer.heard.take()
        assert heard.fault is not None
        assert (str(heard.fault), heard.fault.temporary) == ("the token is away", is_temporary)
    assert desk.world.states(number) == ["signing"]
    revoker = desk.revoker()
    assert revoker.revoke_all(lambda: True) == 1
    heard = revoker.signer.heard.take()
    assert (heard.fault, heard.answers > 0) == (None, True)
    assert serials(desk) == {serial}


def test_PGP5_a_signature_that_fails_after_the_intent_revokes_nothing(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    desk.plan(number)
    desk.reads = False
    assert desk.round() == 0
    assert desk.world.states(number) == ["failed"]
    assert (serials(desk), desk.revoked()) == (set(), {})


def test_a_refused_row_beside_a_good_one_ends_in_the_same_round(desk: RevocationDesk) -> None:
    first, second = desk.issue(), desk.issue("test2.example.ac.jp")
    bad = desk.ask(revoke_line(first))
    desk.plan(bad)
    with writing(desk.world.engine) as session:
        session.get_one(Application, bad).entries[0].comment = "changed"
    good = desk.ask(revoke_line(second, "test2.example.ac.jp"))
    assert desk.round() == 1
    assert (desk.world.states(bad), desk.world.states(good)) == (["failed"], ["revoked"])
    assert serials(desk) == {second}


def test_a_service_that_is_told_to_stop_signs_nothing(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    assert desk.revoker().revoke_all(lambda: False) == 0
    assert desk.world.states(number) == ["approved"]
    with reading(desk.world.engine) as session:
        assert crls.newest(session) is None


def test_revocations_never_wait_for_a_certificate(desk: RevocationDesk) -> None:
    number = desk.ask(revoke_line(desk.issue()))
    with reading(desk.world.engine) as session:
        for kinds, waiting in (((Kind.ISSUE, Kind.RENEW), []), ((Kind.REVOKE,), [number])):
            found = applications.with_approved_entries(session, 20, kinds)
            assert [application.number for application in found] == waiting


def test_the_newest_list_is_served(tmp_path: Path) -> None:
    with serving(tmp_path) as site, site.client() as client:
        missing = client.get("/ca.crl")
        assert missing.status_code == 404
        assert missing.headers["content-type"].startswith("text/plain")
        with site.issued.writing() as ctx:
            for number in (9, 10, 2):
                crls.add(ctx.session, number, NOW, NOW + WEEK, b"list %d" % number)
        answer = client.get("/ca.crl")
        assert (answer.status_code, answer.content) == (200, b"list 10")
        assert answer.headers["content-type"] == "application/pkix-crl"
        assert client.head("/ca.crl").status_code == 200
        assert client.post("/ca.crl").status_code == 404


@pytest.mark.parametrize("when", ["before the intent", "after it"])
def test_CMS6_a_revocation_that_cannot_be_judged_now_keeps_no_other_waiting(
    desk: RevocationDesk, when: str
) -> None:
    first, second = desk.issue(), desk.issue("test2.example.ac.jp")
    held = desk.ask(revoke_line(first), line=None)
    desk.decide("失効承認", held, "tanaka", TANAKA)
    if when == "after it":
        desk.plan(held)
    desk.unjudged = {"tanaka"}
    desk.ask(revoke_line(second, "test2.example.ac.jp"))
    assert desk.round() == 1
    assert set(desk.revoked()) == {second}
    desk.unjudged = set()
    assert desk.round() == 1
    assert set(desk.revoked()) == {first, second}


def test_a_row_revoked_before_the_sheet_was_frozen_anew_stops_no_other(desk: RevocationDesk) -> None:
    first, second = desk.issue(), desk.issue("test2.example.ac.jp")
    lines = (revoke_line(first), revoke_line(second, "test2.example.ac.jp"))
    number = desk.ask(*lines, line="失効承認 1")
    assert desk.round() == 1
    desk.world.change_institution(policies=policies(approvals=2))
    with writing(desk.world.engine) as session:
        assert refreeze_changed(desk.world.context(session))
    desk.decide("失効承認", number)
    desk.decide("失効承認", number, "tanaka", TANAKA)
    assert desk.round() == 1
    assert desk.world.states(number) == ["revoked", "revoked"]
