"""The doctor's look at the download page, as applicants reach it and where the proxy does."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from bot.config import Web
from bot.doctor.finding import Finding, Site

_PATIENCE = 5  # seconds
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ALIVE = b"ok\n"


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
    if other := _stranger(web):
        mend = f"end that program, or choose another web.port in {site.path} and in the proxy"
        yield Finding("URL", False, f"{web.host}:{web.port} is taken by another program: {other}", mend)
    page = f"{web.public_url}/health"
    if trouble := _trouble_of(page):
        mend = (
            f"start `ringi run`; if it runs: does the proxy pass {web.public_url} to {web.host}:{web.port}?"
        )
        yield Finding("URL", True, f"{page} does not answer yet: {trouble}", mend)
    else:
        yield Finding("URL", True, f"{page} answers")


def _trouble_of(page: str) -> str | None:
    """Why `page` can't be had, or None."""
    try:
        with urllib.request.urlopen(page, timeout=_PATIENCE):
            return None
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


def _stranger(web: Web) -> str | None:
    """What answers on the page's own port if it is not `ringi run`; None: nothing does, or ours."""
    connection = http.client.HTTPConnection(web.host, web.port, timeout=_PATIENCE)
    try:
        connection.connect()
    except OSError:
        return None
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        body = answer.read(100)
    except (OSError, http.client.HTTPException) as error:
        return f"it speaks no HTTP ({str(error) or type(error).__name__})"
    finally:
        connection.close()
    # 503: ours, without its store
    return None if body == _ALIVE or answer.status == 503 else f"/health gives {answer.status}"
