"""What `ringi init` must know, as a value."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bot.ca.making import KeyKind
from bot.config import Security
from bot.setup.mail_servers import PLAIN, MailServer
from handlers.rules.register import Language


@dataclass(frozen=True)
class ServerAnswers:
    """An IMAP or SMTP server. Relative paths start at the new configuration, as in the file itself."""

    host: str
    port: int
    security: Security = "tls"
    user: str = ""
    password_file: Path | None = None
    token_command: str | None = None
    ca_file: Path | None = None


@dataclass(frozen=True)
class OfficerAnswers:
    """`key_file`: where the officer's public OpenPGP key or S/MIME certificate lies now; it is copied."""

    id: str
    name: str
    address: str
    key_file: Path


@dataclass(frozen=True)
class SmimeAnswers:
    """Asked for where an officer brings a certificate. `roots`: PEM, copied; the other files stay where they are.

    `crl_sources`: URLs or files. `certificate` and `key`: our own, for mails to these officers and to applicants.
    """

    roots: Path
    crl_sources: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    chain: Path | None = None


@dataclass(frozen=True)
class InstitutionAnswers:
    """`name` as people call it, `organization` as in certificates (O). `vetted_until`: the last day.

    None: not vetted yet, and applications are refused until somebody enters a day.
    """

    id: str
    name: str
    organization: str
    state: str
    locality: str
    domains: tuple[str, ...]
    applicant_domains: tuple[str, ...]
    vetted_until: date | None = None
    language: Language = "ja"


@dataclass(frozen=True)
class NewCa:
    """A root to be made. `passphrase` None: one is made from 24 random bytes."""

    name: str
    key: KeyKind = "p384"
    days: int = 3650
    passphrase: str | None = None


@dataclass(frozen=True)
class OwnCa:
    """A CA that is there already: its files stay where they are."""

    key: Path
    certificate: Path
    chain: Path | None = None
    passphrase_file: Path | None = None


@dataclass(frozen=True)
class Answers:
    """Everything that `bot.setup.prepare.prepare` writes down."""

    instance: str
    address: str
    imap: ServerAnswers
    smtp: ServerAnswers
    public_url: str
    institution: InstitutionAnswers
    officers: tuple[OfficerAnswers, ...]
    ca: NewCa | OwnCa
    smime: SmimeAnswers | None = None
    name: str = "Ringi"
    web_port: int = 8025
    monitors: tuple[str, ...] = ()
    mail_server: MailServer = PLAIN
