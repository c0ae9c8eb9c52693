"""What a stored decision proves when its signed mail is verified once more, right before issuing (threats PGP5)."""

from collections.abc import Mapping
from hashlib import sha256

from handlers.incoming import IncomingMail, SignedContent
from handlers.rules.approval import DecisionLine, read_decision
from handlers.rules.upload import read_upload
from store.states import Kind, Verb
from store.tables import Application, Decision

# decision id -> the SEQs whose approval its signature proves
Proven = Mapping[int, frozenset[int]]


def proven_rows(
    application: Application, decision: Decision, mail: IncomingMail, *, is_returned: bool = False
) -> frozenset[int]:
    """The rows that the signed mail approves, if the signature is still good, by the same key, over the same bytes;
    else none. It names this application's code, or it carries the very file and says `申請承認`.

    `is_returned`: the file is a revocation TSV of our own making, whose return is the approval.
    """
    signature = mail.signature
    if signature is None:
        return frozenset()
    is_same = (
        decision.code == application.code
        and signature.institution == application.institution
        and signature.officer == decision.officer
        and signature.fingerprint == decision.fingerprint
        and signature.content.signed_sha256 == decision.signed_sha256
    )
    if not is_same:
        return frozenset()
    seqs = frozenset(entry.seq for entry in application.entries)
    if _approves_file(application, signature.content, is_returned):
        return seqs
    line = _approving_line(application, signature.content)
    return frozenset(seq for seq in seqs if line and line.covers(seq))


def _approving_line(application: Application, content: SignedContent) -> DecisionLine | None:
    """The decision line, if it approves in the right word and the text names the sheet's code and no other."""
    reading = read_decision(content.text or "")
    line = reading.decision
    is_revocation = application.kind is Kind.REVOKE
    if line is None or line.verb is not Verb.APPROVE or line.is_revocation != is_revocation:
        return None
    return line if reading.codes == (application.code,) else None


def _approves_file(application: Application, content: SignedContent, is_returned: bool) -> bool:
    """Whether the signature covers the application's own file under a line that approves it."""
    if application.file_sha256 not in {sha256(a.data).hexdigest() for a in content.attachments}:
        return False
    line = read_upload(content.text or "")
    if line is not None:
        return line.approves and line.kind is application.kind
    return is_returned and application.kind is Kind.REVOKE
