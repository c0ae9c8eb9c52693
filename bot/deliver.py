"""The outbox goes out by SMTP: the only module that knows aiosmtplib, and the only asyncio outside the web server.

aiosmtplib raises the same exceptions before and after a server has taken a mail, so the stage is tracked here.
"""

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import aiosmtplib
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.config import SecretFault, Smtp
from bot.holder import this_process
from bot.logs import about
from bot.tls import TrustFault, client_context, trust_advice
from store import outbox
from store.states import OutboxState
from store.tables import Outgoing
from store.transaction import marking, reading, writing

_log = structlog.get_logger()
_T = TypeVar("_T")

# how long the whole outbox waits for a server that cannot be used; a refused password must not lock the account
_PAUSE = timedelta(minutes=1)
_PAUSE_FOR_A_PERSON = timedelta(minutes=10)
_BURST = 50  # mails over one connection
_ANSWERS = 6  # that are waited for over one mail, at most
# how long, and how often, the store is asked to take what a server said
_SETTLE_SECONDS, _SETTLE_PAUSE = 60.0, 1.0
_FRUITLESS = 2  # so many connections in a row that a server ends without a word: it does so with every mail
_FAREWELL = 2.0  # seconds that a server has to answer RSET and QUIT
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
    """Send what is due, a burst over one connection, with `sender` in the envelope.

    Each mail: SENDING is committed, the bytes go out, the outcome is committed, a yes together with the next mail's
    SENDING. `on_failed` runs in the transaction
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


def send_now(settings: Smtp, sender: str, mails: Sequence[tuple[str, bytes]]) -> str | None:
    """Send without the outbox, where nothing can be written: recipient and mail. Why none of them left, or None."""

    async def send() -> str | None:
        client = await _connect(settings)
        outcomes = [await _submit(client, sender, recipient, data) for recipient, data in mails]
        await _say_goodbye(client)
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


@dataclass(frozen=True)
class _Burst:
    """`taken`: the mail that a server has just said yes to, until that is written down: with the beginning of the next
    one, which saves a commit (a disk's flush) a mail, or by itself where nothing follows at once."""

    engine: Engine
    settings: Smtp
    sender: str
    now: Callable[[], datetime]
    rng: Callable[[], float]
    on_failed: Callable[[Session, Outgoing], None] | None
    is_wanted: Callable[[], bool]
    taken: list[Outgoing] = field(default_factory=list)
    ended: Counter[OutboxState] = field(default_factory=Counter)

    async def send_all(self, ids: Sequence[int]) -> DeliveryReport:
        # a client forgets its connection when the server hangs up, and a fault of ours ends the burst anywhere
        lines: list[asyncio.BaseTransport | None] = []
        try:
            return await self._send_each(ids, lines)
        finally:
            for line in lines:
                await _hang_up(line)

    async def _send_each(
        self, ids: Sequence[int], lines: list[asyncio.BaseTransport | None]
    ) -> DeliveryReport:
        """`lines`: gets every connection that is made."""
        client: aiosmtplib.SMTP | None = None
        fruitless = 0  # connections in a row over which nothing was decided
        fault: SmtpFault | None = None
        try:
            for place, id in enumerate(ids):
                if not self.is_wanted():
                    break
                try:
                    # a server may end the connection after so many mails; the next one gets a new connection
                    if client is None or not client.is_connected:
                        await self._write_down()
                        client = await _connect(self.settings)
                        lines.append(client.transport)
                    outcome = await self._send(client, id)
                    fruitless = fruitless + 1 if _was_hung_up_on(client, outcome) else 0
                    if outcome.is_about_us or fruitless == _FRUITLESS:
                        raise SmtpFault(outcome.error, temporary=not outcome.is_final)
                except SmtpFault as raised:
                    fault = raised
                    self._postpone(ids[place:], fault)
                    break
        finally:
            await self._write_down()
        if client is not None:
            await _say_goodbye(client)
        return DeliveryReport(
            self.ended[OutboxState.SENT],
            self.ended[OutboxState.RETRY],
            self.ended[OutboxState.UNKNOWN],
            self.ended[OutboxState.FAILED],
            str(fault) if fault else None,
        )

    async def _send(self, client: aiosmtplib.SMTP, id: int) -> _Outcome:
        """What became of it; nothing happens if another process was faster."""
        outgoing = await self._begin(id)
        if outgoing is None:
            return _Outcome(OutboxState.SENDING)
        with about(outgoing=id, number=outgoing.number):
            outcome = await _submit(client, self.sender, outgoing.recipient, outgoing.data)
            if outcome.state is OutboxState.SENT:
                self.taken.append(outgoing)
            else:
                marked = await self._settle(lambda session: self._mark(session, id, outcome), outcome.state)
                self._tell(marked)
        return outcome

    async def _begin(self, id: int) -> Outgoing | None:
        """SENDING is committed before the first byte goes out."""
        lasts = timedelta(seconds=_ANSWERS * self.settings.timeout)

        def begin(session: Session) -> Outgoing | None:
            self._mark_taken(session)
            return outbox.begin(session, id, self.now(), this_process(), lasts)

        if not self.taken:
            with marking(self.engine) as session:
                return begin(session)
        outgoing = await self._settle(begin, OutboxState.SENT, marking)
        self._forget_taken()
        return outgoing

    async def _write_down(self) -> None:
        if self.taken:
            await self._settle(self._mark_taken, OutboxState.SENT, marking)
            self._forget_taken()

    def _mark_taken(self, session: Session) -> None:
        self.taken[:] = [outbox.mark_sent(session, outgoing.id, self.now()) for outgoing in self.taken]

    def _forget_taken(self) -> None:
        for outgoing in self.taken:
            with about(outgoing=outgoing.id, number=outgoing.number):
                self._tell(outgoing)
        self.taken.clear()

    def _tell(self, marked: Outgoing) -> None:
        self.ended[marked.state] += 1
        _log.info(
            "mail_" + marked.state,
            template=marked.template,
            message_id=marked.message_id,
            error=marked.error,
        )

    async def _settle(
        self,
        write: Callable[[Session], _T],
        state: OutboxState,
        transaction: Callable[[Engine], AbstractContextManager[Session]] = writing,
    ) -> _T:
        """Write down what the server said: if we forgot it, the mail would go out again. So a database that is just
        being restarted is waited for."""
        end = time.monotonic() + _SETTLE_SECONDS
        while True:
            try:
                with transaction(self.engine) as session:
                    return write(session)
            except OperationalError as fault:
                # a mail that failed only asks for more: nothing is sent twice
                if state is OutboxState.FAILED or time.monotonic() > end:
                    self.taken.clear()
                    raise
                _log.warning("unsettled", state=state, error=str(fault.orig))
                await asyncio.sleep(_SETTLE_PAUSE)

    def _mark(self, session: Session, id: int, outcome: _Outcome) -> Outgoing:
        now = self.now()
        match outcome.state:
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
    return _Outcome(
        OutboxState.RETRY, text, is_about_us=is_refusal or _is_silence(error), is_final=_is_final(error)
    )


def _refused_recipient(error: Exception) -> _Outcome:
    if getattr(error, "code", None) == _AUTHENTICATION_REQUIRED:
        text = f"the server wants a login: {_text(error)}"
        return _Outcome(OutboxState.RETRY, text, is_about_us=True, is_final=True)
    state = OutboxState.FAILED if _is_final(error) else OutboxState.RETRY
    return _Outcome(state, _text(error), is_about_us=_is_silence(error))


def _refused_data(error: Exception) -> _Outcome:
    if isinstance(error, aiosmtplib.SMTPDataError) and 400 <= error.code <= 599:
        return _Outcome(OutboxState.FAILED if _is_final(error) else OutboxState.RETRY, _text(error))
    # no answer, or one that is neither yes nor no: the server may have taken the mail
    return _Outcome(OutboxState.UNKNOWN, _text(error), is_about_us=_is_silence(error))


def _was_hung_up_on(client: aiosmtplib.SMTP, outcome: _Outcome) -> bool:
    return not client.is_connected and outcome.state in (OutboxState.RETRY, OutboxState.UNKNOWN)


async def _after(client: aiosmtplib.SMTP, outcome: _Outcome) -> _Outcome:
    """Make the connection ready for the next mail, or end it."""
    try:
        if client.is_connected:
            await client.rset(timeout=_FAREWELL)
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
    transport = client.transport  # the client forgets it where a server is silent
    try:
        secret = settings.secret()
        if settings.token_command:
            await client.auth_xoauth2(settings.user, secret)
        else:
            await client.login(settings.user, secret)
    except (aiosmtplib.SMTPException, OSError) as error:
        await _hang_up(transport)
        # the next login runs token_command anew, and the token may just have ended
        temporary = bool(settings.token_command) or not _is_final(error)
        text = f"{settings.host}:{settings.port}: login as {settings.user} failed: {_text(error)}"
        raise SmtpFault(text, temporary=temporary) from error
    except SecretFault as fault:
        await _hang_up(transport)
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
