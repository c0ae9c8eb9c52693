"""TLS as a client: one context for IMAP and SMTP."""

import ssl

from bot.config import Server


def client_context(server: Server) -> ssl.SSLContext:
    """TLS 1.2 or newer, the server's name and chain checked against `ca_file` or the system's trust store.

    Raises OSError where `ca_file` cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=server.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def is_untrusted(error: BaseException | None) -> bool:
    """True if the certificate check is what failed: no later try helps before a person has looked."""
    return isinstance(error, ssl.SSLCertVerificationError)


def trust_advice(server: Server, error: BaseException | None) -> str:
    """What to say about a certificate that failed the check."""
    reason = getattr(error, "verify_message", "") or str(error)
    return (
        f"the certificate of {server.host}:{server.port} is not trusted ({reason});"
        " if the server has a CA of its own, name it in ca_file"
    )
