"""A desk that is taken over, and the real signer it lies to: real keys, real signatures, real certificates."""

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine, select

from bot.ca.local import LocalCa
from bot.ca.making import make_ca
from bot.config import Ca as CaSettings
from bot.openpgp.keys import OfficerKeys
from bot.reading import Reader
from bot.signer.client import SignerClient
from bot.signer.core import Signer
from bot.signer.messages import Evidence, SignedMail
from handlers.context import Desk
from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet
from handlers.rules.register import Domain, Institution, Policy, Register
from handlers.rules.row_errors import RowError
from handlers.rules.sheet import Sheet, SheetRow, code_of, policy_digest, show_code
from store.signer_ledger import RevokedRow, SignedRow, open_ledger
from store.states import Kind
from store.transaction import reading
from tests import keys
from tests.applications import TESTKIKAN, tsv, tsv_line
from tests.revocations import revoke_line
from tests.signers import OpenPGPSigner, as_officer

NAMES = ("suzuki", "tanaka", "yamada", "stranger")
_DIGEST = "f" * 64


@dataclass(frozen=True)
class People:
    """Who signs: suzuki and tanaka of testkikan, yamada of another institution, a stranger, with their keys."""

    signers: Mapping[str, OpenPGPSigner]
    keys: OfficerKeys

    def register(self, **changes: object) -> Register:
        """`changes`: of testkikan."""
        officers = tuple(as_officer(self.signers[name]) for name in ("suzuki", "tanaka"))
        home = TESTKIKAN.model_copy(update={"officers": officers} | changes)
        other = TESTKIKAN.model_copy(
            update={
                "id": "other",
                "officers": (as_officer(self.signers["yamada"]),),
                "domains": (Domain(name="example.jp", vetted_until="2035-01-01"),),
            }
        )
        return Register({"testkikan": home, "other": other}, _DIGEST)


@contextmanager
def open_people(directory: Path) -> Iterator[People]:
    born = f"{datetime.now(UTC) - timedelta(days=2):%Y%m%dT%H%M%S}"
    with keys.gpg_home() as home:
        signers = {
            name: OpenPGPSigner(
                name,
                f"{name}@example.ac.jp",
                home,
                keys.make_key(home, name, f"{name}@example.ac.jp", at=born),
            )
            for name in NAMES
        }
        people = People(signers, None)  # type: ignore[arg-type]
        for signer in signers.values():
            (directory / signer.key_file[0]).write_bytes(signer.key_file[1])
        yield replace(people, keys=OfficerKeys.load(people.register(), directory, directory / "rings"))


@dataclass(frozen=True)
class Papers:
    """What the desk shows; honest until a test changes it."""

    sheet: Sheet
    file: bytes
    mails: tuple[SignedMail, ...] = ()
    batches: tuple[bytes, ...] = ()

    @property
    def code(self) -> str:
        return show_code(code_of(self.sheet.render()))

    def evidence(self, **changes: object) -> Evidence:
        values: dict[str, object] = {
            "sheet": self.sheet.render(),
            "file": self.file,
            "mails": self.mails,
            "batches": self.batches,
            "register_sha256": _DIGEST,
        }
        return Evidence(**(values | changes))  # type: ignore[arg-type]


@dataclass
class HostileDesk:
    """Forges what it likes. `institution`: changes of testkikan in the signer's own register; `later`: its clock."""

    people: People
    engine: Engine
    ca: LocalCa
    institution: dict[str, object] = field(default_factory=dict)
    later: timedelta = timedelta()
    blocked_keys: frozenset[str] = frozenset()

    @property
    def core(self) -> Signer:
        return Signer(
            self.engine,
            self.ca,
            Desk("desk.example.ac.jp", "ringi@example.ac.jp", "https://ra.example.ac.jp"),
            self,
            7,
            self.now,
            secrets.token_bytes,
        )

    @property
    def client(self) -> SignerClient:
        return SignerClient.open(self.core.answer)

    @property
    def reader(self) -> Reader:
        return Reader(self.register, self.people.keys, None, None, 9)

    @property
    def register(self) -> Register:
        return self.people.register(**self.institution)

    @property
    def home(self) -> Institution:
        return self.register.institutions["testkikan"]

    def reload(self) -> bool:
        return True

    def now(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) + self.later

    def policy(self, **changes: object) -> None:
        self.institution["policies"] = (Policy.model_validate(changes),)

    def papers(self, *lines: str, kind: Kind = Kind.ISSUE, institution: str = "testkikan") -> Papers:
        """An application for these lines, with a sheet as the desk freezes it, and no approval yet."""
        file = tsv(*lines or (tsv_line(),))
        policy = self.register.institutions[institution].policy_for(kind) or Policy()
        rows = tuple(
            SheetRow(seq, sha256(line).hexdigest(), "CN=" + _cn(line))
            for seq, line in enumerate(file.removesuffix(b"\r\n").split(b"\r\n"), 1)
        )
        sheet = Sheet(
            instance="desk.example.ac.jp",
            number=f"A-20261122-{secrets.randbelow(9000) + 1000}",
            institution=institution,
            kind=kind,
            file_sha256=sha256(file).hexdigest(),
            rows=rows,
            policy=policy.name,
            policy_sha256=policy_digest(policy),
            register_sha256="0" * 64,
            journal_head="0" * 64,
            nonce=secrets.token_hex(16),
        )
        return Papers(sheet, file)

    def approved(
        self, *lines: str, by: Sequence[str] = ("suzuki",), line: str = "承認", kind: Kind = Kind.ISSUE
    ) -> Papers:
        papers = self.papers(*lines, kind=kind)
        return replace(papers, mails=tuple(self.reply(papers, name, line) for name in by))

    def reply(
        self, papers: Papers, officer: str = "suzuki", line: str = "承認", **more: object
    ) -> SignedMail:
        return self.mail(f"{line}\r\n\r\n> {papers.code}\r\n", officer, **more)  # type: ignore[arg-type]

    def mail(
        self,
        text: str,
        officer: str = "suzuki",
        *,
        files: Mapping[str, bytes] | None = None,
        sender: str = "",
        at: str | None = None,
        digest: str = "SHA256",
        received_at: datetime | None = None,
    ) -> SignedMail:
        """Signed by the officer's key as a mail program does."""
        signer = self.people.signers[officer]
        entity = _entity(text, files or {})
        signature = keys.sign_detached(signer.home, signer.pin, entity, digest, at=at)
        body = _multipart(entity, b"\r\n".join(signature.splitlines()) + b"\r\n")
        head = f"From: {sender or signer.address}\r\nSubject: Re: x\r\nMIME-Version: 1.0\r\n"
        head += f"Message-ID: <{secrets.token_hex(8)}@example.ac.jp>\r\n"
        return SignedMail(raw=head.encode() + body, received_at=received_at or datetime.now(UTC))

    def serials(self, count: int = 1) -> list[int]:
        return [reserved.serial for reserved in self.client.reserve(count)]

    def issue(self, evidence: Evidence, rows: Mapping[int, int] | None = None) -> list[int]:
        """The refusal codes of the rows; SEQ 1 with a new serial if nothing else is said."""
        answers = self.client.issue(evidence, rows or {1: self.serials()[0]})
        return _codes(answers)

    def revoke(self, evidence: Evidence, *seqs: int) -> list[int]:
        return _codes(self.client.revoke(evidence, seqs or (1,)))

    def certificate(self, fqdn: str = "test1.example.ac.jp", **changes: str) -> int:
        """One that is honestly issued; its serial."""
        (serial,) = self.serials()
        kind = Kind.RENEW if "c4" in changes else Kind.ISSUE
        papers = self.approved(tsv_line(fqdn, **changes), kind=kind)
        answer = self.client.issue(papers.evidence(), {1: serial})[1]
        assert isinstance(answer, bytes), answer
        return serial

    def revocation(
        self, serial: int, fqdn: str = "test1.example.ac.jp", line: str = "失効承認", **changes: str
    ):  # type: ignore[no-untyped-def]
        return self.approved(revoke_line(serial, fqdn, **changes), line=line, kind=Kind.REVOKE)

    def batch(self, *papers: Papers) -> BatchSheet:
        rows = [(p, row) for p in papers for row in p.sheet.rows]
        return BatchSheet(
            instance="desk.example.ac.jp",
            number="B-20261122-testkikan",
            institution="testkikan",
            parts=tuple(BatchPart(p.sheet.number, p.sheet.kind, _sha(p)) for p in papers),
            rows=tuple(
                BatchRow(index, p.sheet.number, row.seq, row.digest, row.name)
                for index, (p, row) in enumerate(rows, 1)
            ),
            journal_head="0" * 64,
            nonce=secrets.token_hex(16),
        )

    def in_batch(self, papers: Papers, sheet: BatchSheet, line: str = "承認") -> Papers:
        """Approved by a reply to the batch."""
        data = sheet.render()
        mail = self.mail(f"{line}\r\n\r\n> {show_code(code_of(data))}\r\n")
        return replace(papers, mails=(mail,), batches=(data,))

    def memory(self) -> tuple[list[tuple[str, int, bytes | None]], list[str]]:
        """What the ledger says was signed and revoked."""
        with reading(self.engine) as session:
            signed = session.scalars(select(SignedRow).order_by(SignedRow.serial)).all()
            revoked = session.scalars(select(RevokedRow.serial).order_by(RevokedRow.serial)).all()
            return [(r.sheet_sha256, r.seq, r.der) for r in signed], list(revoked)


@contextmanager
def open_hostile_desk(people: People, folder: Path) -> Iterator[HostileDesk]:
    begin = datetime.now(UTC) - timedelta(days=1)
    key, certificate = make_ca("Example CA", key="p384", days=3650, passphrase=None, now=begin)
    (folder / "ca.key").write_bytes(key)
    (folder / "ca.pem").write_bytes(certificate)
    ca = LocalCa.open(CaSettings(key=folder / "ca.key", certificate=folder / "ca.pem"), None)
    engine = open_ledger(folder / "signer.db")
    yield HostileDesk(people, engine, ca)
    engine.dispose()


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _codes(answers: Mapping[int, object]) -> list[int]:
    found = [answer for answer in answers.values() if isinstance(answer, tuple)]
    return [error.code for errors in found for error in errors if isinstance(error, RowError)]


def _cn(line: bytes) -> str:
    return line.decode("cp932").split("CN=", 1)[1].split(",", 1)[0].lower()


def _sha(papers: Papers) -> str:
    return sha256(papers.sheet.render()).hexdigest()


def _entity(text: str, files: Mapping[str, bytes]) -> bytes:
    part = (
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + text.encode()
    )
    if not files:
        return part
    parts = [part]
    for name, data in files.items():
        head = f'Content-Type: text/tab-separated-values\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + _base64(data))
    body = b"".join(b"--inner\r\n" + one + b"\r\n" for one in parts) + b"--inner--\r\n"
    return b'Content-Type: multipart/mixed; boundary="inner"\r\n\r\n' + body


def _base64(data: bytes) -> bytes:

    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _multipart(entity: bytes, signature: bytes) -> bytes:
    head = b'Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256;\r\n'
    part = b"Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n" + signature
    return (
        head
        + b' boundary="outer"\r\n\r\n--outer\r\n'
        + entity
        + b"\r\n--outer\r\n"
        + part
        + b"\r\n--outer--\r\n"
    )
