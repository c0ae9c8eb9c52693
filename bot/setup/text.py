"""The files that `ringi init` writes for people to read and edit: the configuration and a register file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

from bot.setup.answers import (
    Answers,
    InstitutionAnswers,
    NewCa,
    OfficerAnswers,
    OwnCa,
    ServerAnswers,
    SmimeAnswers,
)
from bot.setup.officer_key import Pin
from handlers.rules.scheme import Scheme

CA_KEY, CA_CERTIFICATE, CA_PASSPHRASE = Path("ca/ca.key"), Path("ca/ca.pem"), Path("ca/passphrase")
REGISTER = Path("register")
SMIME_ROOTS = Path("smime-roots.pem")

_CONFIG = """\
# The configuration of Ringi, written by `ringi init` on {day}. Only what differs from the built-in values
# stands here; config.example.toml explains every key. Relative paths start at this file. Then: ringi check
{top}
# Next: the holidays of the year, beside Saturdays and Sundays; again each December.
# holidays = [{year}-01-01, {year}-12-29, {year}-12-30, {year}-12-31]

# Where mails come in.
[imap]
{imap}

# Where mails go out.
[smtp]
{smtp}

{signing}

# The CA. Keep a copy of its key and passphrase in a safe place: nobody can make them again.
[ca]
{ca}

# The download page; a TLS proxy passes `public_url` on to 127.0.0.1:{port}.
[web]
{web}
"""

_OPENPGP = """\
# The key that signs our mails. Its public half is bot-key.asc: give it to the officers.
[openpgp]
fingerprint = {fingerprint}"""

_SMIME = """\
# S/MIME: the roots that vouch for the officers' certificates, and what our own mails are signed with.
[smime]
{smime}"""

_INSTITUTION = """\
# An institution: who may apply, who decides, and for which names. Written by `ringi init` on {day}.
# Only the administrator edits this file; every change of it is written into the journal.
{top}

{domains}

# An officer's authority is the key: its full fingerprint (S/MIME: that of the public key), and the file that holds it
# (relative to here).
{officers}

# An application takes one officer's approval, and never that of the person who asked for it. To change that:
# [[policies]]
# name = "two-officers"
# approvals = 2
# self_approval = true
"""


def toml_string(text: str) -> str:
    """`text` as a TOML basic string.

    A JSON string is one (the escapes agree), but for two things: what lies beyond U+FFFF stays as it is, for
    TOML has no surrogate pairs, and U+007F is written as an escape, for TOML forbids it as it is.
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def config_text(answers: Answers, fingerprint: str | None, day: date) -> str:
    """The configuration file for these answers; `fingerprint`: the bot's new OpenPGP key, None: no OpenPGP here."""
    top = {"instance": answers.instance, "address": answers.address, "name": answers.name}
    kind = answers.mail_server
    web: dict[str, object] = {"public_url": answers.public_url, "port": answers.web_port}
    return _CONFIG.format(
        day=day,
        top=_lines({**top, "monitors": answers.monitors}),
        year=day.year,
        imap=_comment(kind.imap_notes) + _lines({**_server(answers.imap), "authserv_id": kind.authserv_id}),
        smtp=_comment(kind.smtp_notes) + _lines(_server(answers.smtp)),
        signing="\n\n".join(_signing(answers.smime, fingerprint)),
        ca=_lines(_ca(answers.ca, answers.public_url)),
        port=answers.web_port,
        web=_lines(web),
    )


def institution_text(
    institution: InstitutionAnswers, officers: Iterable[tuple[OfficerAnswers, Pin]], day: date
) -> str:
    """A register file; each officer comes with the pin of the key."""
    top = {
        "name": institution.name,
        "organization": institution.organization,
        "state": institution.state,
        "locality": institution.locality,
        "applicant_domains": institution.applicant_domains,
        "language": institution.language,
    }
    return _INSTITUTION.format(
        day=day,
        top=_lines(top),
        domains="\n\n".join(_domain(name, institution.vetted_until) for name in institution.domains),
        officers="\n\n".join(_officer(institution, *officer) for officer in officers),
    )


def key_file(institution: InstitutionAnswers, officer: OfficerAnswers, pin: Pin) -> Path:
    """Where an officer's key is kept, relative to the register."""
    ending = "asc" if pin.scheme is Scheme.OPENPGP else "pem"
    return Path("keys") / f"{institution.id}-{officer.id}.{ending}"


def _signing(smime: SmimeAnswers | None, fingerprint: str | None) -> Iterator[str]:
    if fingerprint is not None:
        yield _OPENPGP.format(fingerprint=toml_string(fingerprint))
    if smime is not None:
        own = {"certificate": smime.certificate, "key": smime.key, "chain": smime.chain}
        yield _SMIME.format(smime=_lines({"ca_file": SMIME_ROOTS, "crl_sources": smime.crl_sources, **own}))


def _domain(name: str, vetted_until: date | None) -> str:
    head = f"[[domains]]\nname = {toml_string(name)}\n"
    if vetted_until:
        return f"{head}vetted_until = {vetted_until}  # the last day on which applications are taken"
    return (
        f"{head}# vetted_until = 2027-03-31  # not vetted yet: until a day is given, applications are refused"
    )


def _officer(institution: InstitutionAnswers, officer: OfficerAnswers, pin: Pin) -> str:
    values = {
        "id": officer.id,
        "name": officer.name,
        "addresses": (officer.address,),
        "notify": officer.address,
    }
    name = "fingerprint" if pin.scheme is Scheme.OPENPGP else "public_key"
    key = {name: pin.fingerprint, "file": str(key_file(institution, officer, pin))}
    return f"[[officers]]\n{_lines(values)}\n[[officers.{pin.scheme.value}]]\n{_lines(key)}"


def _server(server: ServerAnswers) -> dict[str, object]:
    return {
        "host": server.host,
        "port": server.port,
        "security": server.security,
        "user": server.user or None,
        "password_file": server.password_file,
        "token_command": server.token_command,
        "ca_file": server.ca_file,
    }


def plain_url(public_url: str) -> str:
    """The same without TLS: where CRLs and issuers are fetched, so that checking one certificate never waits for
    another (RFC 5280 8)."""
    return public_url.replace("https://", "http://", 1)


def _ca(ca: NewCa | OwnCa, public_url: str) -> dict[str, object]:
    if isinstance(ca, NewCa):
        return {
            "key": CA_KEY,
            "certificate": CA_CERTIFICATE,
            "passphrase_file": CA_PASSPHRASE,
            "crl_url": f"{plain_url(public_url)}/ca.crl",
            "issuer_url": f"{plain_url(public_url)}/ca.cer",
        }
    return {
        "key": ca.key,
        "certificate": ca.certificate,
        "chain": ca.chain,
        "passphrase_file": ca.passphrase_file,
    }


def _comment(notes: Iterable[str]) -> str:
    return "".join(f"# {note}\n" for note in notes)


def _lines(values: Mapping[str, object]) -> str:
    """One `key = value` a line; None and () are left out."""
    return "\n".join(f"{key} = {_value(value)}" for key, value in _given(values))


def _given(values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    return ((key, value) for key, value in values.items() if value not in (None, ()))


def _value(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(one) for one in value)}]"
    return toml_string(str(value))
