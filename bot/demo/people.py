"""The people of the rehearsal: an applicant and an officer, with a mail program, a browser and a key, no more.

They know the manual and the mails they get, nothing of the service's inside; any mail server serves them.
"""

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bot.demo import replies
from bot.demo.keys import make_key, stop_agent
from bot.demo.mailbox import Mailbox, parse
from bot.demo.seals import Seal

__all__ = ["Applicant", "Mailbox", "Officer", "Page", "make_key", "stop_agent"]

_PAGE_SECONDS = 30


@dataclass(frozen=True)
class Page:
    """What a browser got: status, media type without parameters, the name to save it as (or ""), body."""

    status: int
    content_type: str
    file_name: str
    body: bytes


@dataclass
class Applicant:
    """利用管理者: makes a key and a CSR, mails a TSV, fetches the certificate."""

    mailbox: Mailbox
    name: str = "申請 太郎"
    department: str = "情報基盤センター"
    software: str = "nginx 1.28"

    def make_request(
        self, fqdn: str, dn: str, key: rsa.RSAPrivateKey | None = None
    ) -> tuple[rsa.RSAPrivateKey, x509.CertificateSigningRequest]:
        """A key (RSA 2048, unless given) and a CSR for it (manual 1-1-1). `dn`: as in the TSV, CN first."""
        key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        names = x509.SubjectAlternativeName([x509.DNSName(fqdn)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(dn))
        return key, builder.add_extension(names, critical=False).sign(key, hashes.SHA256())

    def tsv(
        self,
        fqdn: str,
        dn: str,
        csr: x509.CertificateSigningRequest,
        *,
        profile: int = 3,
        replaces: int | None = None,
    ) -> bytes:
        """One row of 13 columns (manual 1-1-2): CP932, CRLF, the PEM in one line.

        `replaces`: the serial number of the certificate that is renewed (manual 1-2-2), None for a new one.
        """
        pem = "".join(csr.public_bytes(Encoding.PEM).decode().splitlines())
        row = [dn, str(profile), "", str(replaces or ""), "", "", pem]
        row += [self.name, self.department, self.mailbox.user, fqdn, self.software, ""]
        return _line(row)

    def revocation_tsv(self, dn: str, serial: int, reason: int) -> bytes:
        """One row that asks for a revocation (manual 1-3-1). `reason`: the manual's and RFC 5280's number."""
        return _line([dn, "", "", str(serial), str(reason), "", "", "", "", self.mailbox.user, "", "", ""])

    def apply(
        self,
        tsv: bytes,
        to: str,
        *,
        subject: str = "サーバ証明書 発行申請",
        file_name: str = "shinsei.tsv",
        text: str = "サーバ証明書の発行をお願いします。\n",
    ) -> bytes:
        """Mail the TSV as an attachment; returns the mail as sent."""
        raw = replies.plain_mail(self.mailbox.user, to, subject, text, {file_name: tsv})
        self.mailbox.send(raw, to)
        return raw

    def reply(self, mail: bytes, text: str) -> bytes:
        """Answer a mail above its quote; returns the mail as sent."""
        raw = replies.plain_reply(mail, self.mailbox.user, text, quote=True, style="mutt")
        self.mailbox.send(raw, address_in_to(raw))
        return raw

    def fetch(self, url: str, format: str = "pem") -> bytes:
        """Open the page and press its button, as a browser would: the certificate in `format`.

        Raises urllib.error.HTTPError where either answer is no success.
        """
        return self.press(self.open_page(url), format)

    def open_page(self, url: str) -> "Form":
        """The page's form; raises urllib.error.HTTPError. Nothing is fetched yet."""
        browser = _browser()
        with browser.open(url, timeout=_PAGE_SECONDS) as answer:
            form = Form(url, browser)
            form.feed(answer.read().decode())
            return form

    def press(self, form: "Form", format: str) -> bytes:
        """Press the button for `format`; raises urllib.error.HTTPError."""
        data = urlencode({**form.fields, "format": format}).encode()
        with form.browser.open(urljoin(form.url, form.action), data=data, timeout=_PAGE_SECONDS) as answer:
            body: bytes = answer.read()
            return body

    def visit(self, url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Page:
        """One request and no button, as a mail scanner does; no status is an error."""
        request = urllib.request.Request(url, method=method, headers=headers or {})
        try:
            with _browser().open(request, timeout=_PAGE_SECONDS) as answer:
                head, body, status = answer.headers, answer.read(), answer.status
        except HTTPError as error:
            with error:
                head, body, status = error.headers, error.read(), error.code
        return Page(status, head.get_content_type(), head.get_filename() or "", body)


@dataclass
class Officer:
    """登録担当者: decides by signed replies."""

    mailbox: Mailbox
    seal: Seal

    def reply_signed(
        self, request: bytes, text: str, *, quote: bool = True, style: str = "thunderbird"
    ) -> bytes:
        """Reply `text` under a signature; `style` is a row of `replies.STYLES`. Returns the mail as sent."""
        raw = replies.signed_reply(request, self.mailbox.user, text, quote=quote, style=style, seal=self.seal)
        return self.resend(raw)

    def reply_unsigned(
        self, request: bytes, text: str, *, quote: bool = True, style: str = "thunderbird"
    ) -> bytes:
        """The same reply without a signature."""
        raw = replies.plain_reply(request, self.mailbox.user, text, quote=quote, style=style)
        return self.resend(raw)

    def write_signed(
        self, to: str, subject: str, text: str, files: Mapping[str, bytes] | None = None
    ) -> bytes:
        """A new signed mail; returns the mail as sent."""
        raw = replies.signed_mail(self.mailbox.user, to, subject, text, files or {}, seal=self.seal)
        return self.resend(raw, to)

    def resend(self, raw: bytes, to: str | None = None) -> bytes:
        """Send `raw` as it is, to the address in its To header unless `to` says another."""
        self.mailbox.send(raw, to or address_in_to(raw))
        return raw


def _line(row: list[str]) -> bytes:
    return ("\t".join(row) + "\r\n").encode("cp932")


def address_in_to(raw: bytes) -> str:
    """The one address of the To header."""
    header = parse(raw)["To"]
    address: str = header.addresses[0].addr_spec
    return address


def _browser() -> urllib.request.OpenerDirector:
    """Cookies are kept while it lives; a proxy from the environment is not asked."""
    no_proxy, cookies = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
    return urllib.request.build_opener(no_proxy, cookies)


class Form(HTMLParser):
    """The first form of a page: its hidden fields, and where it goes. `browser` holds the page's cookies."""

    def __init__(self, url: str, browser: urllib.request.OpenerDirector) -> None:
        super().__init__()
        self.url = url
        self.browser = browser
        self.action = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.action = values.get("action") or ""
        elif tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.fields[values["name"] or ""] = values.get("value") or ""
