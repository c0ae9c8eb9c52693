"""An officer's signed command, answered to that officer and about their own institution only (manual 1-4)."""

from dataclasses import replace

from handlers import upload
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.letters.lookup import OfficerHelp, OfficerTimestamp
from handlers.listing import list_allowed, list_inventory, list_statistics
from handlers.notices import Letter, to_officer
from handlers.officer_answer import Officered, answer_officer
from handlers.resend import send_again
from handlers.rules.commands import Command, Topic, read_command
from handlers.rules.reasons import Reason
from handlers.status import look_up
from handlers.take import thread_of
from store.states import Filed

_KIND = "command"
_Answer = tuple[Letter, tuple[Attachment, ...]]


def takes(mail: IncomingMail) -> bool:
    """A good signature over a text with a command line of the officer's own, whatever else stands there."""
    if mail.signature is None or mail.signature.content.text is None:
        return False
    return read_command(mail.signature.content.text) is not None


def answer_command(mail: IncomingMail, ctx: Context) -> Handled:
    """Carry the one command out; with a second one, a decision or a signed TSV beside it, nothing of the mail."""
    signature = mail.signature
    assert signature is not None
    assert signature.content.text is not None
    who = Officered.of(mail, signature, ctx)
    command = read_command(signature.content.text)
    assert command is not None
    if isinstance(command, Reason) or upload.takes(mail):
        return _refuse(who, Reason.TWO_COMMANDS)
    if command.topic is Topic.RESEND:
        reason, notices = send_again(who, command.about)
        if not notices:
            return _refuse(who, reason)
        return Handled(_KIND, reason, Filed.DONE, notices, command.topic, notices[0].number)
    answer = _look_up(who, command)
    if answer is None:
        return _refuse(who, Reason.NOT_FOUND)
    letter, attachments = answer
    notice = to_officer(who.institution, who.officer, letter, thread=thread_of(mail), attachments=attachments)
    return Handled(_KIND, Reason.ANSWERED, Filed.DONE, (notice,), command.topic)


def _look_up(who: Officered, command: Command) -> _Answer | None:
    match command.topic:
        case Topic.INVENTORY:
            return list_inventory(who)
        case Topic.STATISTICS:
            return list_statistics(who)
        case Topic.ALLOWLIST:
            return list_allowed(who)
        case Topic.STATUS:
            return look_up(who, command.about)
        case Topic.TIMESTAMP:
            return OfficerTimestamp(who.officer.name, who.ctx.desk.timestamp_url), ()
        case _:
            return OfficerHelp(who.officer.name), ()


def _refuse(who: Officered, reason: Reason) -> Handled:
    return replace(answer_officer(who, reason, None), kind=_KIND)
