"""Mails in: one mail, one transaction, commit, then the move. Holds the only catch-all `except` of the program."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.config import Imap
from bot.imap.folder import Folder, ImapFault, Look
from bot.mime.limits import HEADER_BYTES, MAIL_BYTES
from bot.mime.read import oversized_mail
from bot.openpgp.call import GpgFault
from bot.post import Post
from bot.reading import Reader
from handlers.alarm import alarm
from handlers.context import Context
from handlers.dispatch import handle
from handlers.handled import Handled
from handlers.incoming import IncomingMail, MailKey
from handlers.rules.reasons import Reason
from store import inbox, journal
from store.states import Filed
from store.tables import Mail
from store.transaction import reading, writing

log = structlog.get_logger()
_ATTEMPTS = 3


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

    def take_all(self, folder: Folder, is_wanted: Callable[[], bool]) -> int:
        """Handle every mail in the folder; returns how many were new."""
        uids = folder.uids()
        with reading(self.engine) as session:
            handled = inbox.handled_uids(
                session, folder.account, self.settings.folder, folder.uidvalidity, uids
            )
        for uid, filed in handled.items():
            # committed before, but a crash or a refusal kept it from being moved
            self._move(folder, uid, filed)
        fresh = [uid for uid in uids if uid not in handled]
        return self._take_each(folder, fresh, is_wanted)

    def _take_each(self, folder: Folder, uids: Sequence[int], is_wanted: Callable[[], bool]) -> int:
        count = 0
        looks = folder.looks(uids)
        for uid in uids:
            if not is_wanted():
                break
            if uid in looks:
                count += self._take_one(folder, uid, looks[uid])
        return count

    def _take_one(self, folder: Folder, uid: int, look: Look) -> bool:
        key = MailKey(folder.account, self.settings.folder, folder.uidvalidity, uid)
        filed: Filed | None
        try:
            mail = self._fetch(folder, key, look)
            if mail is None:
                return False
            filed = self._commit(mail)
        except GpgFault as fault:
            # the world's fault, maybe only with this mail: nothing is committed, the next round tries again
            log.error("gpg", uid=uid, error=str(fault))
            return False
        except (ImapFault, OperationalError):
            # the world's fault for every mail: the round ends here
            raise
        except Exception as error:  # noqa: BLE001  # ours: counted, and set aside at the third time
            filed = self._crashed(key, look, error)
        if filed is not None:
            self._move(folder, uid, filed)
        return True

    def _fetch(self, folder: Folder, key: MailKey, look: Look) -> IncomingMail | None:
        if look.size > MAIL_BYTES:
            header = folder.fetch_header(key.uid, HEADER_BYTES)
            return oversized_mail(header, look.size, key, look.received_at) if header is not None else None
        raw = folder.fetch(key.uid)
        return self.reader().read(raw, key, look.received_at) if raw is not None else None

    def _commit(self, mail: IncomingMail) -> Filed:
        """The instant of responsibility: bytes, state, answers and journal in one transaction."""
        with writing(self.engine) as session:
            ctx = self.context(session)
            if inbox.was_handled(session, mail.raw_sha256):
                result = Handled("duplicate", Reason.DUPLICATE, Filed.DONE)
            else:
                result = handle(mail, ctx)
            _record(session, mail, result, ctx.now)
            self.post.queue(session, result.notices, ctx.now)
        log.info(
            "handled",
            uid=mail.key.uid,
            mail=mail.raw_sha256[:16],
            kind=result.kind,
            reason=result.reason,
            number=result.number,
        )
        return result.filed

    def _crashed(self, key: MailKey, look: Look, error: Exception) -> Filed | None:
        """Count it; at the third time the mail is set aside and the monitors are told, so that the next can go on."""
        description = f"{type(error).__name__}: {error}"
        log.error("crashed", uid=key.uid, error=description, exc_info=error)
        with writing(self.engine) as session:
            now = self.now()
            if inbox.count_attempt(session, astuple(key), description, now) < _ATTEMPTS:
                return None
            ctx = self.context(session)
            session.add(
                _mail_row(key, look.received_at, now, Handled("crashed", Reason.CRASHED, Filed.QUARANTINE))
            )
            facts = {
                "uid": key.uid,
                "uidvalidity": key.uidvalidity,
                "kind": "crashed",
                "error": description[:500],
            }
            journal.append(session, now, "handled", facts)
            self.post.queue(session, alarm(ctx, Reason.CRASHED, f"uid {key.uid}: {description[:500]}"), now)
        return Filed.QUARANTINE

    def _move(self, folder: Folder, uid: int, filed: Filed) -> None:
        names = {
            Filed.DONE: self.settings.done,
            Filed.REFUSED: self.settings.refused,
            Filed.QUARANTINE: self.settings.quarantine,
        }
        folder.move(uid, names[filed])


def _record(session: Session, mail: IncomingMail, result: Handled, now: datetime) -> None:
    if result.keep_raw and mail.raw:
        inbox.keep_blob(session, mail.raw)
    row = _mail_row(mail.key, mail.received_at, now, result)
    row.raw_sha256, row.message_id, row.sender = mail.raw_sha256, mail.message_id, mail.sender
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
