"""A store that holds issued certificates, with real bytes, for tests of what happens after issuing."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from handlers.context import Context, Desk
from handlers.download import new_token
from handlers.rules.register import Domain, Institution, Officer, OpenPGPKey, Register
from store import downloads
from store.states import ApplicationState, EntryState, ErrorMode, Kind
from store.tables import Application, Base, Blob, Certificate, Entry
from store.transaction import open_store, reading, writing

NOW = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
DESK = Desk(
    "desk.example.ac.jp", "ra@example.ac.jp", "https://ra.example.ac.jp", monitors=("watch@example.ac.jp",)
)


def an_officer(name: str, **changes: object) -> Officer:
    address = f"{name}@testkikan.example.ac.jp"
    fields: dict[str, object] = {
        "id": name,
        "name": name.title(),
        "addresses": (address,),
        "notify": address,
        "openpgp": (OpenPGPKey(fingerprint=secrets.token_hex(20), file=f"{name}.asc"),),
    }
    return Officer.model_validate(fields | changes)


TESTKIKAN = Institution(
    id="testkikan",
    digest="0" * 64,
    name="テスト機関",
    domains=(Domain(name="example.ac.jp"),),
    organization="testkikan",
    state="Tokyo",
    locality="Chiyoda-ku",
    applicant_domains=("example.ac.jp",),
    officers=(an_officer("suzuki"), an_officer("tanaka")),
)


def a_register(*institutions: Institution) -> Register:
    return Register({i.id: i for i in institutions}, "f" * 64)


@dataclass(frozen=True)
class Authority:
    """An issuing CA under a root. `chain`: DER, the issuing certificate first."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    chain: tuple[bytes, ...]


@cache
def an_authority() -> Authority:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _sign(root_key, root_key, "Test Root", "Test Root", 1, None)
    certificate = _sign(key, root_key, "Test Issuing CA", "Test Root", 2, None)
    return Authority(key, certificate, tuple(c.public_bytes(Encoding.DER) for c in (certificate, root)))


def _sign(
    subject_key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    subject: str | x509.Name,
    issuer: str,
    serial: int,
    dns_names: tuple[str, ...] | None,
) -> x509.Certificate:
    def name(cn: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])

    builder = x509.CertificateBuilder(
        issuer_name=name(issuer),
        subject_name=name(subject) if isinstance(subject, str) else subject,
        public_key=subject_key.public_key(),
        serial_number=serial,
        not_valid_before=NOW,
        not_valid_after=NOW + timedelta(days=396, seconds=-1),
    )
    if dns_names is None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    else:
        names = x509.SubjectAlternativeName([x509.DNSName(n) for n in dns_names])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def a_certificate(fqdn: str, serial: int, also: tuple[str, ...] = ()) -> bytes:
    """DER, its name encoded C first as a CA may do; `also` are further names."""
    values = (
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Tokyo"),
        (NameOID.LOCALITY_NAME, "Chiyoda-ku"),
        (NameOID.ORGANIZATION_NAME, "testkikan"),
        (NameOID.COMMON_NAME, fqdn),
    )
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in values])
    authority = an_authority()
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(key, authority.key, subject, "Test Issuing CA", serial, (fqdn, *also))
    return certificate.public_bytes(Encoding.DER)


class Issued:
    """A SQLite store in `folder` with one application; time and register can be changed while it runs."""

    def __init__(self, folder: Path) -> None:
        self.engine: Engine = open_store(f"sqlite:///{folder}/ringi.db")
        Base.metadata.create_all(self.engine)
        self.now = NOW
        self.register = a_register(TESTKIKAN)
        self.desk = DESK
        self._rows = 0
        with writing(self.engine) as session:
            session.add(Blob(sha256="0" * 64, data=b""))
            session.flush()
            session.add(_application())

    def close(self) -> None:
        self.engine.dispose()

    def context(self, session: Session) -> Context:
        return Context(session, self.now, self.register, self.desk, secrets.token_bytes)

    @contextmanager
    def reading(self) -> Iterator[Context]:
        with reading(self.engine) as session:
            yield self.context(session)

    @contextmanager
    def writing(self) -> Iterator[Context]:
        with writing(self.engine) as session:
            yield self.context(session)

    def repeat_for(self, minutes: int) -> None:
        self.desk = replace(self.desk, repeat_minutes=minutes)

    def issue(
        self,
        fqdn: str = "test1.example.ac.jp",
        *,
        also: tuple[str, ...] = (),
        expires_at: datetime | None = None,
        replaces: int | None = None,
    ) -> str:
        """One more issued row with its certificate; the token of its URL. `replaces`: the SEQ it renews."""
        self._rows += 1
        with self.writing() as ctx:
            entry = _entry(self._rows, fqdn)
            ctx.session.add(entry)
            ctx.session.flush()
            serial = 1_000_000_000_000_000_000_000 + self._rows
            certificate = Certificate(
                entry_id=entry.id,
                institution=entry.application.institution,
                issuer="1" * 64,
                serial=str(serial),
                not_before=NOW,
                not_after=NOW + timedelta(days=396, seconds=-1),
                der=a_certificate(fqdn, serial, also),
                issued_at=self.now,
            )
            if replaces is not None:
                certificate.replaces = self.certificate(ctx, replaces)
            ctx.session.add(certificate)
            ctx.session.flush()
            return self._give_url(ctx, certificate, expires_at)

    def certificate(self, ctx: Context, seq: int) -> Certificate:
        return ctx.session.query(Certificate).join(Entry).filter(Entry.seq == seq).one()

    def change_certificate(self, seq: int, **changes: object) -> None:
        """As a revocation, or an edit of its dates, would."""
        with self.writing() as ctx:
            for name, value in changes.items():
                setattr(self.certificate(ctx, seq), name, value)

    def issue_url_again(self, seq: int = 1) -> str:
        """A second URL for the certificate of a row, as an officer may order it."""
        with self.writing() as ctx:
            return self._give_url(ctx, self.certificate(ctx, seq), None)

    def _give_url(self, ctx: Context, certificate: Certificate, expires_at: datetime | None) -> str:
        token = new_token(ctx.random)
        downloads.create_url(ctx.session, certificate, token, ctx.now, expires_at or NOW + timedelta(days=30))
        return token


def _application() -> Application:
    return Application(
        number="A-20261122-0001",
        institution="testkikan",
        kind=Kind.ISSUE,
        error_mode=ErrorMode.STOP_ALL,
        state=ApplicationState.CLOSED,
        mail_sha256="0" * 64,
        message_id="<1@example.ac.jp>",
        file_sha256="0" * 64,
        file_name="server.tsv",
        encoding="UTF-8",
        sheet_sha256="0" * 64,
        code="c" * 32,
        sender="yamada@example.ac.jp",
        received_at=NOW,
        deadline=NOW + timedelta(days=14),
    )


def _entry(seq: int, fqdn: str) -> Entry:
    dn = f"CN={fqdn},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
    return Entry(
        number="A-20261122-0001",
        seq=seq,
        state=EntryState.ISSUED,
        raw_line=b"",
        subject_dn=dn,
        match_key=f"cn={fqdn}",
        fqdn=fqdn,
        dns_names=fqdn,
        profile_id=11,
        csr=b"",
        public_key_sha256=f"{seq:064x}",
        public_key="EC P-256",
        contact_name="山田 太郎",
        contact_department="情報基盤課",
        contact_mail="yamada@example.ac.jp",
        software="nginx",
    )
