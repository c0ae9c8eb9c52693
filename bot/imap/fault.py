"""What goes wrong with an IMAP server, in words that tell the administrator what to look at."""

import imaplib

from bot.config import Imap
from bot.tls import trust_advice

# codes of a NO that may be a yes later (RFC 5530)
_PASSING = ("UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG")


class ImapFault(Exception):
    """The server cannot be used now. Open a new `Folder` after `backoff`.

    `temporary` is False where a person must mend something first: certificate, password, folder names, port.
    """

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


def backoff(attempt: int, jitter: float, *, temporary: bool = True) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1); `jitter` in [0, 1).

    1, 2, 4 ... 300 s, each longer by up to a half, so that many bots do not come back in the same second. Where a
    person must mend something 1, 2, 4 ... 10 minutes: a refused password tried more often locks the account.
    """
    first, longest = (1, 300) if temporary else (60, 600)
    return float(min(longest, first * 2 ** min(max(attempt, 1) - 1, 10))) * (1 + jitter / 2)


def is_lost(error: BaseException | None) -> bool:
    """True if the connection is gone or out of step; False for a NO or BAD, after which it can go on."""
    return isinstance(error, OSError | imaplib.IMAP4.abort) and not isinstance(error, imaplib.IMAP4.readonly)


def fault_of(settings: Imap, doing: str, error: Exception, *, refusal_is_temporary: bool) -> ImapFault:
    """What to tell about `error`, met while `doing` something. A lost connection is always temporary."""
    if advice := trust_advice(settings, error):
        return ImapFault(advice, temporary=False)
    temporary = is_lost(error) or refusal_is_temporary
    return ImapFault(f"{settings.host}:{settings.port}: {doing} failed: {_said(error)}", temporary=temporary)


def login_fault(settings: Imap, error: Exception) -> ImapFault:
    """What to tell about a failed login: a lost connection and a bad password look alike."""
    place = f"{settings.host}:{settings.port}"
    # imapclient wraps a lost connection into the same LoginError as a refusal
    if is_lost(error) or is_lost(error.__context__):
        return ImapFault(
            f"{place}: the connection was lost during login: the server or the network is in trouble,"
            f" or the server hangs up on a wrong password ({_said(error)})",
            temporary=True,
        )
    if settings.token_command:
        # the next login runs token_command anew, and the token may just have ended
        return ImapFault(f"{place}: the OAuth2 token was refused: {_said(error)}", temporary=True)
    passing = any(f"[{code}]" in str(error) for code in _PASSING)
    return ImapFault(f"{place}: login as {settings.user} was refused: {_said(error)}", temporary=passing)


def _said(error: BaseException) -> str:
    # imapclient puts the text of imaplib's error, often bytes, into its own
    inner = error.__context__ if isinstance(error.__context__, imaplib.IMAP4.error) else error
    first = inner.args[0] if inner.args else ""
    return (
        first.decode("utf-8", "replace") if isinstance(first, bytes) else str(inner) or type(inner).__name__
    )
