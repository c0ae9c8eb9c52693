"""Whom a letter about a certificate goes to: the contact of its row, and the institution's officers."""

from handlers.context import Context
from handlers.incoming import Attachment
from handlers.notices import Letter, Notice, to_officer
from handlers.rules.register import Institution
from store.tables import Entry


def institution_of(ctx: Context, entry: Entry) -> Institution | None:
    """None if it left the register."""
    return ctx.register.institutions.get(entry.application.institution)


def to_contact(
    ctx: Context, entry: Entry, letter: Letter, attachments: tuple[Attachment, ...] = ()
) -> Notice:
    """To column 10's address, as an answer to the application; unsigned, as all mails to applicants."""
    institution = institution_of(ctx, entry)
    thread = (entry.application.message_id,) if entry.application.message_id else ()
    language = institution.language if institution else "ja"
    to = entry.contact_mail.lower()
    return Notice(to, language, letter, number=entry.number, thread=thread, attachments=attachments)


def to_officers_of(
    ctx: Context, entry: Entry, letter: Letter, attachments: tuple[Attachment, ...] = ()
) -> tuple[Notice, ...]:
    """To every officer; those who share an address get one mail there. None of an institution that left."""
    institution = institution_of(ctx, entry)
    if institution is None:
        return ()
    notices = (
        to_officer(institution, officer, letter, number=entry.number, attachments=attachments)
        for officer in institution.officers
    )
    return tuple({notice.to: notice for notice in notices}.values())
