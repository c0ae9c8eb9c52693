"""The doctor's look at the servers: mail in, mail out, and the download page as applicants reach it."""

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import urlsplit

from bot.config import Imap, SecretFault, Server, Smtp
from bot.deliver import SmtpFault, probe_smtp
from bot.doctor.finding import Finding, Site
from bot.imap.folder import Folder, ImapFault
from bot.tls import TrustFault

# seconds: a person waits for the doctor
PATIENCE = 10
_PAGE_PATIENCE = 5
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_USUAL_PORTS = {"imap": "993 for tls, 143 for starttls", "smtp": "465 for tls, 587 for starttls"}
# the nearest of these among the causes of a fault -> what to mend; the first that fits
_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (
        SecretFault,
        "give {section} its secret: a file with mode 600 that holds it, or a command that prints it",
    ),
    (TrustFault, "name a file of CA certificates (PEM) in {section}.ca_file"),
    (
        ssl.SSLCertVerificationError,
        "name the server's CA in {section}.ca_file, and in {section}.host the name that its certificate has",
    ),
    (ssl.SSLError, "this port speaks no TLS at once: correct {section}.security or {section}.port ({port})"),
    (socket.gaierror, "correct {section}.host, or this machine's DNS: {host} has no address"),
    (ConnectionRefusedError, "nothing listens there: correct {section}.host or {section}.port ({port})"),
    (
        TimeoutError,
        "nobody answered: a firewall, or {section}.security does not fit {section}.port ({port})",
    ),
)
_S = TypeVar("_S", Imap, Smtp)


def examine_imap(site: Site) -> Iterator[Finding]:
    """Log in and open the folder; the three others are made, as the service would."""
    settings = impatient(site.config.imap)
    try:
        with Folder(settings) as folder:
            count = len(folder.uids())
    except ImapFault as fault:
        yield Finding("IMAP", False, str(fault), _mend_imap(site, fault))
        return
    folders = ", ".join((settings.done, settings.refused, settings.quarantine))
    yield Finding(
        "IMAP", True, f"{folder.account}: {count} mail(s) in {settings.folder}; {folders} are there"
    )


def examine_smtp(site: Site) -> Iterator[Finding]:
    """Log in; nothing is sent."""
    settings = impatient(site.config.smtp)
    try:
        probe_smtp(settings)
    except SmtpFault as fault:
        yield Finding("SMTP", False, str(fault), _mend_connection("smtp", settings, site, fault))
        return
    user = f" as {settings.user}" if settings.user else " without a login"
    yield Finding("SMTP", True, f"{settings.host}:{settings.port} takes us{user}")


def examine_url(site: Site) -> Iterator[Finding]:
    """`public_url` as applicants click it; that nobody answers yet is a warning."""
    web = site.config.web
    parts = urlsplit(web.public_url)
    if "*" in web.trusted_proxies:
        mend = f"name the proxies' addresses in web.trusted_proxies of {site.path}"
        yield Finding("URL", False, "with '*' any visitor could claim any address", mend)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        mend = f"put a TLS proxy before {web.host}:{web.port} and write https:// into web.public_url of {site.path}"
        yield Finding(
            "URL", False, f"{web.public_url} is not https: anybody on the way can take the file", mend
        )
        return
    page = f"{web.public_url}/health"
    if trouble := _trouble_of(page):
        mend = (
            f"start `ringi run`; if it runs: does the proxy pass {web.public_url} to {web.host}:{web.port}?"
        )
        yield Finding("URL", True, f"{page} does not answer yet: {trouble}", mend)
    else:
        yield Finding("URL", True, f"{page} answers")


def impatient(settings: _S) -> _S:
    """The same server, with a time limit that a person can wait for."""
    return settings.model_copy(update={"timeout": min(settings.timeout, PATIENCE)})


def _mend_imap(site: Site, fault: ImapFault) -> str:
    settings = site.config.imap
    if "opening the folders" not in str(fault):
        return _mend_connection("imap", settings, site, fault)
    names = ", ".join((settings.folder, settings.done, settings.refused, settings.quarantine))
    return (
        f"make the folders {names} on the server, or name others in imap.folder, done, refused and quarantine "
        f"of {site.path} (some servers want INBOX.Done and the like)"
    )


def _mend_connection(section: str, server: Server, site: Site, fault: Exception) -> str:
    """What to do about it, by what lies at the bottom of the fault."""
    for cause in _causes(fault):
        for kind, advice in _ADVICE:
            if isinstance(cause, kind):
                text = advice.format(section=section, host=server.host, port=_USUAL_PORTS[section])
                return f"{text} ({site.path})"
    if not server.user:
        return f"correct [{section}] in {site.path}"
    secret = "token_command" if server.token_command else "password_file"
    return f"correct {section}.user and what {section}.{secret} gives ({site.path})"


def _causes(fault: BaseException) -> Iterator[BaseException]:
    cause = fault.__cause__ or fault.__context__
    if cause is not None:
        yield cause
        yield from _causes(cause)


def _trouble_of(page: str) -> str | None:
    """Why `page` can't be had, or None."""
    try:
        with urllib.request.urlopen(page, timeout=_PAGE_PATIENCE):
            return None
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
