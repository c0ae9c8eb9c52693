"""`ringi init`: asks, or takes everything as flags."""

import secrets
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bot.setup.answers import Answers, OfficerAnswers, OwnCa


def _flag(text: str, **settings: Any) -> Any:
    return typer.Option(help=text, **settings)


def init(  # noqa: PLR0913  # one flag a question
    directory: Annotated[Path, typer.Argument(help="Where everything is written; it may exist.")] = Path(),
    address: Annotated[str | None, _flag("The bot's mail address. Without it, everything is asked.")] = None,
    name: Annotated[str, _flag("The name shown beside it.")] = "Ringi",
    instance: Annotated[
        str | None, _flag("This bot's name in sheets (default: the address' domain).")
    ] = None,
    imap_host: Annotated[str | None, _flag("IMAP server (default: imap.DOMAIN).")] = None,
    imap_port: Annotated[int, _flag("")] = 993,
    imap_security: Annotated[str, _flag("tls, starttls or none (loopback only).")] = "tls",
    smtp_host: Annotated[str | None, _flag("SMTP server (default: smtp.DOMAIN).")] = None,
    smtp_port: Annotated[int, _flag("")] = 465,
    smtp_security: Annotated[str, _flag("tls, starttls or none (loopback only).")] = "tls",
    user: Annotated[str | None, _flag("User name on both servers (default: the address).")] = None,
    password_file: Annotated[Path | None, _flag("File with the password.")] = None,
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
        typer.echo(f"{directory / 'config.toml'} exists already: choose another directory", err=True)
        raise typer.Exit(1)
    if address is None:
        answers = ask(lambda question, default: typer.prompt(question, default=default))
    else:
        answers = _answers(SimpleNamespace(**flags))
    try:
        prepared = prepare(directory, answers, now=utc_now(), random=secrets.token_bytes)
    except SetupFault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault
    for path in prepared.written:
        typer.echo(f"written: {path}")
    typer.echo("\nWhat is left to do:")
    for number, step in enumerate(prepared.to_do, start=1):
        typer.echo(f"{number}. {step}")


def _answers(flags: SimpleNamespace) -> "Answers":
    from bot.setup.answers import Answers, InstitutionAnswers, NewCa, ServerAnswers

    if missing := list(_missing(flags)):
        raise typer.BadParameter(f"with --address, these are needed too: {', '.join(missing)}")
    host = flags.address.rpartition("@")[2]
    domains = tuple(flags.domain or [host])

    def server(kind: str, name: str | None, port: int, security: Any) -> ServerAnswers:
        return ServerAnswers(
            host=name or f"{kind}.{host}",
            port=port,
            security=security,
            user=flags.user or flags.address,
            password_file=flags.password_file and flags.password_file.absolute(),
            token_command=flags.token_command,
            ca_file=flags.ca_file and flags.ca_file.absolute(),
        )

    return Answers(
        instance=flags.instance or host,
        address=flags.address,
        imap=server("imap", flags.imap_host, flags.imap_port, flags.imap_security),
        smtp=server("smtp", flags.smtp_host, flags.smtp_port, flags.smtp_security),
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
        officers=tuple(_read_officer(text) for text in flags.officer or []),
        ca=_existing_ca(flags) or NewCa(flags.ca_name or f"{flags.organization} CA"[:64], flags.ca_type),
        name=flags.name,
        web_port=flags.web_port,
        monitors=tuple(flags.monitor or []),
    )


def _missing(flags: SimpleNamespace) -> Iterator[str]:
    """The flags that have no default and were not given."""
    for flag in ("institution", "institution_name", "organization", "state", "locality", "officer"):
        if not getattr(flags, flag):
            yield f"--{flag.replace('_', '-')}"
    if not flags.password_file and not flags.token_command:
        yield "--password-file or --token-command"


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


def _existing_ca(flags: SimpleNamespace) -> "OwnCa | None":
    from bot.setup.answers import OwnCa

    if flags.ca_key is None:
        return None
    if flags.ca_certificate is None:
        raise typer.BadParameter("an existing CA key needs --ca-certificate", param_hint="--ca-key")
    paths = (flags.ca_key, flags.ca_certificate, flags.ca_chain, flags.ca_passphrase_file)
    return OwnCa(*(path and path.absolute() for path in paths))
