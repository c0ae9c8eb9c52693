"""The outbox goes out by SMTP: the only module that knows aiosmtplib, and the only asyncio outside the web server.

aiosmtplib raises the same exceptions before and after a server has taken a mail, so the stage is tracked here.
"""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiosmtplib
import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.config import SecretFault, Smtp
from bot.tls import TrustFault, client_context, trust_advice
from store import outbox
from store.states import OutboxState
from store.tables import Outgoing
from store.transaction import reading, writing

_log = structlog.get_logger()

# how long the whole outbox waits for a server that cannot be used; a refused password must not lock the account
_PAUSE = timedelta(minutes=1)
_PAUSE_FOR_A_PERSON = timedelta(minutes=10)
_BURST = 50  # mails over one connection
_FAREWELL = 2.0  # seconds that a server has to answer QUIT
_AUTHENTICATION_REQUIRED = 530


class SmtpFault(Exception):
    """The server as a whole cannot be used; every mail waits in the outbox.

    `temporary` is False where a person must mend something first: certificate, password, sender's rights, port.
    """

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclass(frozen=True)
class DeliveryReport:
    """How many mails of one burst ended in which state; `fault` is why the burst ended early, if it did."""

    sent: int = 0
    retry: int = 0
    unknown: int = 0
    failed: int = 0
    fault: str | None = None


@dataclass(frozen=True)
class _Outcome:
    """What became of one mail. `is_about_us`: the others cannot be sent either, for ever if `is_final`."""

    state: OutboxState
    error: str = ""
    is_about_us: bool = False
    is_final: bool = False


def deliver_due(
    engine: Engine,
    settings: Smtp,
    *,
    sender: str,
    now: Callable[[], datetime],
    rng: Callable[[], float],
    on_failed: Callable[[Session, Outgoing], None] | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> DeliveryReport:
    """Send what is due, a burst over one connection, with `sender` in the envelope. Call it under the round's lease.

    Each mail: SENDING is committed, the bytes go out, the outcome is committed. `on_failed` runs in the transaction
    that marks a mail FAILED. `rng` gives jitter in [0, 1). A server that cannot be used is no exception: what is due
    waits, and the report says why. `is_wanted` is asked before each mail: False ends the burst.
    """
    with reading(engine) as session:
        ids = [outgoing.id for outgoing in outbox.due(session, now(), _BURST)]
    if not ids:
        return DeliveryReport()
    return asyncio.run(_Burst(engine, settings, sender, now, rng, on_failed, is_wanted).send_all(ids))


def probe_smtp(settings: Smtp) -> None:
    """Connect, log in, leave. Raises `SmtpFault`."""

    async def probe() -> None:
        await _say_goodbye(await _connect(settings))

    asyncio.run(probe())


@dataclass(frozen=True)
class _Burst:
    engine: Engine
    settings: Smtp
    sender: str
    now: Callable[[], datetime]
    rng: Callable[[], float]
    on_failed: Callable[[Session, Outgoing], None] | None
    is_wanted: Callable[[], bool]

    async def send_all(self, ids: Sequence[int]) -> DeliveryReport:
        ended: Counter[OutboxState] = Counter()
        client: aiosmtplib.SMTP | None = None
        fault: SmtpFault | None = None
        for place, id in enumerate(ids):
            if not self.is_wanted():
                break
            try:
                # a server may end the connection after so many mails; the next one gets a new connection
                if client is None or not client.is_connected:
                    client = await _connect(self.settings)
                await self._send(client, id, ended)
            except SmtpFault as raised:
                fault = raised
                self._postpone(ids[place:], fault)
                break
        if client is not None:
            await _say_goodbye(client)
        return DeliveryReport(
            ended[OutboxState.SENT],
            ended[OutboxState.RETRY],
            ended[OutboxState.UNKNOWN],
            ended[OutboxState.FAILED],
            str(fault) if fault else None,
        )

    async def _send(self, client: aiosmtplib.SMTP, id: int, ended: Counter[OutboxState]) -> None:
        """Nothing happens if another process was faster. Raises `SmtpFault` after the mail waits again."""
        with writing(self.engine) as session:
            outgoing = outbox.begin(session, id, self.now())
            if outgoing is None:
                return
            recipient, data = outgoing.recipient, outgoing.data
        outcome = await _submit(client, self.sender, recipient, data)
        with writing(self.engine) as session:
            marked = self._mark(session, id, outcome)
        _log.info("mail_" + marked.state, id=id, message_id=marked.message_id, error=marked.error)
        ended[marked.state] += 1
        if outcome.is_about_us:
            raise SmtpFault(outcome.error, temporary=not outcome.is_final)

    def _mark(self, session: Session, id: int, outcome: _Outcome) -> Outgoing:
        now = self.now()
        match outcome.state:
            case OutboxState.SENT:
                return outbox.mark_sent(session, id, now)
            case OutboxState.RETRY:
                marked = outbox.mark_retry(session, id, now, outcome.error, self.rng())
            case OutboxState.UNKNOWN:
                marked = outbox.mark_unknown(session, id, now, outcome.error, self.rng())
            case _:
                marked = outbox.mark_failed(session, id, now, outcome.error)
        if marked.state is OutboxState.FAILED and self.on_failed:
            self.on_failed(session, marked)
        return marked

    def _postpone(self, ids: Sequence[int], fault: SmtpFault) -> None:
        pause = _PAUSE if fault.temporary else _PAUSE_FOR_A_PERSON
        with writing(self.engine) as session:
            outbox.postpone(session, ids, self.now() + pause * (1 + self.rng() / 2), str(fault))
        _log.warning("smtp", error=str(fault), waiting=len(ids))


async def _submit(client: aiosmtplib.SMTP, sender: str, recipient: str, data: bytes) -> _Outcome:
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
        return await _after(client, _Outcome(OutboxState.FAILED, str(error)))
    try:
        await client.data(data)
    except (aiosmtplib.SMTPException, OSError) as error:
        return await _after(client, _refused_data(error))
    return _Outcome(OutboxState.SENT)


def _options(client: aiosmtplib.SMTP, data: bytes) -> list[str]:
    return ["BODY=8BITMIME"] if not data.isascii() and client.supports_extension("8bitmime") else []


def _refused_sender(error: Exception) -> _Outcome:
    text = f"the sender was refused: {_text(error)}"
    # a refusal of MAIL says nothing of this mail and holds for the others too
    is_refusal = isinstance(error, aiosmtplib.SMTPResponseException)
    return _Outcome(OutboxState.RETRY, text, is_about_us=is_refusal, is_final=_is_final(error))


def _refused_recipient(error: Exception) -> _Outcome:
    if getattr(error, "code", None) == _AUTHENTICATION_REQUIRED:
        text = f"the server wants a login: {_text(error)}"
        return _Outcome(OutboxState.RETRY, text, is_about_us=True, is_final=True)
    return _Outcome(OutboxState.FAILED if _is_final(error) else OutboxState.RETRY, _text(error))


def _refused_data(error: Exception) -> _Outcome:
    if isinstance(error, aiosmtplib.SMTPDataError) and 400 <= error.code <= 599:
        return _Outcome(OutboxState.FAILED if _is_final(error) else OutboxState.RETRY, _text(error))
    # no answer, or one that is neither yes nor no: the server may have taken the mail
    return _Outcome(OutboxState.UNKNOWN, _text(error))


async def _after(client: aiosmtplib.SMTP, outcome: _Outcome) -> _Outcome:
    """Make the connection ready for the next mail, or end it."""
    try:
        if client.is_connected:
            await client.rset()
    except (aiosmtplib.SMTPException, OSError):
        client.close()
    return outcome


async def _connect(settings: Smtp) -> aiosmtplib.SMTP:
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
    try:
        secret = settings.secret()
        if settings.token_command:
            await client.auth_xoauth2(settings.user, secret)
        else:
            await client.login(settings.user, secret)
    except (aiosmtplib.SMTPException, OSError) as error:
        await _hang_up(client.transport)
        # the next login runs token_command anew, and the token may just have ended
        temporary = bool(settings.token_command) or not _is_final(error)
        text = f"{settings.host}:{settings.port}: login as {settings.user} failed: {_text(error)}"
        raise SmtpFault(text, temporary=temporary) from error
    except SecretFault as fault:
        await _hang_up(client.transport)
        raise SmtpFault(str(fault), temporary=fault.temporary) from fault


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    transport = client.transport
    try:
        if client.is_connected:
            await client.quit(timeout=_FAREWELL)
    except (aiosmtplib.SMTPException, OSError) as error:
        _log.debug("smtp_quit_failed", error=_text(error))
    await _hang_up(transport)


async def _hang_up(transport: asyncio.BaseTransport | None) -> None:
    """Leave no socket behind: the polite end of TLS, which `close` begins, would outlive the event loop."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
        await asyncio.sleep(0)


def _is_final(error: Exception) -> bool:
    """A 5xx answer, or a server that cannot do what we ask; neither a 4xx nor a lost connection."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return 500 <= error.code <= 599
    return not isinstance(error, OSError)


def _text(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__


def _own_name() -> str:
    # without a name the library asks DNS for one, which can take seconds
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", name) else "localhost"
