"""The IMAP folder that mails come in by: the only module that knows imapclient.

Nothing here knows what was handled: that stands in the store, under (account, folder, UIDVALIDITY, UID).
"""

import imaplib
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import structlog
from imapclient import IMAPClient, SocketTimeout

from bot.config import Imap, SecretFault
from bot.imap.fault import ImapFault, backoff, fault_of, is_lost, login_fault
from bot.imap.wire import FAREWELL, Wire, sleep_until
from bot.tls import TrustFault, client_context

__all__ = ["Folder", "ImapFault", "Look", "backoff"]

_log = structlog.get_logger()

_IDLE_SLICE = 60.0  # seconds; servers and NAT forget a silent connection, and some forget to tell of a mail
_UIDS_A_COMMAND = 500  # keeps a command line under 8,192 bytes (RFC 7162 4)
_LARGEST_MAIL = 256 * 1024 * 1024


@dataclass(frozen=True)
class Look:
    """What can be known of a mail without reading it: its size in bytes, its INTERNALDATE in UTC."""

    size: int
    received_at: datetime


class _Refused(Exception):
    """The server said NO, and the connection can go on."""


class Folder:
    """The bot's folder: connected, logged in and selected while the `with` block lasts.

    `account`: user@host. `uidvalidity`: RFC 9051 2.3.1.1. Any method may raise `ImapFault`: leave the block.
    """

    def __init__(self, settings: Imap) -> None:
        self.account = f"{settings.user}@{settings.host}"
        self.uidvalidity = 0
        self._settings = settings
        self._news = False
        self._client: Any = None
        self._abilities: frozenset[str] = frozenset()
        self._ahead: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        try:
            with self._opening("connecting"):
                self._connect()
            self._log_in()
            with self._opening("opening the folders"):
                self._select()
        except BaseException:
            self._hang_up()
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, ImapFault):
            self._say_goodbye()
        self._hang_up()

    def uids(self) -> list[int]:
        """All mails in the folder, ascending. Never UNSEEN: people open the same folder."""
        with self._talking("searching"):
            self._news = False
            # imapclient's own search refuses an answer that comes in several SEARCH lines
            kind, lines = self._wire.uid("SEARCH", "ALL")
            if kind != "OK":
                raise self._wire.error(f"SEARCH: {lines}")
            return sorted({int(word) for line in lines if line for word in line.split()})

    def looks(self, uids: Sequence[int]) -> dict[int, Look]:
        """Size and date of many mails, by as few commands as possible. A mail that is gone is left out."""
        found: dict[int, Look] = {}
        for start in range(0, len(uids), _UIDS_A_COMMAND):
            chunk = list(uids[start : start + _UIDS_A_COMMAND])
            with self._talking("looking at mails"):
                answer = self._fetch(chunk, ["RFC822.SIZE", "INTERNALDATE"])
            for uid, facts in answer.items():
                size, at = facts.get(b"RFC822.SIZE"), facts.get(b"INTERNALDATE")
                if isinstance(size, int) and isinstance(at, datetime):
                    found[uid] = Look(size, at.astimezone(UTC))
                elif size is not None:
                    _log.error("imap_mail_without_date", account=self.account, uid=uid)
        return found

    def froms(self, uids: Sequence[int], limit: int) -> Iterator[tuple[int, bytes]]:
        """The first `limit` bytes of the From headers of many mails, as blocks; in pieces, so that few are held."""
        for start in range(0, len(uids), _UIDS_A_COMMAND):
            with self._talking("looking at senders"):
                self._wire.literal_limit = limit
                item = f"BODY.PEEK[HEADER.FIELDS (FROM)]<0.{limit}>"
                answer = self._fetch(list(uids[start : start + _UIDS_A_COMMAND]), [item])
            for uid, facts in answer.items():
                # servers differ in how they repeat the item's name
                found = (value for key, value in facts.items() if key.startswith(b"BODY[HEADER.FIELDS"))
                if isinstance(block := next(found, None), bytes):
                    yield uid, block

    def look(self, uid: int) -> Look | None:
        """Size and date of one mail; None if it is gone."""
        return self.looks([uid]).get(uid)

    def read_ahead(self, sizes: Mapping[int, int]) -> None:
        """Get mails by one command, for the `fetch` of each; what was read ahead before is dropped. UID -> its size.

        A server may have to search its folder for each command: Dovecot reads the whole directory, 10,000 names for
        a mail. What is gone meanwhile, `fetch` finds out.
        """
        self._ahead = {}
        if not sizes:
            return
        with self._talking("reading mails"):
            self._wire.literal_limit = 2 * max(sizes.values()) + 65_536
            answer = self._fetch(list(sizes), ["BODY.PEEK[]"])
        texts = ((uid, facts.get(b"BODY[]")) for uid, facts in answer.items())
        self._ahead = {uid: raw for uid, raw in texts if isinstance(raw, bytes)}

    def fetch(self, uid: int, size: int = _LARGEST_MAIL) -> bytes | None:
        """The raw mail, left unmarked; None if it is gone; a fault if it is far over the `size` that `look` told."""
        if (raw := self._ahead.pop(uid, None)) is not None:
            return raw
        return self._part(uid, "BODY.PEEK[]", b"BODY[]", 2 * size + 65_536)

    def fetch_header(self, uid: int, limit: int) -> bytes | None:
        """The first `limit` bytes of the mail's header, left unmarked; None if it is gone."""
        return self._part(uid, f"BODY.PEEK[HEADER]<0.{limit}>", b"BODY[HEADER]<0>", limit)

    def move(self, uid: int, folder: str) -> None:
        """Bring a mail into `folder`: see `move_all`."""
        self.move_all([uid], folder)

    def move_all(self, uids: Sequence[int], folder: str) -> None:
        """Bring mails into `folder`, by one command. Tells nothing about success: what was handled stands in the store.

        A mail that is gone is passed over, a refusal (quota, rights) is logged, and a server that can neither
        MOVE nor expunge single mails keeps all mails where they are. Where all together are refused, each is tried.
        """
        try:
            with self._talking("moving a mail"):
                self._move(list(uids), folder)
        except _Refused as refusal:
            if len(uids) == 1:
                _log.warning(
                    "imap_move_refused", account=self.account, uid=uids[0], to=folder, error=str(refusal)
                )
                return
            for uid in uids:
                self.move_all([uid], folder)

    @property
    def can_move(self) -> bool:
        """Whether the server moves mails at all; else all of them stay where they are."""
        return bool(self._abilities & {"MOVE", "UIDPLUS"})

    def append(self, folder: str, raw: bytes) -> None:
        """Put a mail into a folder that exists."""
        with self._talking("storing a mail"):
            self._client.append(folder, raw)

    def wait(self, seconds: float, stop: Callable[[], bool]) -> bool:
        """Wait until a mail may have come (True), or until `seconds` have passed or `stop()` holds (False).

        `stop` is asked twice a second. Search after each wait, whatever it said: a server may forget to tell.
        Without IDLE this sleeps for `poll_seconds` at most, then says True.
        """
        if "IDLE" not in self._abilities:
            return sleep_until(min(seconds, self._settings.poll_seconds), stop)
        end = time.monotonic() + seconds
        while not stop() and (left := end - time.monotonic()) > 0:
            with self._talking("waiting for mail"):
                # a mail that was told of in the answer to another command is not told of again by IDLE
                if not self._news:
                    self._wire.idle_until_told(min(left, _IDLE_SLICE), stop)
                if self._news or self._wire.has_been_told_of_mail():
                    self._news = True
                    return True
        return False

    # -- opening and closing

    @property
    def _wire(self) -> Wire:
        wire: Wire = self._client._imap
        return wire

    def _connect(self) -> None:
        settings = self._settings
        context = client_context(settings)
        self._client = _Client(settings, context if settings.security == "tls" else None)
        # imaplib would format every line for a debug log, passwords among them
        self._wire.debug = 0
        self._client.normalise_times = False
        if settings.security == "starttls":
            self._client.starttls(context)

    def _log_in(self) -> None:
        settings = self._settings
        try:
            secret = settings.secret()
        except SecretFault as fault:
            raise ImapFault(str(fault), temporary=fault.temporary) from fault
        try:
            if settings.token_command:
                self._client.sasl_login("XOAUTH2", _xoauth2(settings.user, secret))
            elif _fits_login(settings.user) and secret.isascii():
                self._client.login(settings.user, secret)
            else:
                self._client.plain_login(settings.user, secret)
        except (OSError, imaplib.IMAP4.error) as error:
            raise login_fault(settings, error) from error

    def _select(self) -> None:
        settings = self._settings
        self._abilities = frozenset(
            ability.decode("ascii", "replace") for ability in self._client.capabilities()
        )
        for folder in (settings.done, settings.refused, settings.quarantine):
            self._make_folder(folder)
        answer = self._client.select_folder(settings.folder)
        if answer.get(b"RECENT"):
            # Dovecot has just moved these mails from new/ to cur/, and until the folder is opened anew it looks for
            # each of them in the whole directory: 29 ms of its CPU a mail where 3,000 lie there, 0.3 ms after this
            answer = self._client.select_folder(settings.folder)
        if b"UIDVALIDITY" not in answer:
            raise ImapFault(f"{settings.host}: {settings.folder} has no lasting UIDs", temporary=False)
        self.uidvalidity = int(answer[b"UIDVALIDITY"])

    def _make_folder(self, folder: str) -> None:
        if self._client.folder_exists(folder):
            return
        self._client.create_folder(folder)
        try:
            # mail programs show subscribed folders only
            self._client.subscribe_folder(folder)
        except imaplib.IMAP4.error as error:
            if is_lost(error):
                raise
            _log.info("imap_subscribe_refused", account=self.account, folder=folder, error=str(error))

    def _say_goodbye(self) -> None:
        try:
            self._wire.hurry(FAREWELL)
            self._client.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            _log.debug("imap_logout_failed", account=self.account, error=str(error))

    def _hang_up(self) -> None:
        if self._client is not None:
            self._wire.shutdown()

    @contextmanager
    def _opening(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (OSError, imaplib.IMAP4.error, UnicodeError) as error:
            raise fault_of(self._settings, doing, error, refusal_is_temporary=False) from error
        except TrustFault as fault:
            raise ImapFault(str(fault), temporary=False) from fault

    @contextmanager
    def _talking(self, doing: str) -> Iterator[None]:
        self._news = self._news or self._wire.has_been_told_of_mail()
        self._wire.forget()
        try:
            yield
        except (OSError, imaplib.IMAP4.error, UnicodeError) as error:
            raise fault_of(self._settings, doing, error, refusal_is_temporary=True) from error

    # -- reading and moving

    def _fetch(self, uids: list[int], items: list[str]) -> dict[int, dict[bytes, object]]:
        """FETCH. A server may say NO once where another client has just expunged a mail (RFC 2180 4.1)."""
        try:
            return dict(self._client.fetch(uids, items))
        except imaplib.IMAP4.error as error:
            if is_lost(error):
                raise
        self._client.noop()
        return dict(self._client.fetch(uids, items))

    def _part(self, uid: int, item: str, key: bytes, most: int) -> bytes | None:
        with self._talking("reading a mail"):
            self._wire.literal_limit = most
            for _ in range(2):
                facts = self._fetch([uid], [item]).get(uid)
                if facts is None:
                    return None
                raw = facts.get(key)
                if isinstance(raw, bytes):
                    return raw
                # NIL: it is gone, and we were not told yet (RFC 2180 4.1.2)
                self._client.noop()
        raise ImapFault(f"{self._settings.host}: UID {uid} is there, but without a text", temporary=True)

    def _move(self, uids: list[int], folder: str) -> None:
        """Raises _Refused for a NO."""
        try:
            if "MOVE" in self._abilities:
                self._into(folder, lambda: self._client.move(uids, folder))
            elif "UIDPLUS" in self._abilities:
                self._into(folder, lambda: self._client.copy(uids, folder))
                self._client.delete_messages(uids, silent=True)
                self._client.uid_expunge(uids)
        except imaplib.IMAP4.error as error:
            if is_lost(error):
                raise
            raise _Refused(str(error)) from error

    def _into(self, folder: str, transfer: Callable[[], object]) -> None:
        try:
            transfer()
        except imaplib.IMAP4.error as error:
            # somebody has removed the folder since we made it
            if is_lost(error) or "[TRYCREATE]" not in str(error):
                raise
            self._make_folder(folder)
            transfer()


class _Client(IMAPClient):  # type: ignore[misc]
    """imapclient over our own wire."""

    def __init__(self, settings: Imap, context: ssl.SSLContext | None) -> None:
        timeout = SocketTimeout(settings.timeout, settings.timeout)
        super().__init__(
            settings.host, settings.port, ssl=context is not None, ssl_context=context, timeout=timeout
        )

    def _create_IMAP4(self) -> Wire:
        return Wire(self.host, self.port, timeout=self._timeout.read, tls=self.ssl_context)


def _fits_login(user: str) -> bool:
    # imaplib sends the user of LOGIN unquoted
    return user.isascii() and user.isprintable() and not set(user) & set(' "\\(){}%*')


def _xoauth2(user: str, token: str) -> Callable[[bytes], bytes]:
    """Answers the first challenge by the token, and the server's account of a failure by an empty line."""
    answers = iter([f"user={user}\x01auth=Bearer {token}\x01\x01".encode()])
    return lambda _challenge: next(answers, b"")
