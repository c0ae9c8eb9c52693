"""Whose mail is next, where many wait: their From headers are looked at before any mail is read (threats DOS3)."""

from collections.abc import Sequence
from functools import cache
from sys import intern

from bot.imap.folder import Folder
from bot.mime.address import find_sender
from bot.mime.header import read_headers
from bot.mime.limits import cut_to_limits
from handlers.rules.register import Register
from handlers.rules.turns import Standing, take_turns

# so few are served within moments in any order: an ordinary round looks at nothing more than it did
_FEW = 20
# how many are handled before new mails are looked for, and before answers leave
_AT_ONCE = 50
_FROM_BYTES = 2048


class Turns:
    """Remembers the senders of what waits in one folder while one intake lasts, and no more of a mail."""

    def __init__(self, folder: Folder, register: Register) -> None:
        self._folder = folder
        self._register = register
        self._senders: dict[int, str | None] = {}
        self._standing_of = cache(self._standing)

    def next(self, uids: Sequence[int]) -> list[int]:
        """Which of `uids`, all that wait, are to be handled now, in this order: all of them if they are few."""
        if len(uids) <= _FEW:
            return list(uids)
        self._look([uid for uid in uids if uid not in self._senders])
        waiting = {uid: self._senders.get(uid) for uid in uids}
        self._senders = waiting
        return take_turns(waiting, self._standing_of)[:_AT_ONCE]

    def _look(self, uids: Sequence[int]) -> None:
        for uid, header in self._folder.froms(uids, _FROM_BYTES):
            # a header that was cut may name somebody else than the whole one would
            sender = None if len(header) >= _FROM_BYTES else find_sender(read_headers(cut_to_limits(header)))
            self._senders[uid] = intern(sender) if sender else None

    def _standing(self, sender: str | None) -> Standing:
        if sender and self._register.officers_at(sender):
            return Standing.OFFICER
        return Standing.APPLICANT if self._register.may_be_answered(sender) else Standing.STRANGER
