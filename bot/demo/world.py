"""The embedded mail world: real IMAP and SMTP with STARTTLS on loopback, wheels only, gone when it stops.

pymap and aiosmtpd are the `demo` extra and are imported only when a world starts.
"""

import asyncio
import importlib.util
import logging
import shutil
import ssl
import tempfile
import threading
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.demo.tls import Tls, make_tls

HOST = "127.0.0.1"
_NAME = "mail.ringi-demo.example.jp"
_LARGEST_MAIL = 30_000_000
_START_SECONDS = 30
_NUDGE_SECONDS = 0.2
_MISSING = "the embedded mail world needs pymap and aiosmtpd: pip install 'ringi[demo]'"

# (envelope sender, recipient, the bytes as they lie in the recipient's INBOX)
Witness = Callable[[str, str, bytes], None]


def _real_now() -> datetime:
    return datetime.now(UTC)


class WorldFault(Exception):
    """The embedded servers could not be had or did not start."""

    temporary = False


class World:
    """Mail accounts on one IMAP and one SMTP server of our own, both on free ports of 127.0.0.1.

    `users`: address in lower case -> password. `tls`: the servers' certificate; None makes one. Each accepted
    mail is put into the recipient's INBOX, its bytes unchanged below two trace lines, and shown to `witness`.
    `now`: what stands in Received and INTERNALDATE.
    """

    def __init__(
        self,
        users: dict[str, str],
        tls: Tls | None = None,
        witness: Witness | None = None,
        now: Callable[[], datetime] = _real_now,
    ) -> None:
        self.users = users
        self.imap_port = 0
        self.smtp_port = 0
        self._witness = witness
        self.now = now
        self._folder = None if tls else Path(tempfile.mkdtemp(prefix="ringi-world-"))
        self._tls = tls or make_tls(self._folder or Path())
        self._fault: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embedded mail world", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._backend: Any = None
        self._ids = count(1)

    @property
    def ca_file(self) -> Path:
        """What clients must trust."""
        return self._tls.ca_file

    def start(self) -> Self:
        """Bring both servers up; raises WorldFault, with the way to get what is missing."""
        if not (importlib.util.find_spec("pymap") and importlib.util.find_spec("aiosmtpd")):
            raise WorldFault(_MISSING)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS) or self._fault:
            raise WorldFault(f"the embedded mail world did not start: {self._fault or 'no answer'}")
        return self

    def stop(self) -> None:
        """Close everything; the mails are gone."""
        if self._loop and self._over and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(_START_SECONDS)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def trace(self, sender: str, client: str) -> str:
        """The two lines above a mail. As with every server, the same mail sent twice within a second differs by the id:
        one with the same bytes is the same delivery."""
        id, time = next(self._ids), format_datetime(self.now())
        return f"Return-Path: <{sender}>\r\nReceived: from {client} by {_NAME} with ESMTP id {id}; {time}\r\n"

    async def deliver(self, sender: str, recipient: str, raw: bytes) -> None:
        """Put `raw` into the INBOX of `recipient`, who must be one of `users`."""
        from pymap.backend.dict import Identity
        from pymap.parsing.message import AppendMessage

        identity = Identity(recipient, self._backend.login, None, frozenset())
        async with identity.new_session() as session:
            await session.append_messages("INBOX", [AppendMessage(raw, self.now(), frozenset())])
        if self._witness:
            self._witness(sender, recipient, raw)

    def _run(self) -> None:
        # both servers log every hang-up as an error; nothing of that is for the people in the rehearsal
        for name in ("pymap", "mail.log", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - carried to the thread that waits in start()
            self._fault = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        imap = await self._serve_imap()
        smtp = await self._serve_smtp(self._loop)
        self.imap_port = imap.sockets[0].getsockname()[1]
        self.smtp_port = smtp.sockets[0].getsockname()[1]
        self._ready.set()
        nudging = asyncio.create_task(self._nudge())
        await self._over.wait()
        nudging.cancel()
        imap.close()
        smtp.close()

    async def _nudge(self) -> None:
        """Wake every session in IDLE, which then tells what is new, or nothing.

        pymap says nothing of a mail that came after a session's last command and before its IDLE.
        """
        from pymap.backend.dict import Identity

        inboxes = []
        for user in self.users:
            async with Identity(user, self._backend.login, None, frozenset()).new_session() as session:
                inboxes.append(await session.mailbox_set.get_mailbox("INBOX"))
        while True:
            for inbox in inboxes:
                inbox._updated.set()
            await asyncio.sleep(_NUDGE_SECONDS)

    async def _serve_imap(self) -> asyncio.Server:
        from proxyprotocol.reader import ProxyProtocolReader
        from pymap.backend.dict import DictBackend, Identity
        from pymap.imap import IMAPServer
        from pymap.user import UserMetadata

        self._backend, config = await DictBackend.init(self._imap_arguments())
        config.apply_context()
        for user, password in self.users.items():
            hashed = await self._backend.login._passwords.hash_password(password)
            identity = Identity(user, self._backend.login, None, frozenset({"admin"}))
            await identity.set(UserMetadata(config, user, password=hashed))
        reader = ProxyProtocolReader(config.proxy_protocol)
        connected = reader.get_callback(IMAPServer(self._backend.login, config))
        return await asyncio.start_server(connected, HOST, 0)

    def _imap_arguments(self) -> Namespace:
        return Namespace(
            debug=False,
            host=HOST,
            port=0,
            cert=str(self._tls.certificate),
            key=str(self._tls.key),
            tls=True,
            proxy_protocol=None,
            inherited_sockets=None,
            demo_data=False,
            demo_user="_",
            demo_password="_",
            passlib_cfg=None,
            skip_services=[],
        )

    async def _serve_smtp(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        from aiosmtpd.smtp import SMTP

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._tls.certificate, self._tls.key)

        def connected() -> asyncio.Protocol:
            protocol: asyncio.Protocol = SMTP(
                _Door(self),
                hostname=_NAME,
                tls_context=context,
                authenticator=self._authenticate,
                auth_required=True,
                auth_require_tls=True,
                enable_SMTPUTF8=True,
                data_size_limit=_LARGEST_MAIL,
            )
            return protocol

        return await loop.create_server(connected, HOST, 0)

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> Any:
        from aiosmtpd.smtp import AuthResult

        password = self.users.get(login.login.decode().lower())
        # handled=True with success=False would leave the client without an answer
        return AuthResult(success=password == login.password.decode(), handled=False)


class _Door:
    """What the SMTP server does with recipients and mails."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address.lower() not in self._world.users:
            return "550 5.1.1 no such address here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        trace = self._world.trace(envelope.mail_from, session.host_name)
        for recipient in envelope.rcpt_tos:
            await self._world.deliver(
                envelope.mail_from, recipient.lower(), trace.encode() + envelope.original_content
            )
        return "250 2.0.0 delivered"
