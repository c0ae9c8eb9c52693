"""The benchmark's case of revocation lists, at a tiny scale: what it times is a list with as many entries."""

from pathlib import Path

from cryptography import x509

from bot.bench import revocations
from bot.bench.desk import make_desk
from bot.ca.local import LocalCa
from bot.config import read_passphrase
from bot.signer.revoking import Revoking
from bot.wiring import utc_now
from store import signer_ledger as ledger


def test_a_ledger_with_so_many_revocations_makes_a_list_with_as_many_and_one(tmp_path: Path) -> None:
    config = make_desk(tmp_path / "k").config
    ca = LocalCa.open(config.ca, read_passphrase(config.ca))
    once, idle, size = revocations._one_more(ca, tmp_path / "ledger.db", 120)
    assert once > idle > 0
    made = Revoking(ledger.open_ledger(tmp_path / "ledger.db"), ca, 7).newest_list(utc_now())
    assert (made.number, len(made.der)) == (2, size)
    listed = x509.load_der_x509_crl(made.der)
    assert [one.serial_number for one in listed] == [(1 << 95) + n for n in range(121)]
    assert listed.is_signature_valid(x509.load_der_x509_certificate(ca.chain()[0]).public_key())  # type: ignore[arg-type]
