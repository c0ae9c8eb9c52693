"""`ringi init`: asks, or takes everything as flags."""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli_faults import fail, say

if TYPE_CHECKING:
    from bot.setup.answers import Answers, OfficerAnswers, OwnCa, ServerAnswers, SmimeAnswers
    from bot.setup.mail_servers import MailServer


def _flag(text: str, **settings: Any) -> Any:
    return typer.Option(help=text, **settings)


def init(  # noqa: PLR0913  # one flag a question
    directory: Annotated[Path, typer.Argument(help="Where everything is written; it may exist.")] = Path(),
    address: Annotated[str | None, _flag("The bot's mail address. Without it, everything is asked.")] = None,
    name: Annotated[str, _flag("The name shown beside it.")] = "Ringi",
    instance: Annotated[
        str | None, _flag("This bot's name in sheets (default: the address' domain).")
    ] = None,
    server: Annotated[
        str, _flag("plain, gmail or microsoft365: hosts, ports and login of these are known.")
    ] = "plain",
    imap_host: Annotated[str | None, _flag("IMAP server (default: imap.DOMAIN).")] = None,
    imap_port: Annotated[int | None, _flag("Default: 993.")] = None,
    imap_security: Annotated[str | None, _flag("tls (default), starttls or none (loopback only).")] = None,
    smtp_host: Annotated[str | None, _flag("SMTP server (default: smtp.DOMAIN).")] = None,
    smtp_port: Annotated[int | None, _flag("Default: 465.")] = None,
    smtp_security: Annotated[str | None, _flag("tls (default), starttls or none (loopback only).")] = None,
    user: Annotated[str | None, _flag("User name on both servers (default: the address).")] = None,
    password_file: Annotated[
        Path | None, _flag("File with the password (default: mail.password in the new directory).")
    ] = None,
    token_command: Annotated[str | None, _flag("Command that prints an OAuth2 access token.")] = None,
    ca_file: Annotated[
        Path | None, _flag("CA certificate to trust for both servers (default: the system's).")
    ] = None,
    public_url: Annotated[
        str | None, _flag("The download page's URL (default: https://ringi.DOMAIN).")
    ] = None,
    web_port: Annotated[int, _flag("Its local port.")] = 8025,
    institution: Annotated[str, _flag("Its id: lower case letters and digits.")] = "",
    institution_name: Annotated[str, _flag("As people call it.")] = "",
    organization: Annotated[str, _flag("O in certificates.")] = "",
    state: Annotated[str, _flag("ST in certificates.")] = "",
    locality: Annotated[str, _flag("L in certificates.")] = "",
    domain: Annotated[list[str] | None, _flag("A domain of the institution; may be repeated.")] = None,
    applicant_domain: Annotated[
        list[str] | None, _flag("Whose addresses may apply (default: the domains).")
    ] = None,
    vetted_until: Annotated[
        str | None, _flag("Last day the domains' vetting holds.", metavar="YYYY-MM-DD")
    ] = None,
    language: Annotated[str, _flag("ja, en or both.")] = "ja",
    officer: Annotated[list[str] | None, _flag("May be repeated.", metavar="ID:NAME:ADDRESS:KEYFILE")] = None,
    smime_roots: Annotated[
        Path | None, _flag("Roots (PEM) of officers who bring an S/MIME certificate.")
    ] = None,
    smime_crl: Annotated[
        list[str] | None,
        _flag("URL or file of a CA's revocation list; may be repeated (default: as certified)."),
    ] = None,
    smime_certificate: Annotated[Path | None, _flag("The bot's own S/MIME certificate.")] = None,
    smime_key: Annotated[Path | None, _flag("Its key.")] = None,
    monitor: Annotated[list[str] | None, _flag("Who gets alarms; may be repeated.")] = None,
    ca_name: Annotated[str | None, _flag("CN of a new CA (default: '<O> CA').")] = None,
    ca_type: Annotated[str, _flag("Key of a new CA: p256, p384, rsa2048, rsa3072, rsa4096.")] = "p384",
    ca_key: Annotated[Path | None, _flag("Key file of an existing CA.")] = None,
    ca_certificate: Annotated[Path | None, _flag("Its certificate.")] = None,
    ca_chain: Annotated[Path | None, _flag("The certificates above it.")] = None,
    ca_passphrase_file: Annotated[Path | None, _flag("What opens the key file.")] = None,
) -> None:
    """Set up a new desk: configuration, register, CA, and the bot's signing key."""
    flags = locals().copy()
    from bot.setup.prepare import SetupFault, ask, prepare
    from bot.wiring import utc_now

    if (directory / "config.toml").exists():
        fail(f"{directory / 'config.toml'} exists already: choose another directory")
    if address is None:
        answers = ask(lambda question, default: typer.prompt(question, default=default))
    else:
        answers = _answers(SimpleNamespace(**flags))
    try:
        prepared = prepare(directory, answers, now=utc_now(), random=os.urandom)
    except SetupFault as fault:
        fail(str(fault))
    for path in prepared.written:
        say(f"written: {path}")
    say("\nBefore the first application:")
    for step in prepared.to_do:
        say(f"- {step}")
    say("\nThe next three steps:")
    for number, step in enumerate(prepared.next_steps, start=1):
        say(f"{number}. {step.replace('`ringi ', f'`{_as_called()} ')}")


def _as_called() -> str:
    """`ringi`, or, where a shell would not find that, the path by which it was called."""
    called = Path(sys.argv[0])
    return "ringi" if called.name != "ringi" or shutil.which("ringi") else str(called.absolute())


def _answers(flags: SimpleNamespace) -> "Answers":
    from bot.setup.answers import Answers, InstitutionAnswers, NewCa
    from bot.setup.mail_servers import MAIL_SERVERS

    if flags.server not in MAIL_SERVERS:
        raise typer.BadParameter(f"one of {', '.join(MAIL_SERVERS)}", param_hint="--server")
    kind = MAIL_SERVERS[flags.server]
    if missing := list(_missing(flags)):
        raise typer.BadParameter(f"with --address, these are needed too: {', '.join(missing)}")
    host = flags.address.rpartition("@")[2]
    domains = tuple(flags.domain or [host])
    officers = tuple(_read_officer(text) for text in flags.officer or [])

    return Answers(
        instance=flags.instance or host,
        address=flags.address,
        imap=_server(flags, "imap", kind),
        smtp=_server(flags, "smtp", kind),
        public_url=(flags.public_url or f"https://ringi.{host}").rstrip("/"),
        institution=InstitutionAnswers(
            id=flags.institution,
            name=flags.institution_name,
            organization=flags.organization,
            state=flags.state,
            locality=flags.locality,
            domains=domains,
            applicant_domains=tuple(flags.applicant_domain or domains),
            vetted_until=_read_day(flags.vetted_until),
            language=flags.language,
        ),
        officers=officers,
        smime=_smime(flags, officers),
        ca=_existing_ca(flags) or NewCa(flags.ca_name or f"{flags.organization} CA"[:64], flags.ca_type),
        name=flags.name,
        web_port=flags.web_port,
        monitors=tuple(flags.monitor or []),
        mail_server=kind,
    )


def _server(flags: SimpleNamespace, what: str, kind: "MailServer") -> "ServerAnswers":
    from bot.setup.answers import ServerAnswers
    from bot.setup.mail_servers import TOKEN_COMMAND

    door = kind.imap if what == "imap" else kind.smtp
    user = flags.user or flags.address
    token_command, password_file = flags.token_command, flags.password_file and flags.password_file.absolute()
    if not token_command and not password_file:
        if kind.oauth2:
            token_command = f"{TOKEN_COMMAND} {user}"
        else:
            password_file = Path("mail.password")
    return ServerAnswers(
        host=getattr(flags, f"{what}_host") or door.host or f"{what}.{flags.address.rpartition('@')[2]}",
        port=getattr(flags, f"{what}_port") or door.port,
        security=getattr(flags, f"{what}_security") or door.security,
        user=user,
        password_file=password_file,
        token_command=token_command,
        ca_file=flags.ca_file and flags.ca_file.absolute(),
    )


def _missing(flags: SimpleNamespace) -> Iterator[str]:
    """The flags that have no default and were not given."""
    for flag in ("institution", "institution_name", "organization", "state", "locality", "officer"):
        if not getattr(flags, flag):
            yield f"--{flag.replace('_', '-')}"


def _read_day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("a day is written 2026-04-01", param_hint="--vetted-until") from None


def _read_officer(text: str) -> "OfficerAnswers":
    from bot.setup.answers import OfficerAnswers

    parts = text.split(":", 3)
    if len(parts) != 4:
        raise typer.BadParameter(f"{text!r} is not ID:NAME:ADDRESS:KEYFILE", param_hint="--officer")
    identifier, name, address, key_file = parts
    return OfficerAnswers(identifier, name, address, Path(key_file).expanduser())


def _smime(flags: SimpleNamespace, officers: "tuple[OfficerAnswers, ...]") -> "SmimeAnswers | None":
    from bot.setup.answers import SmimeAnswers
    from bot.setup.officer_key import crl_urls, read_source

    if flags.smime_roots is None:
        return None
    if bool(flags.smime_certificate) != bool(flags.smime_key):
        raise typer.BadParameter("a certificate and its key go together", param_hint="--smime-key")
    own = (flags.smime_certificate, flags.smime_key)
    sources = tuple(map(read_source, flags.smime_crl or ())) or crl_urls(o.key_file for o in officers)
    return SmimeAnswers(flags.smime_roots, sources, *(path and path.absolute() for path in own))


def _existing_ca(flags: SimpleNamespace) -> "OwnCa | None":
    from bot.setup.answers import OwnCa

    if flags.ca_key is None:
        return None
    if flags.ca_certificate is None:
        raise typer.BadParameter("an existing CA key needs --ca-certificate", param_hint="--ca-key")
    paths = (flags.ca_key, flags.ca_certificate, flags.ca_chain, flags.ca_passphrase_file)
    return OwnCa(*(path and path.absolute() for path in paths))
