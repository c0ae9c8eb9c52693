"""A revocation list of 100,000 entries: to sign it, and what a single revocation costs beside so many."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import Engine, insert

from bot.bench.desk import make_desk
from bot.bench.result import Figure, Ratio, Result, Setting
from bot.ca.local import CaKey, LocalCa
from bot.ca.protocol import Revoked
from bot.config import Config, read_passphrase
from bot.signer.revoking import Revoking
from bot.wiring import utc_now
from store import signer_ledger as ledger
from store.transaction import writing

_FIRST = 1 << 95  # serials are as long as real ones
_AT_ONCE = 10_000
_BARE = 10_000  # entries that the bare builder is given one by one: it copies the list each time


def measure(setting: Setting) -> Result:
    few, many = (1_000, 10_000) if setting.is_quick else (10_000, 100_000)
    config = make_desk(setting.place, ca="rsa2048").config
    ca = LocalCa.open(config.ca, read_passphrase(config.ca))
    bare = [_bare(config, count) for count in (_BARE // 2, _BARE)]
    setting.tell(f"signing lists of {few:,} and {many:,}")
    small, large = (min(_sign(ca, count) for _ in range(3)) for count in (few, many))
    setting.tell(f"a ledger with {many:,} revocations")
    once, idle, size = _one_more(ca, setting.place / "ledger.db", many)
    figures = (
        Figure(f"list_entry_{few}", 1e6 * small / few, "µs"),
        Figure(f"list_entry_{many}", 1e6 * large / many, "µs"),
        Figure(f"bare_entry_{_BARE}", 1e6 * bare[1] / _BARE, "µs"),
        Figure(f"bare_entry_cost_of_{_BARE}_by_{_BARE // 2}", bare[1] / bare[0] / 2, "times"),
        Figure(f"list_bytes_{many}", size / 1e6, "MB"),
        # a round with revocations costs this once, however many they are
        Figure(f"one_revocation_beside_{many}", 1000 * once, "ms CPU"),
        Figure(f"no_revocation_beside_{many}", 1000 * idle, "ms CPU"),
    )
    linear = Ratio("list_entry_cost_ratio", (large / many) / (small / few), 1.5, is_floor=False)
    return Result("revocations", figures, (linear,))


def _revoked(count: int, at: datetime) -> list[Revoked]:
    return [Revoked(_FIRST + n, at, 4) for n in range(count)]


def _sign(ca: LocalCa, count: int) -> float:
    now = utc_now()
    revoked, begin = _revoked(count, now), time.process_time()
    der = ca.crl(revoked, number=1, this_update=now, next_update=now + timedelta(days=7))
    spent = time.process_time() - begin
    assert len(x509.load_der_x509_crl(der)) == count
    return spent


def _bare(config: Config, count: int) -> float:
    """As the library's own documentation does it."""
    key, issuer = _key_of(config)
    now, begin = utc_now(), time.process_time()
    builder = x509.CertificateRevocationListBuilder(issuer.subject, now, now + timedelta(days=7))
    for revoked in _revoked(count, now):
        one = x509.RevokedCertificateBuilder(revoked.serial, now)
        one = one.add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
        builder = builder.add_revoked_certificate(one.build())
    builder.sign(key, hashes.SHA256())
    return time.process_time() - begin


def _key_of(config: Config) -> tuple[CaKey, x509.Certificate]:
    assert config.ca.key is not None
    passphrase = (read_passphrase(config.ca) or "").encode()
    key = load_pem_private_key(config.ca.key.read_bytes(), passphrase)
    issuer = x509.load_pem_x509_certificate(config.ca.certificate.read_bytes())
    return key, issuer  # type: ignore[return-value]


def _one_more(ca: LocalCa, path: Path, count: int) -> tuple[float, float, int]:
    """CPU of the signer for a list with one revocation more, and for the question whether there is one; bytes."""
    engine = ledger.open_ledger(path)
    now = utc_now()
    _fill(engine, ca.issuer, range(count + 1), now)
    _revoke(engine, range(count), now)
    revoking = Revoking(engine, ca, 7)
    revoking.newest_list(now)
    _revoke(engine, range(count, count + 1), now)
    begin = time.process_time()
    der = revoking.newest_list(now).der
    once = time.process_time() - begin
    assert len(x509.load_der_x509_crl(der)) == count + 1
    begin = time.process_time()
    for _ in range(10):
        revoking.newest_list(now)
    idle = (time.process_time() - begin) / 10
    engine.dispose()
    return once, idle, len(der)


def _fill(engine: Engine, issuer: str, numbers: range, now: datetime) -> None:
    """Certificates as the signer remembers them; their bytes are not looked at."""
    for some in _slices(numbers):
        with writing(engine) as session:
            session.execute(
                insert(ledger.GivenSerial), [{"serial": str(_FIRST + n), "given_at": now} for n in some]
            )
            session.execute(insert(ledger.SignedRow), [_signed(n, issuer, now) for n in some])


def _signed(n: int, issuer: str, now: datetime) -> dict[str, object]:
    return {
        "sheet_sha256": f"{n:064x}",
        "seq": 1,
        "serial": str(_FIRST + n),
        "issuer": issuer,
        "public_key_sha256": f"{n:064x}",
        "institution": "testkikan",
        "kind": "issue",
        "raw_line": b"row",
        "encoding": "CP932",
        "subject_dn": f"CN=h{n}.example.ac.jp",
        "cn": f"h{n}.example.ac.jp",
        "not_before": now,
        "not_after": now + timedelta(days=47),
        "der": b"der",
    }


def _revoke(engine: Engine, numbers: range, now: datetime) -> None:
    for some in _slices(numbers):
        with writing(engine) as session:
            rows = [
                {
                    "serial": str(_FIRST + n),
                    "sheet_sha256": f"{n:064x}",
                    "seq": 2,
                    "reason": 4,
                    "revoked_at": now,
                }
                for n in some
            ]
            session.execute(insert(ledger.RevokedRow), rows)


def _slices(numbers: range) -> Sequence[range]:
    return [numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE)]
