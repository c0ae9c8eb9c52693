"""The cases of issuing, checking and deciding, each once at a tiny scale: that they measure what they say."""

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from bot.bench import checking, decision, peers
from bot.bench.bare import BareCa, check_all
from bot.bench.data import ec_key, ec_rows, fqdns, make_csr, tsv
from bot.bench.desk import BenchDesk, make_desk
from bot.bench.issuing import issue, stored
from bot.bench.office import SIGNER_APART, application_mail, open_bench_office
from bot.bench.result import BenchFault
from store.tables import Certificate
from store.transaction import open_store, reading

ROWS = 3
_DER = Encoding.DER


def test_what_is_issued_is_stored_whole_and_verifies(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "k", ca="rsa2048", more=SIGNER_APART)
    pairs = list(ec_rows(1, ROWS))
    issued = issue(desk, tsv([row for _, row in pairs]), ROWS)
    assert (issued.rows, stored(tmp_path / "k/d")) == (ROWS, (ROWS, 1))
    assert 0 < issued.signer < issued.cpu
    issuer = x509.load_pem_x509_certificate(desk.config.ca.certificate.read_bytes())
    certificates = _certificates(desk)
    for certificate in certificates:
        certificate.verify_directly_issued_by(issuer)
    assert [c.public_key() for c in certificates] == [request.public_key() for request, _ in pairs]


def test_rows_that_are_refused_are_no_figure(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "k", more=SIGNER_APART)
    [(_, row)] = ec_rows(1, 1)
    with pytest.raises(BenchFault, match="did not take"):
        issue(desk, tsv([row, row]), 2)


def test_the_bare_loop_makes_the_certificates_that_the_desk_makes(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "k", ca="rsa2048", more=SIGNER_APART)
    [(request, row)] = ec_rows(1, 1)
    issue(desk, row, 1)
    [ours] = _certificates(desk)
    ca = BareCa.open(desk.config)
    [der] = ca.sign_all([request], ours.not_valid_before_utc)
    bare = x509.load_der_x509_certificate(der)
    assert list(bare.extensions) == list(ours.extensions)
    assert (bare.subject, bare.issuer) == (ours.subject, ours.issuer)
    assert bare.not_valid_after_utc == ours.not_valid_after_utc


@pytest.mark.parametrize(("program", "run"), [("openssl", peers.openssl_ca), ("cfssl", peers.cfssl_serve)])
def test_other_programs_sign_the_same_requests(program: str, run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    desk = make_desk(tmp_path / "k", ca="rsa2048")
    requests = [make_csr(name, ec_key(1, n)) for n, name in enumerate(fqdns(1, ROWS))]
    seconds = run(tmp_path / "peer", BareCa.open(desk.config), requests)
    if shutil.which(program) is None:
        assert seconds is None
    else:
        assert seconds > 0


def test_a_bad_request_is_seen_by_rules_and_by_the_bare_check(tmp_path: Path) -> None:
    (good, row), (_, other) = ec_rows(1, 2)
    der = bytearray(good.public_bytes(_DER))
    der[-1] ^= 1
    assert check_all([good.public_bytes(_DER), bytes(der)]) == 1
    desk = make_desk(tmp_path / "k", more=SIGNER_APART)
    with open_bench_office(desk) as bench:
        assert checking.judge(bench, tsv([row, other])) == 2
        assert checking.judge(bench, tsv([row, row])) == 1


def test_what_a_decision_does_is_counted(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "k", more=SIGNER_APART)
    with open_bench_office(desk) as bench:
        bench.receive(application_mail(tsv([row for _, row in ec_rows(1, ROWS)])))
        mail = bench.approve()
        with decision.counted(bench) as counts:
            bench.receive(mail)
        assert counts == {"verifications": 1, "commits": 1}
        with decision.counted(bench) as counts:
            assert bench.office.certifier.certify_all(lambda: True) == ROWS
        assert counts == {"verifications": 1, "commits": 2}
        with decision.counted(bench) as counts:
            bench.read(mail)
            bench.read(mail)
        assert counts == {"verifications": 2, "commits": 0}


def _certificates(desk: BenchDesk) -> list[x509.Certificate]:
    engine = open_store(f"sqlite:///{desk.config_file.parent}/state/ringi.db")
    with reading(engine) as session:
        found = session.scalars(select(Certificate.der).order_by(Certificate.id)).all()
    engine.dispose()
    return [x509.load_der_x509_certificate(der) for der in found if der]
