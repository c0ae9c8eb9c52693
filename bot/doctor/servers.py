"""The doctor's look at the mail servers, in and out."""

import socket
import ssl
from collections.abc import Iterator
from typing import TypeVar

from bot.config import Imap, SecretFault, Server, Smtp
from bot.doctor.finding import Finding, Site
from bot.imap.folder import Folder, ImapFault
from bot.smtp import SmtpFault, probe_smtp
from bot.tls import TrustFault

# seconds: a person waits for the doctor
PATIENCE = 10
_USUAL_PORTS = {"imap": "993 for tls, 143 for starttls", "smtp": "465 for tls, 587 for starttls"}
# OpenSSL's verdicts on a certificate that are not about who vouches for it
_EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 10, 62, 64
# the nearest of these among the causes of a fault -> what to mend; the first that fits
_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (
        SecretFault,
        "give {section} its secret: a file with mode 600 that holds it, or a command that prints it",
    ),
    (TrustFault, "name a file of CA certificates (PEM) in {section}.ca_file"),
    (ssl.SSLCertVerificationError, "name the server's CA in {section}.ca_file"),
    (ssl.SSLError, "this port speaks no TLS at once: correct {section}.security or {section}.port ({port})"),
    (socket.gaierror, "correct {section}.host, or this machine's DNS: {host} has no address"),
    (ConnectionRefusedError, "nothing listens there: correct {section}.host or {section}.port ({port})"),
    (
        TimeoutError,
        "nobody answered: a firewall, or {section}.security does not fit {section}.port ({port})",
    ),
)
_CERTIFICATE_ADVICE = {
    _EXPIRED: "the certificate of {host} has ended: have it renewed there, or is our clock wrong?",
    **dict.fromkeys(
        (_OTHER_NAME, _OTHER_ADDRESS),
        "write the name that the server's certificate has into {section}.host, in place of {host}",
    ),
}
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
        if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _CERTIFICATE_ADVICE:
            text = _CERTIFICATE_ADVICE[cause.verify_code].format(section=section, host=server.host)
            return f"{text} ({site.path})"
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
