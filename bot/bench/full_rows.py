"""What `bot.bench.full_store` writes, row by row: counters, the journal's chain, and bytes that many rows share."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from handlers.rules.register import Policy
from store.journal import GENESIS

ROWS = 10  # of an application
POOL = 50  # different keys, CSRs and certificates
DAYS = timedelta(days=397)


@dataclass(frozen=True)
class Past:
    """`certificates`: how many, a multiple of 20. `now`: when the store is to be used. `institution`: the one that
    works, of the register, and its policy for what is open. `issuer`: hex SHA-256 of the CA's SPKI."""

    certificates: int
    now: datetime
    instance: str
    institution: str
    policy: Policy
    issuer: str
    issuer_name: x509.Name
    seed: int = 1

    @property
    def applications(self) -> int:
        return self.certificates // ROWS


@dataclass(frozen=True)
class Shape:
    """What many rows share: of real size, made once."""

    csr: bytes
    der: bytes
    raw_line: bytes

    @cached_property
    def digests(self) -> tuple[str, str]:
        """Hex SHA-256 of the row and of the certificate."""
        return hex_of(self.raw_line), hex_of(self.der)


@dataclass
class Rows:
    """Rows by table, in the order of the columns; ids and the journal's head go on from chunk to chunk."""

    past: Past
    shapes: Sequence[Shape]
    chance: random.Random
    head: str = GENESIS
    seq: int = 0
    entries: int = 0
    certificates: int = 0
    mails: int = 0
    outgoing: int = 0
    decisions: int = 0
    policy_sha256: str = ""
    serials: list[str] = field(default_factory=list)
    due: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    tables: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)

    def add(self, table: str, *values: object) -> None:
        self.tables.setdefault(table, []).append(values)

    def note(self, at: datetime, event: str, facts: str) -> None:
        """One entry of the journal. `facts`: canonical JSON."""
        self.seq += 1
        digest = hashlib.sha256(facts.encode()).hexdigest()
        text = f"{self.seq}\n{at_text(at)[:19].replace(' ', 'T')}Z\n{event}\n{digest}\n{self.head}"
        hash = hashlib.sha256(text.encode()).hexdigest()
        self.add("journal", self.seq, at_text(at), event, facts, self.head, hash)
        self.head = hash


def make_shapes(past: Past) -> list[Shape]:
    return [_shape(past, f"host{number}.example.ac.jp") for number in range(POOL)]


def _shape(past: Past, fqdn: str) -> Shape:
    """P-256 keys: of the kinds that are taken those with the shortest certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    kinds = (
        NameOID.COUNTRY_NAME,
        NameOID.STATE_OR_PROVINCE_NAME,
        NameOID.LOCALITY_NAME,
        NameOID.ORGANIZATION_NAME,
    )
    values = ("JP", "Tokyo", "Chiyoda-ku", "testkikan")
    pairs = [*zip(kinds, values, strict=True), (NameOID.COMMON_NAME, fqdn)]
    subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    builder = x509.CertificateBuilder(
        past.issuer_name, subject, key.public_key(), x509.random_serial_number(), past.now, past.now + DAYS
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(fqdn)]), critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    columns = [""] * 13
    columns[0], columns[1] = f"CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP", "11"
    columns[6] = csr.public_bytes(Encoding.PEM).decode().replace("\n", "")
    columns[7:12] = ["佐藤 花子", "情報基盤センター", "applicant@example.ac.jp", fqdn, "Apache 2.4"]
    return Shape(csr.public_bytes(Encoding.DER), der, "\t".join(columns).encode("cp932"))


def hex_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=1000)
def at_text(moment: datetime) -> str:
    """As SQLAlchemy writes a time into SQLite."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.000000")
