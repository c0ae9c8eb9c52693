"""Stops writing to an address that had enough answers: machines that answer us are not all marked as such.

Header rules miss real automatic mails, and anybody can write in another's name or put another's address into a TSV
(threats LP1). So it is counted by the address that we would write to, in the outbox, whoever the mail came from.
"""

from dataclasses import replace
from datetime import timedelta

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.notices import Notice
from handlers.rules.reasons import Reason
from store import counting, journal, outbox
from store.states import Filed

# answers to one address after which the next is not written
_MOST = ((timedelta(hours=1), 30), (timedelta(days=1), 100))
# done, and nothing is another than before: whoever asks may ask again
_CHANGES_NOTHING = frozenset({Reason.CHECKED, Reason.STATUS_SENT, Reason.ANSWERED, Reason.REPEATED})
# what the same signed text gets each time it comes: anybody who has a copy may send it
_COPIES = frozenset({Reason.REPEATED, Reason.SIGNATURE_REUSED, Reason.NO_DECISION})


def limit_answers(mail: IncomingMail, handled: Handled, ctx: Context) -> Handled:
    """`handled` without what would be written to addresses that had enough of it.

    An officer whose signature is good is always answered, unless the mail is marked as automatic or says nothing new.
    """
    is_signed = mail.signature is not None and mail.automatic is None
    if is_signed and handled.reason not in _COPIES:
        return handled
    kept: list[Notice] = []
    silenced: list[Notice] = []
    for notice in handled.notices:
        if _is_owed(notice, mail, handled):
            kept.append(notice)
        elif _has_room(notice.to, kept, ctx):
            kept.append(replace(notice, is_counted=True))
        else:
            silenced.append(notice)
    if not silenced:
        return replace(handled, notices=tuple(kept))
    _note(mail, silenced, ctx)
    reason = handled.reason if kept or _has_changed(handled) else Reason.ANSWERED_OFTEN
    return replace(handled, reason=reason, notices=tuple(kept))


def _has_changed(handled: Handled) -> bool:
    return handled.filed is Filed.DONE and handled.reason not in _CHANGES_NOTHING


def _is_owed(notice: Notice, mail: IncomingMail, handled: Handled) -> bool:
    """What changed something is told to its sender and to those who decide. Column 10 may name anybody."""
    is_applicants = notice.letter.template.startswith("applicant.")
    return _has_changed(handled) and (not is_applicants or notice.to == mail.sender)


def _has_room(to: str, kept: list[Notice], ctx: Context) -> bool:
    now = sum(notice.is_counted and notice.to == to for notice in kept)
    return all(outbox.count_answers(ctx.session, to, ctx.now - span) + now < most for span, most in _MOST)


def _note(mail: IncomingMail, silenced: list[Notice], ctx: Context) -> None:
    """For the day's digest, which names the addresses."""
    facts = {
        "mail": mail.raw_sha256,
        "sender": mail.sender,
        "to": sorted({notice.to for notice in silenced}),
        "templates": sorted({notice.letter.template for notice in silenced}),
    }
    journal.append(ctx.session, ctx.now, counting.SILENCED, facts)
