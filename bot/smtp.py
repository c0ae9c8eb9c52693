"""One SMTP server: a connection, a login, one mail to one recipient. The only module that knows aiosmtplib.

aiosmtplib raises the same exceptions before and after a server has taken a mail, so the stage is tracked here.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import aiosmtplib
import structlog

from bot.config import SecretFault, Smtp
from bot.tls import TrustFault, client_context, trust_advice
from store.states import OutboxState

_log = structlog.get_logger()

_FAREWELL = 2.0  # seconds that a server has to answer RSET and QUIT
_AUTHENTICATION_REQUIRED = 530
Connection = aiosmtplib.SMTP


class SmtpFault(Exception):
    """The server as a whole cannot be used; every mail waits in the outbox.

    `temporary` is False where a person must mend something first: certificate, password, sender's rights, port.
    """

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True)
class Outcome:
    """What became of one mail. `is_about_us`: the others cannot be sent either, for ever if `is_final`."""

    state: OutboxState
    error: str = ""
    is_about_us: bool = False
    is_final: bool = False


def probe_smtp(settings: Smtp) -> None:
    """Connect, log in, leave. Raises `SmtpFault`."""

    async def probe() -> None:
        await say_goodbye(await connect(settings))

    asyncio.run(probe())


def send_now(settings: Smtp, sender: str, mails: Sequence[tuple[str, bytes]]) -> str | None:
    """Send without the outbox, where nothing can be written: recipient and mail. Why none of them left, or None."""

    async def send() -> str | None:
        client = await connect(settings)
        outcomes = [await submit(client, sender, recipient, data) for recipient, data in mails]
        await say_goodbye(client)
        for (recipient, _), outcome in zip(mails, outcomes, strict=True):
            _log.info("mail_" + outcome.state, recipient=recipient, error=outcome.error)
        if any(outcome.state is OutboxState.SENT for outcome in outcomes):
            return None
        return outcomes[0].error or "refused"

    if not mails:
        return None
    try:
        return asyncio.run(send())
    except SmtpFault as fault:
        return str(fault)


async def submit(client: aiosmtplib.SMTP, sender: str, recipient: str, data: bytes) -> Outcome:
    """One mail to one recipient. What the server says or does is never an exception."""
    try:
        await client.mail(sender, options=_options(client, data))
    except (aiosmtplib.SMTPException, OSError) as error:
        return _refused_sender(error)
    try:
        await client.rcpt(recipient)
    except (aiosmtplib.SMTPException, OSError) as error:
        return await _after(client, _refused_recipient(error))
    except ValueError as error:
        # an address that cannot stand in the command, e.g. not ASCII: no server will ever see it
        return await _after(client, Outcome(OutboxState.FAILED, str(error)))
    try:
        await client.data(data)
    except (aiosmtplib.SMTPException, OSError) as error:
        return await _after(client, _refused_data(error))
    return Outcome(OutboxState.SENT)


def _options(client: aiosmtplib.SMTP, data: bytes) -> list[str]:
    return ["BODY=8BITMIME"] if not data.isascii() and client.supports_extension("8bitmime") else []


def _refused_sender(error: Exception) -> Outcome:
    text = f"the sender was refused: {_text(error)}"
    # a refusal of MAIL says nothing of this mail and holds for the others too
    is_refusal = isinstance(error, aiosmtplib.SMTPResponseException)
    return Outcome(
        OutboxState.RETRY, text, is_about_us=is_refusal or _is_silence(error), is_final=_is_final(error)
    )


def _refused_recipient(error: Exception) -> Outcome:
    if getattr(error, "code", None) == _AUTHENTICATION_REQUIRED:
        text = f"the server wants a login: {_text(error)}"
        return Outcome(OutboxState.RETRY, text, is_about_us=True, is_final=True)
    state = OutboxState.FAILED if _is_final(error) else OutboxState.RETRY
    return Outcome(state, _text(error), is_about_us=_is_silence(error))


def _refused_data(error: Exception) -> Outcome:
    if isinstance(error, aiosmtplib.SMTPDataError) and 400 <= error.code <= 599:
        return Outcome(OutboxState.FAILED if _is_final(error) else OutboxState.RETRY, _text(error))
    # no answer, or one that is neither yes nor no: the server may have taken the mail
    return Outcome(OutboxState.UNKNOWN, _text(error), is_about_us=_is_silence(error))


def was_hung_up_on(client: aiosmtplib.SMTP, outcome: Outcome) -> bool:
    return not client.is_connected and outcome.state in (OutboxState.RETRY, OutboxState.UNKNOWN)


async def _after(client: aiosmtplib.SMTP, outcome: Outcome) -> Outcome:
    """Make the connection ready for the next mail, or end it."""
    try:
        if client.is_connected:
            await client.rset(timeout=_FAREWELL)
    except (aiosmtplib.SMTPException, OSError):
        client.close()
    return outcome


async def connect(settings: Smtp) -> aiosmtplib.SMTP:
    try:
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=client_context(settings),
            local_hostname=_own_name(),
        )
        await client.connect()
    except (aiosmtplib.SMTPException, OSError) as error:
        place = f"{settings.host}:{settings.port}"
        advice = trust_advice(settings, error)
        text = advice or f"{place}: connecting failed: {_text(error)}"
        raise SmtpFault(text, temporary=not advice and not _is_final(error)) from error
    except TrustFault as fault:
        raise SmtpFault(str(fault), temporary=False) from fault
    if settings.user:
        await _log_in(client, settings)
    return client


async def _log_in(client: aiosmtplib.SMTP, settings: Smtp) -> None:
    transport = client.transport  # the client forgets it where a server is silent
    try:
        secret = settings.secret()
        if settings.token_command:
            await client.auth_xoauth2(settings.user, secret)
        else:
            await client.login(settings.user, secret)
    except (aiosmtplib.SMTPException, OSError) as error:
        await hang_up(transport)
        # the next login runs token_command anew, and the token may just have ended
        temporary = bool(settings.token_command) or not _is_final(error)
        text = f"{settings.host}:{settings.port}: login as {settings.user} failed: {_text(error)}"
        raise SmtpFault(text, temporary=temporary) from error
    except SecretFault as fault:
        await hang_up(transport)
        raise SmtpFault(str(fault), temporary=fault.temporary) from fault


async def say_goodbye(client: aiosmtplib.SMTP) -> None:
    transport = client.transport
    try:
        if client.is_connected:
            await client.quit(timeout=_FAREWELL)
    except (aiosmtplib.SMTPException, OSError) as error:
        _log.debug("smtp_quit_failed", error=_text(error))
    await hang_up(transport)


async def hang_up(transport: asyncio.BaseTransport | None) -> None:
    """Leave no socket behind: the polite end of TLS, which `close` begins, would outlive the event loop."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
        await asyncio.sleep(0)


def _is_final(error: Exception) -> bool:
    """A 5xx answer, or a server that cannot do what we ask; neither a 4xx nor a lost connection."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return 500 <= error.code <= 599
    return not isinstance(error, OSError)


def _is_silence(error: Exception) -> bool:
    """A server that lets one mail wait lets the next wait as long, and a late answer would be taken for another's."""
    return isinstance(error, TimeoutError)


def _text(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__


def _own_name() -> str:
    # without a name the library asks DNS for one, which can take seconds
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", name) else "localhost"
