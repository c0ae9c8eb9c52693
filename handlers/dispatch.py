"""Which handler takes a mail: one ordered table, the first that takes it handles it."""

from collections.abc import Callable
from dataclasses import dataclass

from handlers import (
    answer,
    apply,
    ask_status,
    batch,
    command,
    contact,
    decide,
    delivery_report,
    self_help,
    upload,
)
from handlers.breaker import limit_answers
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.quota import pass_over


@dataclass(frozen=True)
class Handler:
    name: str
    takes: Callable[[IncomingMail], bool]
    handle: Callable[[IncomingMail, Context], Handled]


# The order is the meaning: reports of our own mails first, then what can't be read or kept, authority before words,
# words before help.
HANDLERS = (
    # before unreadable: servers report from addresses that nobody could answer, and return mails that they cut
    Handler("delivery report", delivery_report.takes, delivery_report.take_report),
    Handler("unreadable", answer.is_unreadable, answer.answer_unreadable),
    Handler("private key", answer.holds_private_key, answer.answer_private_key),
    Handler("unread signature", answer.has_unread_text, answer.answer_unread_text),
    # before decisions: a command beside a decision must stop both
    Handler("command", command.takes, command.answer_command),
    Handler("decision", decide.takes, batch.decide_any),
    Handler("contact", contact.takes, contact.update_contacts),
    Handler("upload", upload.takes, upload.upload),
    Handler("automatic", answer.is_automatic, answer.keep_silent),
    Handler("self-help", self_help.takes, self_help.help_themselves),
    Handler("status", ask_status.takes, ask_status.answer_status),
    Handler("application", apply.takes, apply.apply),
    Handler("refused signature", answer.has_refused_signature, answer.answer_refused_signature),
    Handler("unsigned decision", answer.is_unsigned_decision, answer.answer_unsigned_decision),
    Handler("help", lambda mail: True, answer.help_sender),
)


def handle(mail: IncomingMail, ctx: Context) -> Handled:
    """What becomes of `mail`. Writes through `ctx.session`; the caller commits and sends."""
    handled = pass_over(mail, ctx)
    if handled is None:
        handler = next(handler for handler in HANDLERS if handler.takes(mail))
        handled = handler.handle(mail, ctx)
    return limit_answers(mail, handled, ctx)
