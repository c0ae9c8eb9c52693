"""Mails in: one mail, one transaction, commit, then the move. Holds the only catch-all `except` of the program."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from hashlib import sha256

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.config import Imap
from bot.imap.folder import Folder, ImapFault, Look
from bot.logs import about
from bot.mime.limits import HEADER_BYTES, MAIL_BYTES
from bot.mime.read import oversized_mail
from bot.post import Post
from bot.reading import Reader
from bot.shares import MAIL_SECONDS, Shares, mail_name
from bot.turns import Turns
from bot.verified import MailFault, VerifierFault
from handlers.alarm import alarm
from handlers.context import Context
from handlers.dispatch import handle
from handlers.handled import Handled
from handlers.incoming import IncomingMail, MailKey
from handlers.letters.monitor import AlarmCode
from handlers.rules.reasons import Reason
from store import inbox, journal
from store.states import Filed
from store.tables import Mail
from store.transaction import reading, writing

log = structlog.get_logger()
_ATTEMPTS = 3
# mails that are read ahead, and moved by one command; where others work beside us they leave these to us: few then
_AT_ONCE, _AT_ONCE_OF_MANY = 50, 10
_AHEAD_BYTES = 1_000_000  # that are read ahead at the most


@dataclass(frozen=True)
class Intake:
    """`reader` and `context` are asked anew for each mail, so that a reloaded register counts at once.

    `is_wanted` is asked before each mail: False ends the round early (a lost lease, SIGTERM).
    """

    engine: Engine
    settings: Imap
    post: Post
    reader: Callable[[], Reader]
    context: Callable[[Session], Context]
    now: Callable[[], datetime]
    shares: Shares

    def take_all(
        self, folder: Folder, is_wanted: Callable[[], bool], pause: Callable[[], None] = lambda: None
    ) -> int:
        """Handle every mail in the folder; returns how many were new.

        Where many wait, all senders take turns, mails that come meanwhile among them (threats DOS3). `pause` is
        called now and then before the rest: what the first ones caused must not wait for the last.
        """
        turns = Turns(folder, self.reader().register)
        count, tried, known = 0, set[int](), set[int]()
        while waiting := self._waiting(folder, tried, known):
            uids = turns.next(waiting)
            count += self._take_each(folder, uids, is_wanted)
            tried.update(uids)
            if len(uids) == len(waiting) or not is_wanted():
                break
            pause()
        return count

    def _waiting(self, folder: Folder, tried: set[int], known: set[int]) -> list[int]:
        """What lies in the folder and was not tried in this round. What was handled before is moved.

        `known`: the store was asked about them in this round; what another process handles since, its commit tells.
        """
        uids = [uid for uid in folder.uids() if uid not in tried]
        new = [uid for uid in uids if uid not in known]
        known.update(new)
        with reading(self.engine) as session:
            handled = inbox.handled_uids(
                session, folder.account, self.settings.folder, folder.uidvalidity, new
            )
        # committed before, but a crash or a refusal kept it from being moved
        for some in self._slices(list(handled) if folder.can_move else []):
            with self._taken(folder, some) as mine:
                self._move(folder, {uid: handled[uid] for uid in mine})
        tried.update(handled)
        return [uid for uid in uids if uid not in handled]

    def _take_each(self, folder: Folder, uids: Sequence[int], is_wanted: Callable[[], bool]) -> int:
        count = 0
        looks = folder.looks(uids)
        for some in self._slices([uid for uid in uids if uid in looks]):
            if not is_wanted():
                break
            with self._taken(folder, some) as mine:
                count += self._take_some(folder, {uid: looks[uid] for uid in mine}, is_wanted)
        return count

    def _take_some(self, folder: Folder, looks: Mapping[int, Look], is_wanted: Callable[[], bool]) -> int:
        """Each is committed by itself; all are moved at the end, by as few commands as possible. What ends the round
        in between leaves them where they are: the next round moves them."""
        count, filed = 0, dict[int, Filed]()
        folder.read_ahead(_read_at_once(looks))
        for uid, look in looks.items():
            if not is_wanted():
                break
            with ExitStack() as within:
                within.enter_context(about(uid=uid))
                count += self._take(folder, uid, look, within, filed)
        self._move(folder, filed)
        return count

    @contextmanager
    def _taken(self, folder: Folder, uids: Sequence[int]) -> Iterator[list[int]]:
        """Those of these mails that no other process has, for the time of the block."""
        names = {mail_name(self._key(folder, uid)): uid for uid in uids}
        with self.shares.taken(names, MAIL_SECONDS) as mine:
            yield [uid for name, uid in names.items() if name in mine]

    def _key(self, folder: Folder, uid: int) -> MailKey:
        return MailKey(folder.account, self.settings.folder, folder.uidvalidity, uid)

    def _take(
        self, folder: Folder, uid: int, look: Look, within: ExitStack, to_move: dict[int, Filed]
    ) -> bool:
        """`within`: the lines that are logged in it name the mail. `to_move`: gets where it belongs."""
        key = self._key(folder, uid)
        raw: bytes | None = None
        filed: Filed | None
        try:
            raw = _fetch(folder, uid, look)
            if raw is None:
                return False
            within.enter_context(about(mail=sha256(raw).hexdigest()))
            filed = self.take_in(self._read(raw, key, look))
        except MailFault as fault:
            filed = self._crashed(key, look, raw, fault)
        except VerifierFault as fault:
            # the world's fault: nothing is committed, the next round tries again
            log.error("unverified", error=str(fault))
            return False
        except (ImapFault, OperationalError):
            # the world's fault for every mail: the round ends here
            raise
        except Exception as error:  # noqa: BLE001  # ours: counted, and set aside at the third time
            filed = self._crashed(key, look, raw, error)
        if filed is not None:
            to_move[uid] = filed
        return True

    def _read(self, raw: bytes, key: MailKey, look: Look) -> IncomingMail:
        if look.size > MAIL_BYTES:
            return oversized_mail(raw, look.size, key, look.received_at)
        return self.reader().read(raw, key, look.received_at)

    def take_in(self, mail: IncomingMail) -> Filed:
        """The instant of responsibility: bytes, state, answers and journal in one transaction."""
        with writing(self.engine) as session:
            if filed := inbox.find_filed(session, astuple(mail.key)):
                # by another process, since we looked
                return filed
            ctx = self.context(session)
            if inbox.was_handled(session, mail.raw_sha256):
                result = Handled("duplicate", Reason.DUPLICATE, Filed.DONE)
            else:
                result = handle(mail, ctx)
            _record(session, mail, result, ctx.now)
            self.post.queue(session, result.notices, ctx.now)
        log.info("handled", kind=result.kind, reason=result.reason, number=result.number)
        return result.filed

    def _crashed(self, key: MailKey, look: Look, raw: bytes | None, error: Exception) -> Filed | None:
        """Count it; at the third time the mail is set aside and the monitors are told, so that the next can go on."""
        # words of a mail may be no text that a store or an alarm can hold
        description = f"{type(error).__name__}: {error}".encode(errors="replace").decode()
        log.error("crashed", error=description, exc_info=error)
        with writing(self.engine) as session:
            if filed := inbox.find_filed(session, astuple(key)):
                return filed
            now = self.now()
            if inbox.count_attempt(session, astuple(key), description, now) < _ATTEMPTS:
                return None
            ctx = self.context(session)
            row = _mail_row(
                key, look.received_at, now, Handled(inbox.CRASHED, Reason.CRASHED, Filed.QUARANTINE)
            )
            # the digest only: nobody knows yet whether its bytes may enter the store
            row.raw_sha256 = sha256(raw).hexdigest() if raw is not None else ""
            session.add(row)
            facts = {
                "uid": key.uid,
                "uidvalidity": key.uidvalidity,
                "mail": row.raw_sha256,
                "kind": inbox.CRASHED,
                "error": description[:500],
            }
            journal.append(session, now, "handled", facts)
            self.post.queue(
                session, alarm(ctx, AlarmCode.CRASHED, f"uid {key.uid}: {description[:500]}"), now
            )
        return Filed.QUARANTINE

    def _slices(self, uids: Sequence[int]) -> Iterator[Sequence[int]]:
        step = _AT_ONCE_OF_MANY if self.shares.are_divided else _AT_ONCE
        for start in range(0, len(uids), step):
            yield uids[start : start + step]

    def _move(self, folder: Folder, filed: Mapping[int, Filed]) -> None:
        names = {
            Filed.DONE: self.settings.done,
            Filed.REFUSED: self.settings.refused,
            Filed.QUARANTINE: self.settings.quarantine,
        }
        for place, name in names.items():
            if uids := [uid for uid, found in filed.items() if found is place]:
                folder.move_all(uids, name)


def _read_at_once(looks: Mapping[int, Look]) -> dict[int, int]:
    """UID -> size of those mails, from the first on, that together are small; none where one is all there is."""
    found, total = dict[int, int](), 0
    for uid, look in looks.items():
        if (total := total + look.size) > _AHEAD_BYTES:
            break
        found[uid] = look.size
    return found if len(found) > 1 else {}


def _fetch(folder: Folder, uid: int, look: Look) -> bytes | None:
    """What is read of a mail: all of it, or the header of one that is too large; None if it is gone."""
    return folder.fetch_header(uid, HEADER_BYTES) if look.size > MAIL_BYTES else folder.fetch(uid, look.size)


def _record(session: Session, mail: IncomingMail, result: Handled, now: datetime) -> None:
    if result.keep_raw and mail.raw:
        inbox.keep_blob(session, mail.raw)
    row = _mail_row(mail.key, mail.received_at, now, result)
    row.raw_sha256, row.message_id, row.sender = mail.raw_sha256, mail.message_id, mail.sender
    row.signed = mail.signature is not None
    session.add(row)
    inbox.forget_attempts(session, astuple(mail.key))
    facts = {
        "uid": mail.key.uid,
        "uidvalidity": mail.key.uidvalidity,
        "mail": mail.raw_sha256,
        "kind": result.kind,
        "reason": result.reason,
        "number": result.number,
        "answers": len(result.notices),
    }
    journal.append(session, now, "handled", facts)


def _mail_row(key: MailKey, received_at: datetime, now: datetime, result: Handled) -> Mail:
    return Mail(
        account=key.account,
        folder=key.folder,
        uidvalidity=key.uidvalidity,
        uid=key.uid,
        raw_sha256="",
        received_at=received_at,
        handled_at=now,
        kind=result.kind,
        reason=result.reason,
        filed=result.filed,
        number=result.number,
    )
