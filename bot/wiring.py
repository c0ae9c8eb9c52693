"""Everything is built here, once, from the configuration; nothing else in the program makes its own dependencies."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bot.authority import Authority, last_in_force
from bot.ca.lint import require_lint
from bot.ca.local import LocalCa
from bot.ca.protocol import Ca
from bot.config import Config, OpenPGP, read_passphrase, read_secret
from bot.holder import this_process
from bot.openpgp.call import GpgFault
from bot.openpgp.keys import BotKey
from bot.reading import Reader
from bot.signer.child import SignerChild, launch_signer
from bot.signer.client import SignerClient, socket_call
from bot.smime.sign import BotCertificate, open_bot_certificate
from handlers.context import Context
from handlers.rules.scheme import Scheme
from store import known_ledger, meta
from store.transaction import open_store, reading, upgrade, writing

if TYPE_CHECKING:
    # what only a whole desk needs is imported where it is opened: the signer and those who only look start sooner
    from bot.certify import Certifier
    from bot.compose.mail import Sign
    from bot.intake import Intake
    from bot.post import Post
    from bot.revoke import Revoker
    from bot.shares import Shares
    from bot.watch.looks import OwnKey
    from bot.watch.watch import Watch
    from bot.web.app import WebDeps
    from bot.whois_facts import Inquirer


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
        authority = self.authority
        return Context(
            session,
            now or utc_now(),
            authority.register,
            self.config.desk(),
            secrets.token_bytes,
            authority.officer_keys,
            authority.blocked_keys,
        )


@dataclass(frozen=True)
class Office:
    """What it takes to act: to sign, to issue, to answer."""

    judge: Judge
    signer: SignerClient
    child: SignerChild | None  # None: something else runs the signer
    post: Post
    intake: Intake
    certifier: Certifier
    revoker: Revoker
    shares: Shares
    watch: Watch

    @property
    def config(self) -> Config:
        return self.judge.config

    @property
    def engine(self) -> Engine:
        return self.judge.engine


def open_judge(config: Config, engine: Engine | None = None) -> Judge:
    """Raises TomlFault for a bad register. `engine` None: the configured store, brought to the newest schema.

    Who brings an engine only looks: a register that leaves nobody to approve is then no fault.
    """
    if engine is not None:
        return Judge(config, engine, Authority(config, utc_now))
    engine = open_store(config.store.url)
    upgrade(engine)
    with reading(engine) as session:
        known = last_in_force(session)
    return Judge(config, engine, Authority(config, utc_now, known))


def open_ca(config: Config) -> Ca:
    """The CA's key: for the signer's process only. Raises CaFault, SecretFault."""
    if any(profile.public for profile in config.profile):
        require_lint()
    return LocalCa.open(config.ca, read_passphrase(config.ca))


def open_office(config: Config, file: Path, child: SignerChild | None = None) -> Office:
    """`file`: the configuration's own, which the signer reads for itself. `child`: the signer, if somebody launched it.

    Raises TomlFault, CaFault, SecretFault, GpgFault, SigningFault: each says what to mend."""
    child = child or launch_signer(config, file)
    from bot.certify import Certifier
    from bot.compose.mail import Composer
    from bot.intake import Intake
    from bot.post import Post
    from bot.revoke import Revoker
    from bot.shares import Shares
    from bot.watch.watch import Watch

    judge = open_judge(config)
    if child:
        child.wait_until_ready()
    call = child.call if child else socket_call(config.signer.socket, config.signer.timeout)
    signer = SignerClient.open(call, partial(known_ledger.meet, judge.engine))
    domain = config.address.rpartition("@")[2]
    own = own_certificate(config)
    post = Post(Composer(config.desk(), config.name, open_signers(config, own)), secrets.token_bytes, domain)

    shares = Shares(judge.engine, this_process(), utc_now)

    def reader() -> Reader:
        return judge.authority.reader

    return Office(
        judge=judge,
        signer=signer,
        child=child,
        post=post,
        intake=Intake(judge.engine, config.imap, post, reader, judge.context, utc_now, shares),
        certifier=Certifier(judge.engine, signer, post, reader, judge.context, open_inquirer(judge), shares),
        revoker=Revoker(
            judge.engine,
            signer,
            post,
            reader,
            judge.context,
            shares,
            timedelta(minutes=config.ca.crl_minutes),
        ),
        shares=shares,
        watch=Watch(
            judge.engine, config, judge.context, post, signer, own_keys(config, own, signer), utc_now
        ),
    )


def own_certificate(config: Config) -> BotCertificate | None:
    """For S/MIME. Raises SigningFault, SecretFault where one is configured that can't sign: better than to find out
    with the first answer."""
    return open_bot_certificate(config.smime) if config.smime else None


def open_signers(config: Config, own: BotCertificate | None) -> Mapping[Scheme, Sign]:
    """What signs our mails, by the system of their readers. Raises GpgFault where the OpenPGP key can't sign."""
    signers: dict[Scheme, Sign] = {}
    if config.openpgp:
        signers[Scheme.OPENPGP] = open_bot_key(config.openpgp).sign_detached
    if own:
        signers[Scheme.SMIME] = own.sign_detached
    return signers


def own_keys(config: Config, own: BotCertificate | None, signer: SignerClient) -> tuple[OwnKey, ...]:
    """Every key and certificate of ours that may end. What is read at the start holds until a restart."""
    from bot.watch.looks import OwnKey

    found = []
    if settings := config.openpgp:
        key = BotKey(settings.home, settings.fingerprint, None, settings.gpg)
        found.append(OwnKey(f"OpenPGP key of the bot, {settings.fingerprint}", key.expires_at))
    certificates = [("the CA", x509.load_der_x509_certificate(der)) for der in signer.chain()]
    if own:
        certificates += [("the bot", one) for one in (own.certificate, *own.chain)]
    for whose, certificate in certificates:
        name = f"certificate of {whose}, {certificate.subject.rfc4514_string()}"
        found.append(OwnKey(name, partial(getattr, certificate, "not_valid_after_utc")))
    return tuple(found)


def open_bot_key(settings: OpenPGP) -> BotKey:
    """The OpenPGP key that signs our mails; its passphrase is read once. Raises GpgFault where it cannot sign."""
    if not settings.home.is_dir():
        raise GpgFault(f"openpgp.home: {settings.home} does not exist", temporary=False)
    passphrase = read_secret(settings.passphrase_file) if settings.passphrase_file else None
    key = BotKey(settings.home, settings.fingerprint, passphrase, settings.gpg)
    key.sign_detached(b"may we sign?")
    return key


def open_inquirer(judge: Judge) -> Inquirer:
    from bot.whois import WhoisClient
    from bot.whois_facts import Inquirer

    settings = judge.config.whois
    client = WhoisClient(settings.host, settings.port, settings.timeout)
    return Inquirer(judge.engine, client, timedelta(hours=settings.cache_hours), utc_now)


def web_deps(office: Office, wake: Callable[[], None]) -> WebDeps:
    """The download page shares the store, the handlers and the outbox with the mail side."""
    from bot.web.app import WebDeps

    with writing(office.engine) as session:
        secret = meta.find(session, "web_secret")
        if secret is None:
            secret = secrets.token_hex(32)
            meta.keep(session, "web_secret", secret)
    return WebDeps(
        engine=office.engine,
        context=office.judge.context,
        queue=office.post.queue,
        chain=office.signer.chain(),
        settings=office.config.web,
        secret=bytes.fromhex(secret),
        wake=wake,
        faults=office.watch.faults,
    )
