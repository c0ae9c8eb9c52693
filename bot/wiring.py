"""Everything is built here, once, from the configuration; nothing else in the program makes its own dependencies."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.authority import Authority
from bot.ca.local import LocalCa
from bot.ca.protocol import Ca
from bot.certify import Certifier
from bot.compose.mail import Composer
from bot.config import Config, read_passphrase, read_secret
from bot.holder import name_holder
from bot.intake import Intake
from bot.openpgp.call import GpgFault
from bot.openpgp.keys import BotKey
from bot.post import Post
from bot.reading import Reader
from bot.revoke import Revoker
from bot.web.app import WebDeps
from bot.whois import WhoisClient
from bot.whois_facts import Inquirer
from handlers.context import Context
from store import meta
from store.transaction import open_store, upgrade, writing


def utc_now() -> datetime:
    """The one clock of the program: aware UTC, whole seconds. The rehearsal replaces it here."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Judge:
    """What it takes to judge a mail: the store, the register with its keys, the desk's settings."""

    config: Config
    engine: Engine
    authority: Authority

    def context(self, session: Session, now: datetime | None = None) -> Context:
        """The world as a handler sees it, at `now` (the clock's time if not given)."""
        return Context(
            session, now or utc_now(), self.authority.register, self.config.desk(), secrets.token_bytes
        )


@dataclass(frozen=True)
class Office:
    """What it takes to act: to sign, to issue, to answer."""

    judge: Judge
    ca: Ca
    post: Post
    intake: Intake
    certifier: Certifier
    revoker: Revoker
    holder: str  # of leases: this process and no other

    @property
    def config(self) -> Config:
        return self.judge.config

    @property
    def engine(self) -> Engine:
        return self.judge.engine


def open_judge(config: Config, engine: Engine | None = None) -> Judge:
    """Raises TomlFault for a bad register. `engine` None: the configured store, brought to the newest schema."""
    if engine is None:
        engine = open_store(config.store.url)
        upgrade(engine)
    return Judge(config, engine, Authority(config))


def open_office(config: Config) -> Office:
    """Raises TomlFault, CaFault, SecretFault: each says what to mend."""
    ca = LocalCa.open(config.ca, read_passphrase(config.ca))
    judge = open_judge(config)
    key = open_bot_key(config)
    domain = config.address.rpartition("@")[2]
    post = Post(Composer(config.desk(), config.name, key.sign_detached), secrets.token_bytes, domain)

    def reader() -> Reader:
        return judge.authority.reader

    return Office(
        judge=judge,
        ca=ca,
        post=post,
        intake=Intake(judge.engine, config.imap, post, reader, judge.context, utc_now),
        certifier=Certifier(judge.engine, ca, post, reader, judge.context, open_inquirer(judge)),
        revoker=Revoker(judge.engine, ca, post, reader, judge.context, config.ca.crl_days),
        holder=name_holder(),
    )


def open_bot_key(config: Config) -> BotKey:
    """The key that signs our mails; its passphrase is read once, at the start. Raises GpgFault where it cannot sign:
    better than to find out with the first answer."""
    settings = config.openpgp
    if not settings.home.is_dir():
        raise GpgFault(f"openpgp.home: {settings.home} does not exist", temporary=False)
    passphrase = read_secret(settings.passphrase_file) if settings.passphrase_file else None
    key = BotKey(settings.home, settings.fingerprint, passphrase, settings.gpg)
    key.sign_detached(b"may we sign?")
    return key


def open_inquirer(judge: Judge) -> Inquirer:
    settings = judge.config.whois
    client = WhoisClient(settings.host, settings.port, settings.timeout)
    return Inquirer(judge.engine, client, timedelta(hours=settings.cache_hours), utc_now)


def web_deps(office: Office, wake: Callable[[], None]) -> WebDeps:
    """The download page shares the store, the handlers and the outbox with the mail side."""
    with writing(office.engine) as session:
        secret = meta.find(session, "web_secret")
        if secret is None:
            secret = secrets.token_hex(32)
            meta.keep(session, "web_secret", secret)
    return WebDeps(
        engine=office.engine,
        context=office.judge.context,
        queue=office.post.queue,
        chain=office.ca.chain(),
        settings=office.config.web,
        secret=bytes.fromhex(secret),
        wake=wake,
    )
