"""Notices -> frozen mails in the outbox, in the transaction that caused them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bot.compose.mail import Composer
from handlers.notices import Notice
from store import journal, outbox


@dataclass(frozen=True)
class Post:
    """`random`: n -> n unguessable bytes, for Message-IDs. `domain`: what they end in."""

    composer: Composer
    random: Callable[[int], bytes]
    domain: str

    def write(self, notices: Iterable[Notice], now: datetime) -> list[tuple[str, bytes]]:
        """Recipient and mail, for what must leave without the store: no journal is named, for none can be written."""
        return [
            (notice.to, self.composer.compose(notice, now=now, message_id=self._new_id(), journal_head=None))
            for notice in notices
        ]

    def queue(self, session: Session, notices: Iterable[Notice], now: datetime) -> None:
        """Write every notice out, sign it where its reader checks that, and queue it; one row a recipient."""
        head = journal.head(session)
        for notice in notices:
            message_id = self._new_id()
            data = self.composer.compose(notice, now=now, message_id=message_id, journal_head=head)
            outgoing = outbox.enqueue(
                session,
                recipient=notice.to,
                template=notice.letter.template,
                message_id=message_id,
                number=notice.number,
                data=data,
                now=now,
            )
            outgoing.counted = notice.is_counted

    def _new_id(self) -> str:
        return f"<{self.random(16).hex()}@{self.domain}>"
