"""What a stored decision proves when its signed mail is verified once more, right before issuing (threats PGP5)."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from sqlalchemy.orm import Session

from handlers.incoming import IncomingMail
from handlers.rules.batch_sheet import BatchSheet
from handlers.rules.proof import Case, SignedText, approved_rows
from handlers.rules.sheet import SheetFault, parse_sheet
from store import inbox, returned_tsvs
from store.tables import Application, Decision

# decision id -> the SEQs whose approval its signature proves
Proven = Mapping[int, frozenset[int]]


def proven_rows(
    case: Case, decision: Decision, mail: IncomingMail, batches: Sequence[tuple[str, BatchSheet]] = ()
) -> frozenset[int]:
    """The rows that the signed mail approves, if the signature is still good, by the same key, over the same bytes;
    else none. `batches`: as in `handlers.rules.proof.approved_rows`."""
    signature = mail.signature
    if signature is None:
        return frozenset()
    is_same = (
        signature.institution == case.sheet.institution
        and signature.officer == decision.officer
        and signature.fingerprint == decision.fingerprint
        and signature.content.signed_sha256 == decision.signed_sha256
    )
    if not is_same:
        return frozenset()
    files = frozenset(sha256(a.data).hexdigest() for a in signature.content.attachments)
    return approved_rows(case, SignedText(signature.content.text or "", files), batches)


def case_of(session: Session, application: Application) -> Case | None:
    """What the officers were asked; None if its sheet is gone or broken."""
    try:
        sheet = parse_sheet(inbox.blob(session, application.sheet_sha256))
    except (KeyError, SheetFault):
        return None
    is_returned = returned_tsvs.find(session, application.file_sha256) is not None
    return Case(sheet, application.sheet_sha256, is_returned)
