"""A desk without mail servers for tests of the evidence: real register files, keys, store and CA; mails as bytes."""

import base64
import itertools
import quopri
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from bot.ca.crl import sign_crl
from bot.ca.making import make_ca
from bot.config import Ca as CaSettings
from bot.config import Config
from bot.evidence.folder import sums_of, write_folder
from bot.evidence.gather import gather, public_key_digest
from bot.holder import this_process
from bot.intake import Intake
from bot.revoke import News, Revoker
from bot.shares import Shares
from bot.wiring import Judge, open_judge, utc_now
from handlers import issue
from handlers.frozen import digest
from handlers.incoming import MailKey
from handlers.notices import Notice
from handlers.rules.batch_sheet import BatchPart, BatchRow, BatchSheet
from handlers.rules.order import Revoked
from handlers.rules.sheet import parse_sheet, show_code
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from store import applications, certificates, crls, inbox, journal
from store.states import EntryState, Filed
from store.tables import Application, Batch, Certificate, Entry
from store.transaction import reading, writing
from tests import keys
from tests.applications import csr_text, rsa_key, tsv, tsv_line
from tests.revocations import revoke_line
from tests.signers import MailSigner, OpenPGPSigner
from tests.smime_people import Pki

APPLICANT = "applicant@example.ac.jp"
BOT = "ringi@example.ac.jp"
TOOLS = ("awk", "cat", "cmp", "mkdir", "rm", "sed", "sha256sum", "openssl", "gpg")
_uids = itertools.count(1)
_serial_keys = itertools.count(100)


@dataclass(frozen=True)
class TestCa:
    """A CA of one certificate."""

    __test__ = False
    key: Any
    certificate: x509.Certificate

    @property
    def id(self) -> str:
        return public_key_digest(self.certificate.public_bytes(Encoding.DER))

    @property
    def issuer(self) -> str:
        return self.id

    def chain(self) -> tuple[bytes, ...]:
        return (self.certificate.public_bytes(Encoding.DER),)

    def list(self, revoked: Sequence[Revoked], number: int, now: datetime) -> bytes:
        """DER of a revocation list."""
        extensions = (x509.CRLNumber(number),)
        return sign_crl(self.key, self.certificate, extensions, revoked, now, now + timedelta(days=7))

    def sign(self, entry: Entry, serial: int, now: datetime) -> bytes:
        """DER, for the key and the names that the store has of the row."""
        subject = parse_subject_dn(entry.subject_dn)
        assert isinstance(subject, SubjectDN)
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in entry.dns_names.split("\n")])
        builder = x509.CertificateBuilder(
            issuer_name=self.certificate.subject,
            subject_name=subject.to_x509(),
            public_key=x509.load_der_x509_csr(entry.csr or b"").public_key(),
            serial_number=serial,
            not_valid_before=now,
            not_valid_after=now + timedelta(days=90),
        ).add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def make_test_ca(now: datetime) -> TestCa:
    key, certificate = make_ca("Example CA", key="p384", days=3650, passphrase=None, now=now)
    return TestCa(load_pem_private_key(key, None), x509.load_pem_x509_certificate(certificate))


@dataclass
class EvidenceWorld:
    """`notices`: what would be mailed, newest last."""

    directory: Path
    judge: Judge
    ca: "TestCa"
    intake: Intake
    notices: list[Notice] = field(default_factory=list)

    def queue(self, _session: object, notices: Sequence[Notice], _now: datetime) -> None:
        self.notices += notices

    def receive(self, raw: bytes) -> Filed:
        now = utc_now()
        mail = self.judge.authority.reader.read(raw, MailKey("bot", "INBOX", 1, next(_uids)), now)
        return self.intake.take_in(mail)

    def apply(self, *lines: str, encoding: str = "base64", subject: str = "サーバ証明書 発行申請") -> str:
        """Mail an application; its number."""
        filed = self.receive(application_mail(tsv(*lines or (line(),)), encoding, subject))
        assert filed is Filed.DONE
        return self.newest().number

    def newest(self) -> Application:
        with reading(self.judge.engine) as session:
            found = session.query(Application).order_by(Application.number.desc()).first()
            assert found is not None, "not taken"
            return found

    def code(self, number: str) -> str:
        with reading(self.judge.engine) as session:
            return show_code(session.get_one(Application, number).code)

    def approve(self, signer: MailSigner, number: str, text: str = "", **how: str) -> None:
        """A signed reply, which must be taken."""
        words = text or f"承認\n\n> コード: {self.code(number)}\n"
        assert self.receive(signed_mail(signer, entity(words, **how))) is Filed.DONE

    def batch(self, numbers: Sequence[str]) -> str:
        """One sheet for the rows of these applications; its code."""
        with writing(self.judge.engine) as session:
            found = [session.get_one(Application, number) for number in numbers]
            parts = tuple(BatchPart(a.number, a.kind, a.sheet_sha256) for a in found)
            sheets = [parse_sheet(inbox.blob(session, a.sheet_sha256)) for a in found]
            rows = [(sheet.number, row) for sheet in sheets for row in sheet.rows]
            batch = BatchSheet(
                instance="desk.example.ac.jp",
                number="B-20261122-testkikan",
                institution="testkikan",
                parts=parts,
                rows=tuple(
                    BatchRow(index, number, row.seq, row.digest, row.name)
                    for index, (number, row) in enumerate(rows, 1)
                ),
                journal_head=journal.head(session),
                nonce="0" * 32,
            ).render()
            sha256 = inbox.keep_blob(session, batch)
            session.add(
                Batch(
                    number="B-20261122-testkikan",
                    institution="testkikan",
                    code=sha256[:32],
                    sheet_sha256=sha256,
                    made_at=utc_now(),
                )
            )
        return show_code(sha256[:32])

    def certify(self) -> None:
        """What is approved is intended, signed and recorded, as the desk does it, without the signer's process."""
        with writing(self.judge.engine) as session:
            ctx = self.judge.context(session)
            for entry in session.query(Entry).filter(Entry.state == EntryState.APPROVED).order_by(Entry.id):
                serial = int.from_bytes(b"\x7f" + ctx.random(11), "big")
                end = self.ca.certificate.not_valid_after_utc
                certificate = certificates.intend(
                    session, entry, issuer=self.ca.id, serial=serial, not_before=ctx.now, not_after=end
                )
                applications.move_entries(session, [entry], EntryState.APPROVED, EntryState.SIGNING)
                facts = {"number": entry.number, "seq": entry.seq, "serial": str(serial)}
                journal.append(session, ctx.now, "intended", {**facts, "row": digest(entry.raw_line)})
                issue.record(ctx, [(certificate, self.ca.sign(entry, serial, ctx.now))])

    def serial_of(self, number: str, seq: int = 1) -> str:
        self.certify()
        with reading(self.judge.engine) as session:
            query = session.query(Certificate).join(Entry).filter(Entry.number == number, Entry.seq == seq)
            return query.one().serial

    def ask_revocation(self, serial: str, fqdn: str = "test1.example.ac.jp", **columns: str) -> str:
        """Mail an application for it; its number."""
        return self.apply(revoke_line(int(serial), fqdn, **columns), subject="サーバ証明書 失効申請")

    def revoke(self) -> None:
        """What is approved is intended, listed and recorded, as the desk does it, without the signer's process."""
        revoker = self.revoker()
        revoker._plan(set())
        now = utc_now()
        with writing(self.judge.engine) as session:
            entries = crls.intended_revocations(session)
            answers = [(e.id, Revoked(int(e.old_serial or 0), now, e.reason or 0)) for e in entries]
            old = crls.revoked_certificates(session, self.ca.id, None)
            listed = [Revoked(one.serial, one.revoked_at, one.reason) for one in old]
            newest = crls.newest(session)
            der = self.ca.list([*listed, *(a for _, a in answers)], newest.number + 1 if newest else 1, now)
            revoker._record(self.judge.context(session), News(tuple(answers), der))

    def revoker(self) -> Revoker:
        """The desk's own, in whose place of the signer stands a CA that is only asked for its name."""
        judge = self.judge
        return Revoker(
            judge.engine,
            self.ca,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            lambda: judge.authority.reader,
            judge.context,
            Shares(judge.engine, this_process(), utc_now),
        )

    def evidence(self, serial: str, name: str = "evidence") -> Path:
        folder = self.directory / name
        with reading(self.judge.engine) as session:
            write_folder(folder, gather(session, serial, self.ca.chain()))
        return folder

    def note(self) -> None:
        self.judge.authority.note(self.judge.engine, utc_now())

    def run_sql(self, *statements: str) -> None:
        with writing(self.judge.engine) as session:
            for statement in statements:
                session.connection().exec_driver_sql(statement)


@contextmanager
def open_world(
    directory: Path, *signers: MailSigner, pki: Pki | None = None, register: str = ""
) -> Iterator[EvidenceWorld]:
    """`register`: more lines for the top of the institution's file, and what may follow the officers."""
    place = directory / "register"
    place.mkdir(parents=True)
    for signer in signers:
        name, content = signer.key_file
        (place / name).write_bytes(content)
    (place / "testkikan.toml").write_text(register_text(signers, register), encoding="utf-8")
    config = _config(directory, pki)
    judge = open_judge(config)

    def reader():  # type: ignore[no-untyped-def]
        return judge.authority.reader

    world = EvidenceWorld(directory, judge, make_test_ca(utc_now()), None)  # type: ignore[arg-type]
    shares = Shares(judge.engine, this_process(), utc_now)
    world.intake = Intake(judge.engine, config.imap, world, reader, judge.context, utc_now, shares)  # type: ignore[arg-type]
    world.note()
    try:
        yield world
    finally:
        judge.engine.dispose()


def _config(directory: Path, pki: Pki | None) -> Config:
    server = {"host": "127.0.0.1", "port": 1, "security": "none"}
    imap = {**server, "user": "bot", "password_file": directory / "none"}
    return Config.model_validate(
        {
            "instance": "desk.example.ac.jp",
            "address": BOT,
            "register_dir": directory / "register",
            "imap": imap,
            "smtp": server,
            "store": {"url": f"sqlite:///{directory / 'ringi.db'}"},
            "openpgp": {"fingerprint": "0" * 40, "officers_home": directory / "g"},
            "smime": pki.settings() if pki else None,
            "ca": CaSettings(key=directory / "ca.key", certificate=directory / "ca.pem"),
            "web": {"public_url": "https://ra.example.ac.jp"},
        }
    )


def register_text(signers: Sequence[MailSigner], more: str = "") -> str:
    head, _, policies = more.partition("[[policies]]")
    top = f"""\
name = "テスト機関"
organization = "testkikan"
state = "Tokyo"
locality = "Chiyoda-ku"
applicant_domains = ["example.ac.jp"]
{head}
[[domains]]
name = "example.ac.jp"
vetted_until = 2099-03-31
"""
    officers = "".join(_officer(signer) for signer in signers)
    return top + officers + (f"\n[[policies]]{policies}" if policies else "")


def _officer(signer: MailSigner) -> str:
    is_openpgp = signer.scheme.value == "openpgp"
    name = "fingerprint" if is_openpgp else "public_key"
    return f"""
[[officers]]
id = "{signer.officer_id}"
name = "{signer.officer_id.title()}"
addresses = ["{signer.address}"]
notify = "{signer.address}"
{"inline_openpgp = true" if is_openpgp else ""}
[[officers.{signer.scheme.value}]]  # the key
{name} = "{signer.pin}"
file = "{signer.key_file[0]}"
"""


def line(fqdn: str = "test1.example.ac.jp", **changes: str) -> str:
    """A row with a key of its own."""
    return tsv_line(fqdn, **changes)


def rsa_line(fqdn: str, **changes: str) -> str:
    return tsv_line(fqdn, c2="3", c7=csr_text(fqdn, rsa_key(next(_serial_keys))), **changes)


def application_mail(data: bytes, encoding: str, subject: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = APPLICANT, BOT, subject
    mail["Message-ID"] = f"<a{next(_uids)}@example.ac.jp>"
    mail.set_content("お願いします。\n")
    mail.add_attachment(
        data, maintype="text", subtype="tab-separated-values", filename="shinsei.tsv", cte=encoding
    )
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n", max_line_length=0))


def entity(
    text: str,
    charset: str = "utf-8",
    encoding: str = "base64",
    files: bytes | None = None,
    parameters: str = "",
    html: str = "",
) -> bytes:
    """What gets signed: one text, or a text and a TSV. CRLF throughout."""
    octets = text.replace("\n", "\r\n").encode(charset.replace("shift_jis", "cp932"))
    head = f"Content-Type: text/plain; charset={charset}{parameters}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    leaf = head.encode() + _encoded(octets, encoding)
    if files is None and not html:
        return leaf
    kind, other = b"mixed", b""
    if files is not None:
        other = (
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            b'Content-Disposition: attachment; filename="shinsei.tsv"\r\n\r\n'
        ) + _encoded(files, "base64")
    else:
        kind, other = (
            b"alternative",
            b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode() + b"\r\n",
        )
    return (
        b'Content-Type: multipart/' + kind + b'; boundary="in"\r\n\r\n--in\r\n' + leaf + b"\r\n--in\r\n" + other
        + b"\r\n--in--\r\n"
    )  # fmt: skip


def _encoded(octets: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(octets).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        return quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return octets


def signed_mail(signer: MailSigner, part: bytes, *, opaque: bool = False, newline: bytes = b"\r\n") -> bytes:
    head = f"From: {signer.address}\r\nTo: {BOT}\r\nSubject: Re: 1\r\nMessage-ID: <s{next(_uids)}@example.ac.jp>\r\n"
    body = signer.opaque(part) if opaque else signer.multipart_signed(part)
    assert body is not None
    return (head.encode() + b"MIME-Version: 1.0\r\n" + body).replace(b"\r\n", newline)


def inline_mail(signer: OpenPGPSigner, text: str, charset: str = "utf-8", encoding: str = "base64") -> bytes:
    """Signed as old mail programs do: the text is a clearsigned block."""
    block = keys.clearsign(signer.home, signer.pin, text.encode(charset)).replace(b"\n", b"\r\n")
    head = f"From: {signer.address}\r\nTo: {BOT}\r\nSubject: Re: 1\r\nMessage-ID: <s{next(_uids)}@example.ac.jp>\r\n"
    kind = f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n"
    return (head + kind + f"Content-Transfer-Encoding: {encoding}\r\n\r\n").encode() + _encoded(
        block, encoding
    )


def verify(
    folder: Path, tools: tuple[str, ...] = TOOLS, shell: str = "sh", path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing but the tools, in an empty environment."""
    if path is None:
        path = folder.parent / f"tools-{'-'.join(tools)}"
    if not path.exists():
        path.mkdir()
        for tool in tools:
            (path / tool).symlink_to(str(shutil.which(tool)))
    command = [str(shutil.which(shell)), "verify.sh"]
    environment = {"PATH": str(path), "TMPDIR": str(folder.parent)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )


def forge(folder: Path, changes: Mapping[str, bytes | None]) -> None:
    """Change files as somebody would who also makes the sums anew; None removes."""
    for name, data in changes.items():
        (folder / name).unlink(missing_ok=True)
        if data is not None:
            (folder / name).write_bytes(data)
    for place in folder.iterdir():
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    kept = {name: data for name, data in files_of(folder).items() if name not in ("SHA256SUMS", "SEAL")}
    (folder / "SHA256SUMS").write_bytes(sums_of(kept))
    sealed = {name: (folder / name).read_bytes() for name in ("README.txt", "SHA256SUMS", "verify.sh")}
    (folder / "SEAL").write_bytes(sums_of(sealed))


def files_of(folder: Path) -> dict[str, bytes]:
    """By name; those of the sub-folder with it."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def rewritten_journal(folder: Path, changes: Mapping[str, str]) -> bytes:
    """The path with other words in its facts, and every hash made anew from there to the end."""
    lines, previous = [], ""
    for text in (folder / "journal.tsv").read_text().splitlines():
        seq, at, event, facts_sha256, before, _, facts = text.split("\t")
        before = previous or before
        if facts != "-":
            for old, new in changes.items():
                facts = facts.replace(old, new)
            facts_sha256 = digest(facts.encode())
        link = f"{seq}\n{at}\n{event}\n{facts_sha256}\n{before}"
        previous = digest(link.encode())
        lines.append("\t".join((seq, at, event, facts_sha256, before, previous, facts)) + "\n")
    return "".join(lines).encode()
