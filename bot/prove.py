"""Verifying stored approvals once more, with the keys as they are now (threats PGP5)."""

from sqlalchemy.orm import Session

from bot.reading import Reader
from handlers.incoming import MailKey
from handlers.proof import Proven, proven_rows
from store import applications, inbox, returned_tsvs
from store.states import Verb
from store.tables import Application

_NOWHERE = MailKey("", "", 0, 0)  # a decision read again from the store


def prove(session: Session, application: Application, reader: Reader) -> Proven:
    """What every approving signature on `application` still proves."""
    proven = {}
    is_returned = returned_tsvs.find(session, application.file_sha256) is not None
    for decision in applications.decisions_on(session, application.number):
        if decision.verb is Verb.APPROVE:
            raw = inbox.blob(session, decision.mail_sha256)
            mail = reader.read(raw, _NOWHERE, decision.decided_at)
            proven[decision.id] = proven_rows(application, decision, mail, is_returned=is_returned)
    return proven
