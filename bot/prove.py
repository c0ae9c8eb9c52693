"""Verifying stored approvals once more, with the keys as they are now (threats PGP5)."""

from collections.abc import Sequence

import structlog
from sqlalchemy.orm import Session

from bot.reading import Reader
from bot.verified import VerifierFault
from handlers.incoming import MailKey
from handlers.proof import Proven, case_of, proven_rows
from handlers.rules.batch_sheet import BatchSheet, parse_batch_sheet
from handlers.rules.sheet import SheetFault
from store import applications, batches, inbox
from store.states import Verb
from store.tables import Application

log = structlog.get_logger()
_NOWHERE = MailKey("", "", 0, 0)  # a decision read again from the store


def prove_each(session: Session, found: Sequence[Application], reader: Reader) -> dict[str, Proven]:
    """By number. What can't be judged now (no gpg, a stale revocation list) is left out and waits: the others go on."""
    proven = {}
    for application in found:
        try:
            proven[application.number] = prove(session, application, reader)
        except VerifierFault as fault:
            log.error("unproven", number=application.number, temporary=fault.temporary, error=str(fault))
    return proven


def prove(session: Session, application: Application, reader: Reader) -> Proven:
    """What every approving signature on `application` still proves. Raises VerifierFault."""
    case = case_of(session, application)
    if case is None:
        return {}
    proven = {}
    for decision in applications.decisions_on(session, application.number):
        if decision.verb is Verb.APPROVE:
            try:
                raw = inbox.blob(session, decision.mail_sha256)
                batch = _batch(session, decision.code)
            except (KeyError, SheetFault):
                # somebody took it out of the store: then it proves nothing
                continue
            # by when it came, as at first: a key's last day must not end between the two
            received_at = inbox.received_at(session, decision.mail_sha256) or decision.decided_at
            mail = reader.read(raw, _NOWHERE, received_at)
            proven[decision.id] = proven_rows(case, decision, mail, batch)
    return proven


def _batch(session: Session, code: str) -> list[tuple[str, BatchSheet]]:
    batch = batches.find_by_code(session, code)
    return [(code, parse_batch_sheet(inbox.blob(session, batch.sheet_sha256)))] if batch else []
