"""Watches what the desk depends on: collects what a round met, looks at the rest, and settles it in the store."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from bot.config import Config
from bot.openpgp.call import GpgFault
from bot.post import Post
from bot.signer.client import ForeignLedger, SignerClient
from bot.smime.fetch import EndingList
from bot.smtp import send_now
from bot.watch.emergency import Emergency, Mark
from bot.watch.looks import OwnKey, look_at_crl, look_at_disks, look_at_officers, look_at_own_keys
from handlers.context import Context
from handlers.notices import Notice
from handlers.trouble import Look, Seen, is_news, settle
from store import troubles
from store.transaction import reading, sqlite_file, writing
from store.troubles import TroubleKind

log = structlog.get_logger()
_KEYS_EACH = timedelta(hours=1)  # gpg is asked
_LONGEST_SILENCE = 900.0  # seconds between two signs of life of the rounds


class Watch:
    """One for each process. What a part met is said by `imap`, `smtp` and `officers_lists`; `settle` does the rest."""

    def __init__(
        self,
        engine: Engine,
        config: Config,
        context: Callable[[Session], Context],
        post: Post,
        signer: SignerClient,
        own_keys: Sequence[OwnKey],
        now: Callable[[], datetime],
    ) -> None:
        self._engine, self._config, self._context, self._post = engine, config, context, post
        self._signer, self._own_keys, self._now = signer, own_keys, now
        self._met: dict[TroubleKind, Look] = {}
        self._keys_looked_at: datetime | None = None
        self._host = socket.gethostname()
        self._alive = time.monotonic()
        self._round_began: datetime | None = None
        self._emergency = Emergency(
            Mark(config.alarms.mark),
            make_url(config.store.url).render_as_string(hide_password=True),
            config.monitors,
            now,
            self._send_now,
        )

    def imap(self, fault: str | None) -> None:
        """Whether the folder could be used."""
        self._note(TroubleKind.IMAP, self._config.imap.host, fault)

    def smtp(self, fault: str | None) -> None:
        """Whether the server took part in sending; not called when there was nothing to send."""
        self._note(TroubleKind.SMTP, self._config.smtp.host, fault)

    def officers_lists(self, ending: Sequence[EndingList]) -> None:
        """The revocation lists that end before long, of all that were looked at."""
        seen = tuple(Seen(one.source, one.state) for one in ending)
        self._met[TroubleKind.CRL_OFFICERS] = Look(TroubleKind.CRL_OFFICERS, seen)

    def store_failed(self, reason: str) -> None:
        """A round ended because nothing could be written."""
        self._emergency.failed(reason)

    def beat(self) -> None:
        """Another round begins."""
        self._alive = time.monotonic()
        self._round_began = self._now()

    def faults(self) -> tuple[str, ...]:
        """What the store can't say of itself: for the health page, from another thread."""
        is_stuck = time.monotonic() - self._alive > _LONGEST_SILENCE
        found = (("rounds", is_stuck), (TroubleKind.STORE.value, self._emergency.is_over()))
        return tuple(word for word, holds in found if holds)

    def settle(self) -> bool:
        """Hold all that is known against the store, and queue what the monitors must hear; whether there is any.

        Called where something was just written: the store is well.
        """
        if self._emergency.is_over():
            with writing(self._engine) as session:
                self._emergency.hand_over(session)
            self._emergency.forget()
        with reading(self._engine) as session:
            ctx = self._context(session)
            looks = list(self._looks(ctx))
            if not is_news(ctx, looks):
                return False
        with writing(self._engine) as session:
            ctx = self._context(session)
            news = settle(ctx, looks)
            notices = [notice for one in news for notice in one.notices]
            self._post.queue(session, notices, ctx.now)
        for one in news:
            log.warning("trouble", kind=one.kind, about=one.about, step=one.step, error=one.detail)
        return bool(notices)

    def _looks(self, ctx: Context) -> Iterator[Look]:
        yield Look(TroubleKind.STORE)
        yield from self._met.values()
        self._met = {}
        yield from self._look_at_signer()
        known = {row.about for row in troubles.standing(ctx.session) if row.kind == TroubleKind.DISK}
        yield look_at_disks(self._folders(), self._config.alarms.disk_free_mb, known)
        # where the clock jumps within a round, there was no time for a new list
        yield look_at_crl(ctx.session, self._round_began or ctx.now)
        yield look_at_officers(ctx)
        if self._keys_looked_at is None or not (timedelta(0) <= ctx.now - self._keys_looked_at < _KEYS_EACH):
            try:
                yield look_at_own_keys(self._own_keys, ctx.now)
                yield Look(TroubleKind.OPENPGP)
                self._keys_looked_at = ctx.now
            except GpgFault as fault:
                # asked again in the next round: its end is to be told as soon as it has come
                yield Look(TroubleKind.OPENPGP, (Seen("gpg", str(fault), is_sure=not fault.temporary),))

    def _look_at_signer(self) -> Iterator[Look]:
        """Each machine may have a signer of its own: which ledger it works on, only this machine can tell."""
        heard = self._signer.heard.take()
        if isinstance(heard.fault, ForeignLedger):
            yield Look(TroubleKind.LEDGER, (Seen(self._host, str(heard.fault)),), only=self._host)
        elif heard.fault is not None:
            seen = Seen("signer", str(heard.fault), is_sure=not heard.fault.temporary)
            yield Look(TroubleKind.SIGNER, (seen,))
        elif heard.answers:
            yield Look(TroubleKind.SIGNER)
            yield Look(TroubleKind.LEDGER, only=self._host)

    def _folders(self) -> tuple[Path, ...]:
        store, ledger = sqlite_file(self._config.store.url), self._config.signer.ledger
        return (*((store.parent,) if store else ()), ledger.parent)

    def _note(self, kind: TroubleKind, about: str, fault: str | None) -> None:
        self._met[kind] = Look(kind, (Seen(about, fault),) if fault else ())

    def _send_now(self, notices: Sequence[Notice]) -> str | None:
        mails = self._post.write(notices, self._now())
        return send_now(self._config.smtp, self._config.address, mails)
