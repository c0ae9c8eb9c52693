"""What a stored decision proves when its signed mail is verified once more, right before issuing (threats PGP5)."""

from collections.abc import Mapping

from handlers.incoming import IncomingMail
from handlers.rules.approval import read_decision
from store.states import Kind, Verb
from store.tables import Application, Decision

# decision id -> the SEQs whose approval its signature proves
Proven = Mapping[int, frozenset[int]]


def proven_rows(application: Application, decision: Decision, mail: IncomingMail) -> frozenset[int]:
    """The rows that the signed text approves, if the signature is still good, by the same key, over the same bytes
    and names this application's code; else none."""
    signature = mail.signature
    if signature is None or signature.content.text is None:
        return frozenset()
    reading = read_decision(signature.content.text)
    line = reading.decision
    holds = (
        line is not None
        and line.verb is Verb.APPROVE
        and line.is_revocation == (application.kind is Kind.REVOKE)
        and reading.codes == (application.code,)
        and decision.code == application.code
        and signature.institution == application.institution
        and signature.officer == decision.officer
        and signature.fingerprint == decision.fingerprint
        and signature.content.signed_sha256 == decision.signed_sha256
    )
    if not holds or line is None:
        return frozenset()
    return frozenset(entry.seq for entry in application.entries if line.covers(entry.seq))
