"""The configuration: one TOML file -> frozen values. Every key is named here and in config.example.toml; others are
refused. Relative paths are relative to the file. Secrets stand in files or come from commands, never in the TOML."""

import os
import subprocess
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from bot.ca.token_uri import read_token_uri
from bot.toml_file import load_toml
from handlers.context import Desk
from handlers.rules.profile import DEFAULT_PROFILES, Profile
from handlers.rules.register import Address
from handlers.rules.scheme import Scheme

Security = Literal["tls", "starttls", "none"]
NotDownloadedDays = Annotated[int, Field(ge=1, le=365)]
Port = Annotated[int, Field(ge=1, le=65535)]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SecretFault(Exception):
    """A password, token or passphrase could not be had; temporary when it comes from a command."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Strict):
    """An IMAP or SMTP server. `password_file` logs in by password, `token_command` by OAuth2 (XOAUTH2)."""

    host: str
    port: Port
    security: Security = "tls"
    user: str = ""  # empty: no login (SMTP only)
    password_file: Path | None = None
    token_command: str | None = None
    ca_file: Path | None = None  # None: the system's trust store
    timeout: Annotated[int, Field(ge=1, le=600)] = 60  # seconds for any one answer

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("security = 'none' is for loopback only")
        if self.password_file and self.token_command:
            raise ValueError("give password_file or token_command, not both")
        if bool(self.user) != bool(self.password_file or self.token_command):
            raise ValueError("user goes with password_file or token_command")
        return self

    def secret(self) -> str:
        """The password or the OAuth2 access token, read anew at each login: both may change while we run."""
        if self.password_file:
            return read_secret(self.password_file)
        return run_for_secret(self.token_command or "", self.timeout)


class Imap(Server):
    """Where mails come in. The three folders are made if they are missing."""

    port: Port = 993
    folder: str = "INBOX"
    done: str = "Done"
    refused: str = "Refused"
    quarantine: str = "Quarantine"
    poll_seconds: Annotated[int, Field(ge=1, le=3600)] = 60  # without IDLE, and as its safety net
    authserv_id: str | None = None  # whose Authentication-Results are shown to officers

    @model_validator(mode="after")
    def _needs_a_login(self) -> Self:
        if not self.user:
            raise ValueError("user is required")
        return self


class Smtp(Server):
    """Where mails go out."""

    port: Port = 465


class Store(_Strict):
    """`sqlite:///relative/path` is relative to the configuration file."""

    url: str = "sqlite:///state/ringi.db"


class OpenPGP(_Strict):
    """The bot's signing key, and where the officers' keys are kept."""

    fingerprint: Annotated[
        str, StringConstraints(to_upper=True, pattern=r"^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$")
    ]
    home: Path = Path("state/gnupg")
    officers_home: Path = Path("state/gnupg-officers")
    passphrase_file: Path | None = None
    gpg: str = "gpg"


class Smime(_Strict):
    """S/MIME: whom we trust to vouch for officers' keys, and the certificate our own mails are signed with.

    `ca_file`: the roots, PEM, and nothing else is trusted. `crl_sources`: http(s) URLs or files, one for each CA.
    """

    ca_file: Path
    crl: Literal["require", "soft-fail"] = "require"
    crl_sources: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    crl_dir: Path = Path("state/crls")
    email_protection: Literal["require", "absent-allowed"] = "require"
    certificate: Path | None = None  # ours; without it officers who use S/MIME get unsigned mails
    key: Path | None = None
    chain: Path | None = None  # what stands between ours and its root
    passphrase_file: Path | None = None

    @model_validator(mode="after")
    def _key_goes_with_certificate(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class Signer(_Strict):
    """The process that holds the CA's key. `start`: `ringi run` starts it; false: something else does (systemd)."""

    socket: Path = Path("state/signer.sock")
    ledger: Path = Path("state/signer.db")
    start: bool = True
    timeout: Annotated[int, Field(ge=1, le=600)] = 120  # seconds for any one answer


class Ca(_Strict):
    """The local CA. Its key lies in a file, or in a token (`pkcs11`, a URI of RFC 7512).

    `passphrase_file` opens the key file, or holds the token's PIN; `credential` names a systemd credential instead.
    """

    key: Path | None = None
    pkcs11: str | None = None
    certificate: Path
    chain: Path | None = None  # certificates above ours, PEM, in order
    passphrase_file: Path | None = None
    credential: str | None = None
    crl_url: str | None = None
    issuer_url: str | None = None  # AIA caIssuers
    ocsp_url: str | None = None
    crl_days: Annotated[int, Field(ge=1, le=365)] = 7  # nextUpdate; a new list is signed at half of it
    crl_minutes: Annotated[int, Field(ge=0, le=30)] = 0  # between two lists, but for compromised keys
    lint: Literal["off", "warn", "block"] = (
        "off"  # what is to be signed, by the rules of its kind; public: block
    )

    @field_validator("pkcs11")
    @classmethod
    def _is_understood(cls, uri: str | None) -> str | None:
        if uri is not None:
            read_token_uri(uri)
        return uri

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.key is None) == (self.pkcs11 is None):
            raise ValueError("give key (a file) or pkcs11 (a token), one of them")
        return self


class Web(_Strict):
    """The download page. `public_url` is what applicants click; a TLS proxy stands in front of `host`:`port`."""

    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*[^/\s])?$")]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8025
    repeat_minutes: Annotated[int, Field(ge=0, le=1440)] = 10  # how long a used URL still answers its user
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-For is believed
    metrics_port: Port | None = None  # of 127.0.0.1, beside the page's own; None: no metrics


class Whois(_Strict):
    """Whether a domain's registrant is looked up right before issuing, and where (manual 1-1-4 step 5)."""

    mode: Literal["off", "warn", "require"] = "off"
    host: Annotated[str, StringConstraints(min_length=1)] = "whois.jprs.jp"
    port: Port = 43
    timeout: Annotated[int, Field(ge=1, le=60)] = 20  # seconds for a domain, with all tries
    cache_hours: Annotated[int, Field(ge=0, le=24)] = 1  # how long a good answer holds


class Alarms(_Strict):
    """When the monitors are told of what is wrong. `mark`: notes that the store can't be written; a folder of ours."""

    down_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    disk_free_mb: Annotated[int, Field(ge=1)] = 1024
    mark: Path = Path("state/store.alarm")


class Log(_Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class Config(_Strict):
    """The whole file."""

    instance: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$")]
    address: Address
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "Ringi"
    register_dir: Path = Path("register")
    blocked_keys: Path | None = None  # SHA-256 of public keys that are refused, one a line
    monitors: tuple[Address, ...] = ()
    max_rows: Annotated[int, Field(ge=1, le=10_000)] = 99
    strict_jisx0208: bool = False
    lapse_working_days: Annotated[int, Field(ge=1, le=90)] = 10
    hold_days: Annotated[int, Field(ge=1, le=365)] = 30
    not_downloaded_days: tuple[NotDownloadedDays, NotDownloadedDays] = (7, 14)  # the applicant, the officers
    batch_hour: Annotated[int, Field(ge=0, le=23)] = 8  # when officers get all that is open in one mail
    digest_hour: Annotated[int, Field(ge=0, le=23)] = 7  # when the monitors get the day's digest
    expiry_mails_per_day: Annotated[int, Field(ge=1, le=1000)] = 20  # to one address
    mails_per_day: Annotated[int, Field(ge=1, le=100_000)] = 200  # of one sender, unsigned
    holidays: tuple[date, ...] = ()
    utc_offset_hours: Annotated[int, Field(ge=-12, le=14)] = 9
    timestamp_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")] | None = None
    imap: Imap
    smtp: Smtp
    store: Store = Store()
    openpgp: OpenPGP | None = None
    smime: Smime | None = None
    ca: Ca
    signer: Signer = Signer()
    web: Web
    whois: Whois = Whois()
    alarms: Alarms = Alarms()
    log: Log = Log()
    profile: Annotated[tuple[Profile, ...], Field(min_length=1)] = DEFAULT_PROFILES

    @field_validator("profile")
    @classmethod
    def _profile_ids_are_unique(cls, profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
        if len({p.id for p in profiles}) != len(profiles):
            raise ValueError("two profiles have the same id")
        return profiles

    @model_validator(mode="after")
    def _some_system_is_served(self) -> Self:
        if self.openpgp is None and self.smime is None:
            raise ValueError("give [openpgp], [smime] or both: officers must be able to sign")
        return self

    @property
    def schemes(self) -> frozenset[Scheme]:
        """By which systems officers may sign here."""
        served = ((Scheme.OPENPGP, self.openpgp), (Scheme.SMIME, self.smime))
        return frozenset(scheme for scheme, settings in served if settings)

    def desk(self) -> Desk:
        """The part of the configuration that decisions depend on."""
        return Desk(
            instance=self.instance,
            address=self.address,
            public_url=self.web.public_url,
            monitors=self.monitors,
            profiles=self.profile,
            max_rows=self.max_rows,
            strict_jisx0208=self.strict_jisx0208,
            lapse_working_days=self.lapse_working_days,
            hold_days=self.hold_days,
            not_downloaded_days=self.not_downloaded_days,
            batch_hour=self.batch_hour,
            down_minutes=self.alarms.down_minutes,
            digest_hour=self.digest_hour,
            expiry_mails_per_day=self.expiry_mails_per_day,
            mails_per_day=self.mails_per_day,
            repeat_minutes=self.web.repeat_minutes,
            holidays=frozenset(self.holidays),
            utc_offset_hours=self.utc_offset_hours,
            timestamp_url=self.timestamp_url,
            whois=self.whois.mode,
        )


def load_config(path: Path) -> Config:
    """Read `path`; raises `bot.toml_file.TomlFault` with every fault, its key and its line."""
    config = load_toml(path, Config)
    return _with_absolute_paths(config, path.resolve().parent)


def _with_absolute_paths(config: Config, base: Path) -> Config:
    def resolve(section: BaseModel) -> dict[str, object]:
        changes: dict[str, object] = {}
        for name in type(section).model_fields:
            value = getattr(section, name)
            if isinstance(value, Path):
                changes[name] = base / value
            elif isinstance(value, BaseModel):
                changes[name] = value.model_copy(update=resolve(value))
        return changes

    config = config.model_copy(update=resolve(config))
    if config.smime:
        sources = (one if "://" in one else str(base / one) for one in config.smime.crl_sources)
        smime = config.smime.model_copy(update={"crl_sources": tuple(sources)})
        config = config.model_copy(update={"smime": smime})
    prefix = "sqlite:///"
    url = config.store.url
    if url.startswith(prefix) and not url.startswith(prefix + "/") and url != prefix + ":memory:":
        store = config.store.model_copy(update={"url": f"{prefix}{base / url.removeprefix(prefix)}"})
        config = config.model_copy(update={"store": store})
    return config


def read_secret(path: Path) -> str:
    """The first line of a secret's file. Others must not be able to read it."""
    try:
        if path.stat().st_mode & 0o007:
            raise SecretFault(f"{path} can be read by everybody: chmod 600 {path}", temporary=False)
        return path.read_text(encoding="utf-8").partition("\n")[0]
    except OSError as error:
        raise SecretFault(f"{path}: {error.strerror}", temporary=False) from error
    except UnicodeDecodeError as error:
        raise SecretFault(f"{path} is not UTF-8 text", temporary=False) from error


def run_for_secret(command: str, seconds: int) -> str:
    """The first line that a shell command prints: an OAuth2 access token."""
    try:
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise SecretFault(f"token_command gave no answer within {seconds} s", temporary=True) from error
    token = done.stdout.decode("ascii", "replace").partition("\n")[0].strip()
    if done.returncode != 0 or not token:
        raise SecretFault(f"token_command ended with {done.returncode} and no token", temporary=True)
    return token


def read_passphrase(ca: Ca) -> str | None:
    """What opens the CA's key file or token: from a file, from a systemd credential, or nothing for an open key."""
    if ca.credential:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise SecretFault("ca.credential is set, but systemd passed no credentials", temporary=False)
        return read_secret(Path(folder) / ca.credential)
    return read_secret(ca.passphrase_file) if ca.passphrase_file else None
