"""Everything the store knows of one certificate, as files that can be checked without us (threats AP5)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.config import Ca
from bot.mime.signed import SignedEntity, find_signed
from bot.mime.tree import Entity, read_entity
from bot.openpgp.block import read_clearsigned
from bot.smime.cms import CmsSignature, read_cms
from handlers.rules.batch_sheet import parse_batch_sheet
from handlers.rules.reasons import Reason
from handlers.rules.sheet import code_of, parse_sheet
from store import batches, inbox, journal
from store.journal import GENESIS
from store.states import EntryState, Kind, Verb
from store.tables import Application, Approval, Blob, Certificate, Crl, Decision, Entry, JournalEntry

_FOLDER = "revocation"


class EvidenceFault(Exception):
    """The store does not hold what the evidence needs; the message says what."""

    temporary = False


@dataclass(frozen=True)
class Signed:
    """What a decision's mail holds. `form`: detached, opaque or inline; `signature`: the part's content, decoded."""

    scheme: str
    form: str
    signed_bytes: bytes
    signature: bytes


def gather(session: Session, serial: str, issuers: Sequence[bytes]) -> dict[str, bytes]:
    """File name -> bytes. `serial`: decimal; `issuers`: DER, the issuing certificate first. Raises EvidenceFault.

    A revocation's files lie in the sub-folder `revocation/`.
    """
    certificate = _find(session, serial, issuers)
    entry = certificate.entry
    files = _request_files(session, entry, {"serial": serial})
    files |= {"certificate.der": certificate.der or b"", "request.der": entry.csr or b""}
    files |= {f"issuer-{place}.der": der for place, der in enumerate(issuers, 1)}
    shown = _Shown(frozenset({entry.number}), None)
    if certificate.revoked_at is not None:
        revoking = _find_revocation(session, certificate)
        listed = _list_number(session, revoking)
        claims = {"serial": serial, "crl": str(listed)}
        files |= {f"{_FOLDER}/{n}": d for n, d in _request_files(session, revoking, claims).items()}
        files[f"{_FOLDER}/crl.der"] = _list(session, listed)
        shown = _Shown(frozenset({entry.number, revoking.number}), listed)
    first = parse_sheet(files["application.sheet"]).journal_head
    files["journal.tsv"] = "".join(_path(session, shown, first)).encode()
    return files


@dataclass(frozen=True)
class _Shown:
    """Whose facts the journal path shows: those of these applications, and of the signing of one revocation list."""

    numbers: frozenset[str]
    crl: int | None

    def holds(self, line: journal.Line) -> bool:
        facts = json.loads(line.facts)
        if line.event == "crl":
            return self.crl is not None and facts.get("number") == self.crl
        return facts.get("number") in self.numbers


def _request_files(session: Session, entry: Entry, claims: Mapping[str, str]) -> dict[str, bytes]:
    """What was asked for in one row, and who approved it; `claims`: what else facts.txt says."""
    application = entry.application
    decisions = _approvals(session, entry)
    sheet = _sheet(session, application, decisions[0].code)
    files = {
        "application.eml": _blob(session, application.mail_sha256, "the application's mail"),
        "application.tsv": _blob(session, application.file_sha256, "the application's TSV"),
        "application.sheet": sheet,
        "row.tsv": entry.raw_line,
        "register.toml": _blob(
            session, parse_sheet(sheet).register_sha256, "the institution's register file as it was"
        ),
    }
    claims = {"application": application.number, "seq": str(entry.seq), **claims}
    for place, decision in enumerate(decisions, 1):
        signed = read_signed(_blob(session, decision.mail_sha256, "a decision's mail"))
        name = f"approval-{place}"
        claims[name] = f"{signed.scheme} {signed.form}"
        files |= {f"{name}.{kind}": data for kind, data in _decision_files(session, decision, signed)}
        files |= _batch_sheet(session, name, decision, code_of(sheet))
    claims["approvals"] = str(len(decisions))
    files["facts.txt"] = "".join(f"{name}={value}\n" for name, value in claims.items()).encode()
    return files


def _sheet(session: Session, application: Application, code: str) -> bytes:
    """The sheet that was approved: the application may have another since, frozen anew for its other rows."""
    batch = batches.find_by_code(session, code)
    if batch is not None:
        parts = parse_batch_sheet(inbox.blob(session, batch.sheet_sha256)).parts
        named = next((part.sheet_sha256 for part in parts if part.number == application.number), "")
        return _blob(session, named, "the sheet in the batch")
    if code == application.code:
        return _blob(session, application.sheet_sha256, "the sheet")
    stored = session.scalars(select(Blob.data).where(Blob.sha256.startswith(code, autoescape=True)))
    sheet = next((data for data in stored if code_of(data) == code), None)
    if sheet is None:
        raise EvidenceFault(f"the sheet with the code {code} is gone")
    return sheet


def _find_revocation(session: Session, certificate: Certificate) -> Entry:
    """The row by which it was revoked."""
    query = (
        select(Entry)
        .join(Application, Application.number == Entry.number)
        .where(
            Application.kind == Kind.REVOKE,
            Application.institution == certificate.entry.application.institution,
            Entry.old_serial == certificate.serial,
            Entry.state == EntryState.REVOKED,
        )
    )
    found = session.scalars(query).all()
    if len(found) != 1:
        raise EvidenceFault(
            f"{certificate.serial} is revoked, and the store holds no one row that asked for it"
        )
    return found[0]


def _list_number(session: Session, revoking: Entry) -> int:
    """Which revocation list showed it first, by the journal."""
    for entry in session.scalars(select(JournalEntry).where(JournalEntry.event == "revoked")):
        facts = json.loads(entry.facts)
        if (facts["number"], facts["seq"]) == (revoking.number, revoking.seq):
            return int(facts["crl"])
    raise EvidenceFault(
        f"no entry of the journal says that row {revoking.seq} of {revoking.number} was revoked"
    )


def _list(session: Session, number: int) -> bytes:
    found = session.get(Crl, number)
    if found is None:
        raise EvidenceFault(f"the revocation list {number} is not in the store")
    return found.der


def read_issuers(settings: Ca) -> tuple[bytes, ...]:
    """The certificates of the configured CA and of those above it, DER; no key is opened. Raises EvidenceFault."""
    found: list[bytes] = []
    for path in (settings.certificate, settings.chain):
        try:
            loaded = x509.load_pem_x509_certificates(path.read_bytes()) if path else ()
        except OSError as error:
            raise EvidenceFault(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise EvidenceFault(f"{path} holds no certificate in PEM") from error
        found += [one.public_bytes(Encoding.DER) for one in loaded]
    return tuple(found)


def _find(session: Session, serial: str, issuers: Sequence[bytes]) -> Certificate:
    query = select(Certificate).where(Certificate.serial == serial, Certificate.der.is_not(None))
    found = session.scalars(query).all()
    if not found:
        raise EvidenceFault(f"no certificate with the serial number {serial} was issued here")
    ours = public_key_digest(issuers[0])
    certificate = next((one for one in found if one.issuer == ours), None)
    if certificate is None:
        raise EvidenceFault(
            f"{serial} was issued by another CA than the one of the configuration: name that in [ca]"
        )
    return certificate


def public_key_digest(der: bytes) -> str:
    """Hex SHA-256 of the public key (SPKI) of a certificate (DER)."""
    key = x509.load_der_x509_certificate(der).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _approvals(session: Session, entry: Entry) -> Sequence[Decision]:
    query = select(Decision).join(Approval, Approval.decision_id == Decision.id)
    query = query.where(Approval.entry_id == entry.id, Decision.verb == Verb.APPROVE).order_by(Decision.id)
    found = session.scalars(query).all()
    if not found:
        raise EvidenceFault("the store holds no approval of this row")
    return found


def _decision_files(session: Session, decision: Decision, signed: Signed) -> Iterator[tuple[str, bytes]]:
    yield "eml", inbox.blob(session, decision.mail_sha256)
    yield "signed", signed.signed_bytes
    yield "signature", signed.signature
    yield "status", _blob(session, decision.status_sha256, "what the verification said")
    for name, digest in json.loads(decision.materials).items():
        yield name, _blob(session, digest, name)


def _batch_sheet(session: Session, name: str, decision: Decision, code: str) -> dict[str, bytes]:
    """`code`: of the application's sheet."""
    if decision.code == code:
        return {}
    batch = batches.find_by_code(session, decision.code)
    if batch is None:
        raise EvidenceFault(f"the sheet with the code {decision.code} is gone")
    return {f"{name}.sheet": inbox.blob(session, batch.sheet_sha256)}


def read_signed(raw: bytes) -> Signed:
    """The signed bytes of a stored mail, as they were verified. Raises EvidenceFault for a mail without a signature."""
    entity = find_signed(raw)
    if not isinstance(entity, SignedEntity):
        raise EvidenceFault("a decision's mail holds no signature that can be read")
    if entity.inline:
        root, block = read_entity(raw), read_clearsigned(entity.signed_bytes)
        if not isinstance(root, Entity) or isinstance(block, Reason):
            raise EvidenceFault("a decision's signature can't be read any more")
        return Signed("openpgp", "inline", block.text.removesuffix(b"\n"), root.decoded() or b"")
    scheme = entity.scheme.value
    if entity.signed_bytes:
        return Signed(scheme, "detached", entity.signed_bytes, entity.signature)
    cms = read_cms(entity.signature)
    if not isinstance(cms, CmsSignature) or cms.content is None:
        raise EvidenceFault("a decision's signature can't be read any more")
    return Signed(scheme, "opaque", cms.content, entity.signature)


def _path(session: Session, shown: _Shown, first: str) -> Iterator[str]:
    """The journal from the entry with the hash `first` on, one a line; of other entries' facts the digest only."""
    start = 1
    if first != GENESIS:
        start = session.scalar(select(JournalEntry.seq).where(JournalEntry.hash == first)) or 0
    if not start:
        raise EvidenceFault("the journal does not hold the head that the sheet names: `ringi journal verify`")
    for line in journal.lines(session, start):
        fields = (
            str(line.seq),
            journal.written_time(line.at),
            line.event,
            journal.facts_digest(line.facts),
            line.previous,
            line.hash,
            line.facts if shown.holds(line) else "-",
        )
        yield "\t".join(fields) + "\n"


def _blob(session: Session, digest: str, what: str) -> bytes:
    try:
        return inbox.blob(session, digest)
    except KeyError:
        raise EvidenceFault(f"{what} is not in the store ({digest})") from None
