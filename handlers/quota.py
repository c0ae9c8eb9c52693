"""One sender's mails a day (threats DOS3): what is over is told once, then passed over; it stays in its folder.

Whoever forges an address uses up its quota: so an officer's good signature is never counted, and never over it.
"""

from datetime import timedelta

from handlers.answer import answer_somebody
from handlers.context import Context
from handlers.handled import Handled
from handlers.incoming import IncomingMail
from handlers.rules.reasons import Reason
from store import inbox
from store.states import Filed

_DAY = timedelta(days=1)
_SILENT = (Reason.MUTED, Reason.TOO_MANY_MAILS)


def pass_over(mail: IncomingMail, ctx: Context) -> Handled | None:
    """The verdict on a mail over its sender's quota; None for all others.

    Automatic mail gets no answer in any case, and reports of our own mails may well be many.
    """
    if mail.sender is None or mail.signature is not None or mail.automatic is not None:
        return None
    since = ctx.now - _DAY
    if inbox.count_unsigned(ctx.session, mail.sender, since, _SILENT) < ctx.desk.mails_per_day:
        return None
    # nothing of it is kept: a flood must not fill the store
    if inbox.was_given(ctx.session, mail.sender, Reason.TOO_MANY_MAILS, since):
        return Handled(inbox.OVER_QUOTA, Reason.MUTED, Filed.REFUSED, keep_raw=False)
    notices = answer_somebody(mail, ctx, Reason.TOO_MANY_MAILS)
    return Handled(inbox.OVER_QUOTA, Reason.TOO_MANY_MAILS, Filed.REFUSED, notices, keep_raw=False)
