"""The outbox goes out: what is due, a burst over one connection, each stage committed before the next.

Here and in `bot.smtp` is the only asyncio outside the web server.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.config import Smtp
from bot.holder import this_process
from bot.logs import about
from bot.smtp import Connection, Outcome, SmtpFault, connect, hang_up, say_goodbye, submit, was_hung_up_on
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


@dataclass(frozen=True)
class DeliveryReport:
    """How many mails of one burst ended in which state; `fault` is why the burst ended early, if it did."""

    sent: int = 0
    retry: int = 0
    unknown: int = 0
    failed: int = 0
    fault: str | None = None


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
    SENDING. `on_failed` runs in the transaction that marks a mail FAILED. `rng` gives jitter in [0, 1). A server that
    cannot be used is no exception: what is due waits, and the report says why. `is_wanted` is asked before each mail:
    False ends the burst.
    """
    with reading(engine) as session:
        ids = [outgoing.id for outgoing in outbox.due(session, now(), _BURST)]
    if not ids:
        return DeliveryReport()
    return asyncio.run(_Burst(engine, settings, sender, now, rng, on_failed, is_wanted).send_all(ids))


@dataclass(frozen=True)
class _Burst:
    """`taken`: the id of the mail that a server has just said yes to, until that is written down: with the beginning of
    the next one, which saves a commit (a disk's flush) a mail, or by itself where nothing follows at once."""

    engine: Engine
    settings: Smtp
    sender: str
    now: Callable[[], datetime]
    rng: Callable[[], float]
    on_failed: Callable[[Session, Outgoing], None] | None
    is_wanted: Callable[[], bool]
    taken: list[int] = field(default_factory=list)
    ended: Counter[OutboxState] = field(default_factory=Counter)

    async def send_all(self, ids: Sequence[int]) -> DeliveryReport:
        # a client forgets its connection when the server hangs up, and a fault of ours ends the burst anywhere
        lines: list[asyncio.BaseTransport | None] = []
        try:
            return await self._send_each(ids, lines)
        finally:
            for line in lines:
                await hang_up(line)

    async def _send_each(
        self, ids: Sequence[int], lines: list[asyncio.BaseTransport | None]
    ) -> DeliveryReport:
        """`lines`: gets every connection that is made."""
        client: Connection | None = None
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
                        client = await connect(self.settings)
                        lines.append(client.transport)
                    outcome = await self._send(client, id)
                    fruitless = fruitless + 1 if was_hung_up_on(client, outcome) else 0
                    if outcome.is_about_us or fruitless == _FRUITLESS:
                        raise SmtpFault(outcome.error, temporary=not outcome.is_final)
                except SmtpFault as raised:
                    fault = raised
                    self._postpone(ids[place:], fault)
                    break
        finally:
            await self._write_down()
        if client is not None:
            await say_goodbye(client)
        return DeliveryReport(
            self.ended[OutboxState.SENT],
            self.ended[OutboxState.RETRY],
            self.ended[OutboxState.UNKNOWN],
            self.ended[OutboxState.FAILED],
            str(fault) if fault else None,
        )

    async def _send(self, client: Connection, id: int) -> Outcome:
        """What became of it; nothing happens if another process was faster."""
        outgoing = await self._begin(id)
        if outgoing is None:
            return Outcome(OutboxState.SENDING)
        with about(outgoing=id, number=outgoing.number):
            outcome = await submit(client, self.sender, outgoing.recipient, outgoing.data)
            if outcome.state is OutboxState.SENT:
                self.taken.append(id)
            else:
                marked = await self._settle(lambda session: self._mark(session, id, outcome), outcome.state)
                self._tell(marked)
        return outcome

    async def _begin(self, id: int) -> Outgoing | None:
        """SENDING is committed before the first byte goes out."""
        lasts = timedelta(seconds=_ANSWERS * self.settings.timeout)

        def begin(session: Session) -> tuple[list[Outgoing], Outgoing | None]:
            return self._mark_taken(session), outbox.begin(session, id, self.now(), this_process(), lasts)

        if not self.taken:
            with marking(self.engine) as session:
                return begin(session)[1]
        marked, outgoing = await self._settle(begin, OutboxState.SENT, marking)
        self._forget_taken(marked)
        return outgoing

    async def _write_down(self) -> None:
        if self.taken:
            self._forget_taken(await self._settle(self._mark_taken, OutboxState.SENT, marking))

    def _mark_taken(self, session: Session) -> list[Outgoing]:
        """For a transaction that may have to be tried again: nothing of it is kept until it is committed."""
        return [outbox.mark_sent(session, id, self.now()) for id in self.taken]

    def _forget_taken(self, marked: Sequence[Outgoing]) -> None:
        self.taken.clear()
        for outgoing in marked:
            with about(outgoing=outgoing.id, number=outgoing.number):
                self._tell(outgoing)

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

    def _mark(self, session: Session, id: int, outcome: Outcome) -> Outgoing:
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
