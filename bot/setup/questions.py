"""The questions of `ringi init`, one after the other, with guesses where there is something to guess."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar, get_args

from bot.ca.making import KeyKind
from bot.config import Security
from bot.setup.answers import (
    Answers,
    InstitutionAnswers,
    NewCa,
    OfficerAnswers,
    OwnCa,
    ServerAnswers,
    SmimeAnswers,
)
from bot.setup.mail_servers import MAIL_SERVERS, PLAIN, TOKEN_COMMAND, Door, Kind, MailServer
from bot.setup.officer_key import crl_urls, is_certificate, read_source
from handlers.rules.register import Language

Prompt = Callable[[str, str | None], str]
_T = TypeVar("_T")
_YES = {"yes": True, "y": True, "no": False, "n": False}
_SECURITIES: dict[str, Security] = {word: word for word in get_args(Security)}
_LANGUAGES: dict[str, Language] = {word: word for word in get_args(Language)}
_KINDS: dict[str, Kind] = {word: word for word in get_args(Kind)}
_KEYS: dict[str, KeyKind] = {word: word for word in get_args(KeyKind)}


def ask(prompt: Prompt) -> Answers:
    """Asks for everything; what can't be right is asked again.

    `prompt`: question and default (None: there is none) -> the answer. Paths start at the current directory,
    but a password file's at the new configuration.
    """
    address = _ask(prompt, "Mail address of the bot", None, _address)
    domain = address.rpartition("@")[2]
    name = prompt("Name shown beside the address", "Ringi")
    instance = _ask(prompt, "Name of this bot in sheets and logs (never change it later)", domain, _instance)
    kind = MAIL_SERVERS[_ask(prompt, f"Mail server: {', '.join(_KINDS)}", "plain", _one_of(_KINDS))]
    if kind is PLAIN:
        imap = _ask_server(prompt, "IMAP", address, (993, 143))
        smtp = _ask_server(prompt, "SMTP", address, (465, 587), like=imap)
    else:
        imap, smtp = _known_servers(prompt, kind, address)
    public_url = _ask(prompt, "URL of the download page", f"https://ringi.{domain}", _url)
    web_port = _ask(prompt, "Local port of the download page", "8025", _port)
    institution = _ask_institution(prompt, domain)
    officers = _ask_officers(prompt)
    smime = _ask_smime(prompt, officers)
    monitors = _ask(prompt, "Who gets the daily digest (addresses)", officers[0].address, _addresses)
    return Answers(
        instance=instance,
        address=address,
        imap=imap,
        smtp=smtp,
        public_url=public_url,
        institution=institution,
        officers=officers,
        ca=_ask_ca(prompt, institution.organization),
        smime=smime,
        name=name,
        web_port=web_port,
        monitors=monitors,
        mail_server=kind,
    )


def _ask_server(
    prompt: Prompt, what: str, address: str, ports: tuple[int, int], like: ServerAnswers | None = None
) -> ServerAnswers:
    """`like`: the other server, whose login and CA are the guesses."""
    host = _ask(prompt, f"{what} server", f"{what.lower()}.{address.rpartition('@')[2]}", _word)
    security = _ask(prompt, f"{what}: tls, starttls or none", "tls", _one_of(_SECURITIES))
    port = _ask(prompt, f"{what}: port", str(ports[security != "tls"]), _port)
    known = (like and like.user) or address
    user = prompt(f"{what}: user name" + (" (- for no login)" if what == "SMTP" else ""), known).strip()
    user = "" if user == "-" else user
    password_file = token_command = None
    if user:
        question = f"{what}: file that holds the password (- for OAuth2)"
        known = str(like.password_file or "-") if like else "mail.password"
        password_file = _ask(prompt, question, known, _optional_path)
    if user and password_file is None:
        question = f"{what}: command that prints an OAuth2 access token"
        token_command = _ask(prompt, question, like.token_command if like else None, _text)
    ca_file = None
    if security != "none":
        question = f"{what}: file with the CA certificate to trust (- for the system's)"
        known = str((like and like.ca_file) or "-")
        ca_file = _ask(prompt, question, known, _optional_path)
    return ServerAnswers(
        host=host,
        port=port,
        security=security,
        user=user,
        password_file=password_file,
        token_command=token_command,
        ca_file=ca_file and ca_file.absolute(),
    )


def _known_servers(prompt: Prompt, kind: MailServer, user: str) -> tuple[ServerAnswers, ServerAnswers]:
    """Only how to log in is asked, once for both."""
    password_file = None
    if not kind.oauth2:
        question = f"File that holds {kind.secret} (- for OAuth2)"
        password_file = _ask(prompt, question, "mail.password", _optional_path)
    token_command = None
    if password_file is None:
        question = "Command that prints an OAuth2 access token"
        token_command = _ask(prompt, question, f"{TOKEN_COMMAND} {user}", _text)

    def server(door: Door) -> ServerAnswers:
        assert door.host
        return ServerAnswers(door.host, door.port, door.security, user, password_file, token_command)

    return server(kind.imap), server(kind.smtp)


def _ask_institution(prompt: Prompt, domain: str) -> InstitutionAnswers:
    short = re.sub(r"[^a-z0-9]", "", domain.partition(".")[0].lower()) or "institution"
    identifier = _ask(prompt, "Institution: short name (a-z, 0-9)", short, _identifier)
    name = _ask(prompt, "Institution: name as people call it", None, _text)
    organization = _ask(prompt, "Institution: O in certificates (English name)", None, _text)
    state = _ask(prompt, "Institution: ST in certificates", "Tokyo", _text)
    locality = _ask(prompt, "Institution: L in certificates", None, _text)
    domains = _ask(prompt, "Institution: its domains", domain, _domains)
    applicant_domains = _ask(prompt, "Domains of applicants' mail addresses", ", ".join(domains), _domains)
    question = "Last day the domains' vetting holds, YYYY-MM-DD (- for not vetted yet)"
    vetted_until = _ask(prompt, question, "-", _optional_day)
    language = _ask(prompt, "Language of its mails: ja, en or both", "ja", _one_of(_LANGUAGES))
    return InstitutionAnswers(
        id=identifier,
        name=name,
        organization=organization,
        state=state,
        locality=locality,
        domains=domains,
        applicant_domains=applicant_domains,
        vetted_until=vetted_until,
        language=language,
    )


def _ask_officers(prompt: Prompt) -> tuple[OfficerAnswers, ...]:
    officers: list[OfficerAnswers] = []
    while True:
        who = f"Officer {len(officers) + 1}"
        address = _ask(prompt, f"{who}: mail address", None, _address)
        local = re.sub(r"[^a-z0-9._-]", "", address.partition("@")[0]).lstrip("._-")
        short = local or f"officer{len(officers) + 1}"
        identifier = _ask(prompt, f"{who}: short name", short, _identifier)
        name = _ask(prompt, f"{who}: name", None, _text)
        question = f"{who}: file with the public OpenPGP key or S/MIME certificate"
        key_file = _ask(prompt, question, f"{short}.asc", _present_file)
        officers.append(OfficerAnswers(identifier, name, address, key_file))
        if not _ask(prompt, "Another officer? (yes/no)", "no", _is_yes):
            return tuple(officers)


def _ask_smime(prompt: Prompt, officers: tuple[OfficerAnswers, ...]) -> SmimeAnswers | None:
    """Only where an officer brings a certificate. The lists' URLs are guessed from the certificates."""
    if not any(is_certificate(officer.key_file) for officer in officers):
        return None
    roots = _ask(prompt, "S/MIME: file with the roots that vouch for the officers", None, _present_file)
    known = crl_urls([officer.key_file for officer in officers])
    question = "S/MIME: revocation lists, one for each CA (URLs or files)"
    sources = _ask(prompt, question, " ".join(known) or None, _sources)
    question = "S/MIME: the bot's own certificate, for signing its mails (- for none yet)"
    certificate = _ask(prompt, question, "-", _optional_path)
    key = None
    if certificate:
        key = _ask(prompt, "S/MIME: its key file", str(certificate.with_suffix(".key")), _present_file)
    return SmimeAnswers(roots, sources, certificate and certificate.absolute(), key and key.absolute())


def _ask_ca(prompt: Prompt, organization: str) -> NewCa | OwnCa:
    key = _ask(prompt, "Key file of an existing CA (- to make a new one)", "-", _optional_path)
    if key is None:
        name = _ask(prompt, "Name (CN) of the new CA", f"{organization} CA"[:64], _text)
        kind = _ask(prompt, f"Its key: {', '.join(_KEYS)}", "p384", _one_of(_KEYS))
        return NewCa(name, kind)
    key = key.absolute()
    certificate = _ask(prompt, "Its certificate", str(key.with_suffix(".pem")), _present_file).absolute()
    chain = _ask(prompt, "File with the certificates above it (- for none)", "-", _optional_path)
    passphrase = _ask(prompt, "File with the key's passphrase (- for none)", "-", _optional_path)
    return OwnCa(key, certificate, chain and chain.absolute(), passphrase and passphrase.absolute())


def _ask(prompt: Prompt, question: str, default: str | None, take: Callable[[str], _T]) -> _T:
    """The first answer that `take` takes; what it says of one it refuses stands before the question."""
    again = question
    while True:
        try:
            return take(prompt(again, default).strip())
        except ValueError as error:
            again = f"({error}) {question}"


def _text(answer: str) -> str:
    if not answer:
        raise ValueError("an answer is needed")
    return answer


def _word(answer: str) -> str:
    if not answer or len(answer.split()) > 1:
        raise ValueError("one word is needed")
    return answer


def _sources(answer: str) -> tuple[str, ...]:
    if not answer.split():
        raise ValueError("one at least is needed")
    return tuple(map(read_source, answer.split()))


def _address(answer: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", answer):
        raise ValueError("that is no mail address")
    return answer.lower()


def _url(answer: str) -> str:
    if not answer.startswith(("https://", "http://")):
        raise ValueError("a URL begins with https://")
    return answer.rstrip("/")


def _port(answer: str) -> int:
    if not answer.isdecimal() or not 1 <= int(answer) <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return int(answer)


def _instance(answer: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", answer):
        raise ValueError("letters, digits, . - only")
    return answer


def _identifier(answer: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,31}", answer):
        raise ValueError("lower case letters, digits, . _ - only")
    return answer


def _split(answer: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", answer.lower()) if word)


def _domains(answer: str) -> tuple[str, ...]:
    domains = _split(answer)
    if not domains or not all("." in domain and "@" not in domain for domain in domains):
        raise ValueError("domains like example.ac.jp, separated by commas")
    return domains


def _addresses(answer: str) -> tuple[str, ...]:
    return tuple(_address(word) for word in _split(answer))


def _optional_day(answer: str) -> date | None:
    if answer in ("", "-"):
        return None
    try:
        return date.fromisoformat(answer)
    except ValueError:
        raise ValueError("a day is written 2026-04-01") from None


def _optional_path(answer: str) -> Path | None:
    return None if answer in ("", "-") else Path(answer).expanduser()


def _present_file(answer: str) -> Path:
    path = Path(answer).expanduser()
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _is_yes(answer: str) -> bool:
    if answer.lower() not in _YES:
        raise ValueError("yes or no")
    return _YES[answer.lower()]


def _one_of(choices: Mapping[str, _T]) -> Callable[[str], _T]:
    def take(answer: str) -> _T:
        if answer not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return choices[answer]

    return take
