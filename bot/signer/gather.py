"""What the desk hands to the signer for one application: everything it stored that proves the approvals."""

from sqlalchemy.orm import Session

from bot.signer.messages import Evidence, SignedMail
from handlers.rules.register import Register
from store import applications, batches, inbox
from store.states import Verb
from store.tables import Application, Decision

_MOST_MAILS = 100


def gather(session: Session, application: Application, register: Register) -> Evidence | None:
    """None if bytes are gone that the store should hold."""
    decisions = [d for d in applications.decisions_on(session, application.number) if d.verb is Verb.APPROVE]
    try:
        return Evidence(
            sheet=inbox.blob(session, application.sheet_sha256),
            file=inbox.blob(session, application.file_sha256),
            mails=tuple(_mail(session, decision) for decision in decisions[-_MOST_MAILS:]),
            batches=tuple(_batches(session, decisions)),
            register_sha256=register.digest,
        )
    except KeyError:
        return None


def _mail(session: Session, decision: Decision) -> SignedMail:
    received_at = inbox.received_at(session, decision.mail_sha256) or decision.decided_at
    return SignedMail(raw=inbox.blob(session, decision.mail_sha256), received_at=received_at)


def _batches(session: Session, decisions: list[Decision]) -> list[bytes]:
    codes = dict.fromkeys(decision.code for decision in decisions)
    found = (batches.find_by_code(session, code) for code in codes)
    return [inbox.blob(session, batch.sheet_sha256) for batch in found if batch]
