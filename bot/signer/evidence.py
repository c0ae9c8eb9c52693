"""What the evidence proves, found out by the signer itself: nothing that the desk says is believed (threats SIG1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import combinations

from bot.reading import Reader
from bot.signer.messages import Evidence, SignedMail
from handlers.context import Desk
from handlers.incoming import MailKey
from handlers.rules.approval import read_decision
from handlers.rules.batch_sheet import BatchSheet, parse_batch_sheet
from handlers.rules.column_checks import trim_cells
from handlers.rules.identity import is_one_of
from handlers.rules.policy import progress
from handlers.rules.proof import Case, SignedText, approved_rows
from handlers.rules.register import Institution, Officer, Policy
from handlers.rules.row_errors import Code
from handlers.rules.sheet import Sheet, SheetFault, code_of, parse_sheet, policy_digest
from handlers.rules.tsv import Row, read_tsv
from handlers.rules.upload import read_upload
from store.states import ErrorMode, Kind

_NOWHERE = MailKey("", "", 0, 0)  # a decision read again
_MOST_ROWS = 10_000
_CONTACT = 10  # the column of the contact's mail, of every kind
# clocks of two officers differ; an order by them is only believed beyond this
_ORDER_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True)
class Approval:
    """One officer's signed approval of some rows."""

    officer: Officer
    signed_at: datetime
    seqs: frozenset[int]
    faultless_only: bool


@dataclass(frozen=True)
class Proof:
    """What officers approved: `rows` are the sheet's, read from the file they signed for."""

    case: Case
    institution: Institution
    policy: Policy
    rows: Mapping[int, Row]
    encoding: str
    approvals: tuple[Approval, ...]

    def is_approved(self, seq: int) -> bool:
        """Enough officers, each with the right role in the right step."""
        found = [approval for approval in self.approvals if seq in approval.seqs]
        return progress(self.policy, [approval.officer for approval in _in_order(found)]).is_done

    @property
    def stops_all(self) -> bool:
        """Whether one row that fails stops the others: as the last approval says (manual 1-1-4 step 4)."""
        return not (self.approvals and _in_order(list(self.approvals))[-1].faultless_only)


def read_evidence(
    evidence: Evidence,
    desk: Desk,
    reader: Reader,
    now: datetime,
    kinds: frozenset[Kind],
    is_our_file: Callable[[bytes], bool] = lambda _: False,
) -> Proof | Code:
    """What `evidence` proves for an application of one of `kinds`, or the first thing that is wrong with it as a whole.

    `is_our_file`: whether a TSV is a revocation of our own making. Raises VerifierFault.
    """
    sheet = _read_sheet(evidence.sheet, desk, kinds)
    if sheet is None:
        return Code.TAMPERED
    institution = reader.register.institutions.get(sheet.institution)
    if institution is None:
        return Code.INSTITUTION_INACTIVE
    file = _read_rows(evidence.file, sheet)
    if file is None:
        return Code.TAMPERED
    policy = institution.policy_for(sheet.kind)
    if policy is None or (sheet.policy, sheet.policy_sha256) != (policy.name, policy_digest(policy)):
        return Code.UNPROVEN
    rows, encoding, is_whole = file
    is_whole = is_whole or institution.error_mode is ErrorMode.FAULTLESS_ONLY
    case = Case(sheet, sha256(evidence.sheet).hexdigest(), is_our_file(evidence.file), is_whole)
    applicants = frozenset() if policy.self_approval else _contacts(rows)
    batches = _read_batches(evidence.batches)
    found = (_read_approval(mail, case, reader, now, batches) for mail in evidence.mails)
    approvals = tuple(a for a in found if a is not None and not is_one_of(a.officer, applicants))
    return Proof(case, institution, policy, rows, encoding, approvals)


def _read_sheet(data: bytes, desk: Desk, kinds: frozenset[Kind]) -> Sheet | None:
    try:
        sheet = parse_sheet(data)
    except SheetFault:
        return None
    seqs = [row.seq for row in sheet.rows]
    is_ours = sheet.instance == desk.instance and sheet.kind in kinds
    return sheet if is_ours and len(set(seqs)) == len(seqs) else None


def _read_rows(data: bytes, sheet: Sheet) -> tuple[dict[int, Row], str, bool] | None:
    """The sheet's rows as the file holds them, and whether these are all; None unless file and rows are those that were
    frozen."""
    if sha256(data).hexdigest() != sheet.file_sha256:
        return None
    # a file's name was never signed
    file = read_tsv(data, "evidence.tsv", max_rows=_MOST_ROWS)
    by_seq = {row.seq: row for row in file.rows}
    rows = {}
    for named in sheet.rows:
        row = by_seq.get(named.seq)
        if row is None or sha256(row.raw).hexdigest() != named.digest:
            return None
        rows[named.seq] = row
    return rows, file.encoding, len(rows) == len(file.rows)


def _contacts(rows: Mapping[int, Row]) -> frozenset[str]:
    """Column 10 of every row: whom the application is for, and who may not approve it (threats ID3)."""
    cells = (trim_cells(row)[_CONTACT - 1 : _CONTACT] for row in rows.values())
    return frozenset(cell.lower() for found in cells for cell in found)


def _read_batches(sheets: tuple[bytes, ...]) -> list[tuple[str, BatchSheet]]:
    found = []
    for data in sheets:
        try:
            found.append((code_of(data), parse_batch_sheet(data)))
        except SheetFault:
            continue
    return found


def _read_approval(
    mail: SignedMail, case: Case, reader: Reader, now: datetime, batches: list[tuple[str, BatchSheet]]
) -> Approval | None:
    """None for what is no good approval of this sheet by an officer of its institution.

    A mail can't have come after now: a later time would let in signatures of the future. An earlier one must not
    bring back an expired certificate, or a revocation list from before a key was stolen.
    """
    read = reader.read(mail.raw, _NOWHERE, min(mail.received_at, now), judged_at=now)
    signature = read.signature
    if signature is None or signature.institution != case.sheet.institution:
        return None
    institution = reader.register.institutions[signature.institution]
    officer = institution.officer(signature.officer)
    if officer is None:
        return None
    text = signature.content.text or ""
    files = frozenset(sha256(a.data).hexdigest() for a in signature.content.attachments)
    seqs = approved_rows(case, SignedText(text, files), batches)
    return Approval(officer, signature.signed_at, seqs, _is_faultless_only(text)) if seqs else None


def _is_faultless_only(text: str) -> bool:
    decision, upload = read_decision(text).decision, read_upload(text)
    return bool((decision and decision.faultless_only) or (upload and upload.faultless_only))


def _in_order(approvals: list[Approval]) -> list[Approval]:
    """As they came, by the desk's word; by the officers' own clocks where these say clearly otherwise."""
    is_believable = all(
        earlier.signed_at - later.signed_at <= _ORDER_TOLERANCE
        for earlier, later in combinations(approvals, 2)
    )
    return approvals if is_believable else sorted(approvals, key=lambda a: a.signed_at)
