"""TLS as a client: one context for IMAP and SMTP, and what to say when it fails."""

import ssl

from bot.config import Server

# OpenSSL's reasons for refusing a certificate that have a cure of their own
_RENEW = "whoever runs the server must renew it, or this machine's clock is wrong"
_NAME = "host must be a name that stands in it"
_CURES = {9: "this machine's clock is wrong, or it is too early", 10: _RENEW, 62: _NAME, 64: _NAME}
_CURE = "if the server has a CA of its own, name it in ca_file"


class TrustFault(Exception):
    """`ca_file` cannot be used. A person must mend that."""


def client_context(server: Server) -> ssl.SSLContext | None:
    """TLS 1.2 or newer, the server's name and chain checked against `ca_file` or the system's trust store.

    None where the connection is meant to be plain. Raises `TrustFault`.
    """
    if server.security == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:
        raise TrustFault(f"ca_file {server.ca_file}: {error.strerror or error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def trust_advice(server: Server, error: BaseException) -> str | None:
    """What to tell if the check of the server's certificate is what failed, here or in the cause; else None."""
    for cause in (error, error.__cause__):
        if isinstance(cause, ssl.SSLCertVerificationError):
            cure = _CURES.get(cause.verify_code, _CURE)
            place = f"{server.host}:{server.port}"
            return f"the certificate of {place} is not trusted ({cause.verify_message}); {cure}"
    return None
