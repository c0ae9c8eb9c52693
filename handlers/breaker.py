"""Stops answering an address that comes back again and again: machines that answer us are not all marked as such.

Header rules miss real automatic mails (threats LP1), and a mail that quotes a sheet's code is answered each time.
"""

from dataclasses import replace
from datetime import timedelta

from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.rules.reasons import Reason
from store import inbox
from store.states import Filed

# refused mails of one address after which the next is met with silence
_MOST = ((timedelta(hours=1), 30), (timedelta(days=1), 100))


def limit_answers(mail: IncomingMail, handled: Handled, ctx: Context) -> Handled:
    """`handled` without its answers and alarms, where the sender's address had enough of them.

    What changed something is always answered, and so is an officer whose signature is good, unless the mail is
    marked as automatic.
    """
    is_signed = mail.signature is not None
    may_repeat = is_signed and mail.automatic is None
    if not handled.notices or handled.filed is Filed.DONE or may_repeat:
        return handled
    counts = (
        (inbox.count_refused(ctx.session, mail.sender, ctx.now - span, signed=is_signed), most)
        for span, most in _MOST
    )
    if all(count < most for count, most in counts):
        return handled
    return replace(handled, reason=Reason.ANSWERED_OFTEN, notices=())
