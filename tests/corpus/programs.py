"""The mail programs officers use: what each puts into and around a signature."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers.rules.scheme import Scheme
from tests.corpus import wording
from tests.corpus.court import Request
from tests.corpus.mime import attachment, header, multipart, text_part
from tests.corpus.people import Signer
from tests.corpus.wording import Attribution

_KEY = (
    b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nxjMEaSE=\r\n=AAAA\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n"
)
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@dataclass(frozen=True)
class Draft:
    """What the officer does: `own` is typed, above the quote or `below` it."""

    request: Request
    own: str
    language: str = "ja"
    below: bool = False
    subject: str = ""
    sender: str = ""
    display: str = "鈴木 一郎"


@dataclass(frozen=True)
class Program:
    """`frame`: what stands around the text part inside the signature. `seal`: see `_SEALS`."""

    name: str
    agent: str
    attribution: Attribution
    quote: Callable[[str], str] = wording.marked
    charset: str = "utf-8"
    encoding: str = "8bit"
    parameters: str = ""
    frame: Callable[["Program", Draft, bytes, str], bytes] = lambda program, draft, part, text: part
    boundary: str = "=-signed"
    preamble: str = ""
    micalg: str = "pgp-sha256"
    signature_headers: str = ""
    smime_type: str = "application/pkcs7-signature"
    header_charset: str = "utf-8"

    def change(self, **changes: object) -> "Program":
        return replace(self, **changes)  # type: ignore[arg-type]

    def write_text(self, draft: Draft) -> str:
        """The text as the program lays it out (LF)."""
        quoted = self.quote(draft.request.text)
        attribution = self.attribution(draft.request, draft.language)
        block = f"{attribution}\n{quoted}" if attribution else quoted
        text = f"{block}\n\n{draft.own}\n" if draft.below else f"{draft.own}\n\n{block}\n"
        if "flowed" in self.parameters:
            return wording.flowed(text, delete_space="delsp" in self.parameters)
        return wording.wrapped(text, 76)

    def entity(self, draft: Draft) -> bytes:
        """What is signed."""
        text = self.write_text(draft)
        part = text_part(text, self.charset, self.encoding, self.parameters)
        return self.frame(self, draft, part, text)

    def headers(self, draft: Draft, signer: Signer) -> bytes:
        subject = draft.subject or f"Re: {draft.request.subject}"
        sender = draft.sender or signer.address
        lines = [
            f"Return-Path: <{sender}>\r\n".encode(),
            b"Received: from mx.example.ac.jp (mx.example.ac.jp [192.0.2.7])\r\n"
            b"\tby imap.example.ac.jp with LMTP id abc123; Sun, 22 Nov 2026 10:00:01 +0900 (JST)\r\n",
            f"User-Agent: {self.agent}\r\n".encode(),
            b"Date: Sun, 22 Nov 2026 10:00:00 +0900\r\nMIME-Version: 1.0\r\n",
            from_line(draft.display, sender, self.header_charset),
            header("To", "ringi@example.ac.jp"),
            header("Subject", subject, self.header_charset),
            b"Message-ID: <reply-1@example.ac.jp>\r\n",
            f"In-Reply-To: {draft.request.message_id}\r\nReferences: {draft.request.message_id}\r\n".encode(),
        ]
        return b"".join(lines)

    def mail(self, draft: Draft, signer: Signer, *, opaque: bool = False) -> bytes:
        return self.headers(draft, signer) + self.seal(self.entity(draft), signer, opaque=opaque)

    def seal(self, entity: bytes, signer: Signer, *, opaque: bool = False) -> bytes:
        """The signed entity with the headers that say so, to stand below the mail's others."""
        if opaque:
            sealed = signer.opaque(entity)
            assert sealed is not None
            return sealed
        if signer.scheme is Scheme.OPENPGP:
            return self._openpgp(entity, signer.detached(entity))
        return self._smime(entity, signer.detached(entity))

    def _openpgp(self, entity: bytes, armor: bytes) -> bytes:
        part = f"Content-Type: application/pgp-signature{self.signature_headers}\r\n\r\n".encode() + armor
        more = f'; micalg={self.micalg};\r\n protocol="application/pgp-signature"'
        return multipart("signed", self.boundary, [entity, part], more, self.preamble)

    def _smime(self, entity: bytes, der: bytes) -> bytes:
        head = (
            f"Content-Type: {self.smime_type};\r\n\tname=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n"
            "Content-Disposition: attachment;\r\n\tfilename=smime.p7s\r\n\r\n"
        )
        part = head.encode() + base64.encodebytes(der).replace(b"\n", b"\r\n")
        more = f';\r\n\tprotocol="{self.smime_type}";\r\n\tmicalg=sha-256'
        return multipart("signed", self.boundary, [entity, part], more, self.preamble)

    def inline(self, draft: Draft, signer: Signer, clearsign: Callable[[bytes], bytes]) -> bytes:
        """A clearsigned block as the whole body, as add-ons for web mail write it."""
        block = clearsign(self.write_text(draft).encode()).replace(b"\n", b"\r\n")
        part = text_part(block.decode().replace("\r\n", "\n"), "utf-8", self.encoding)
        return self.headers(draft, signer) + part


def from_line(display: str, address: str, charset: str = "utf-8") -> bytes:
    if display.isascii():
        return f"From: {display} <{address}>\r\n".encode()
    return header("From", display, charset).rstrip(b"\r\n") + f" <{address}>\r\n".encode()


def protected(program: Program, draft: Draft, part: bytes, text: str) -> bytes:
    """Thunderbird: its own headers inside the signature, and its key."""
    key = attachment("application/pgp-keys", "OpenPGP_0x0123456789ABCDEF.asc", _KEY, "quoted-printable")
    inner = multipart("mixed", "------------4OoPpQqRrSsTtUu5", [part, key])
    return _with_headers(program, draft, inner)


def protected_alone(program: Program, draft: Draft, part: bytes, text: str) -> bytes:
    """The same where it does not attach its key."""
    return _with_headers(program, draft, multipart("mixed", "------------4OoPpQqRrSsTtUu5", [part]))


def _with_headers(program: Program, draft: Draft, inner: bytes) -> bytes:
    extra = header("Message-ID", "<reply-1@example.ac.jp>") + header("To", "ringi@example.ac.jp")
    extra += header("Subject", f"Re: {draft.request.subject}", program.header_charset)
    if draft.sender:
        extra += from_line(draft.display, draft.sender, program.header_charset)
    more = ';\r\n protected-headers="v1"; hp="clear"'
    return multipart("mixed", "------------2HhIiJjKkLlMmNn3", [inner], more, extra=extra.decode())


def alternative(program: Program, draft: Draft, part: bytes, text: str) -> bytes:
    """The text once more as HTML."""
    html = text_part(as_html(text), program.charset, "quoted-printable", subtype="html")
    return multipart("alternative", "----=_NextPart_002_0003_01DD5B8E", [part, html])


def related(program: Program, draft: Draft, part: bytes, text: str) -> bytes:
    """Outlook with a picture in its signature block."""
    image = (
        b'Content-Type: image/png; name="image001.png"\r\nContent-Transfer-Encoding: base64\r\n'
        b"Content-ID: <image001.png@01DD5B8E>\r\n\r\n" + base64.encodebytes(_PNG).replace(b"\n", b"\r\n")
    )
    inner = alternative(program, draft, part, text)
    return multipart("related", "----=_NextPart_001_0002_01DD5B8E", [inner, image])


def with_sheet(program: Program, draft: Draft, part: bytes, text: str) -> bytes:
    """The sheet is forwarded along, as some people do."""
    sheet = attachment("application/octet-stream", f"{draft.request.number}.sheet", draft.request.sheet)
    return multipart("mixed", "----=_mixed", [part, sheet])


def as_html(text: str) -> str:
    lines = text.replace("&", "&amp;").replace("<", "&lt;").split("\n")
    return "<html><body>" + "<br>\n".join(lines) + "</body></html>"


THUNDERBIRD = Program(
    "Thunderbird",
    "Mozilla Thunderbird",
    wording.thunderbird,
    encoding="base64",
    parameters="; format=flowed",
    frame=protected,
    boundary="------------0AaBbCcDdEeFfGg1",
    preamble="This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n",
    signature_headers=(
        '; name="OpenPGP_signature.asc"\r\nContent-Description: OpenPGP digital signature\r\n'
        'Content-Disposition: attachment; filename="OpenPGP_signature.asc"'
    ),
)
THUNDERBIRD_SMIME = THUNDERBIRD.change(
    frame=lambda program, draft, part, text: part,
    boundary="------------ms030405060708",
    preamble="This is a cryptographically signed message in MIME format.\r\n\r\n",
)
OUTLOOK = Program(
    "Outlook",
    "Microsoft Outlook 16.0",
    wording.outlook,
    quote=wording.unmarked,
    encoding="base64",
    frame=alternative,
    boundary="----=_NextPart_000_0001_01DD5B8E.12345670",
    preamble="This is a multipart message in MIME format.\r\n\r\n",
    smime_type="application/x-pkcs7-signature",
)
APPLE = Program(
    "Apple Mail",
    "Apple Mail (2.3826.200.121)",
    wording.apple,
    encoding="quoted-printable",
    boundary="Apple-Mail=_1C2D3E4F-0000-4AAA-BBBB-CCCCDDDDEEEE",
    preamble="\r\n",
    signature_headers=(
        "; name=signature.asc\r\nContent-Transfer-Encoding: 7bit\r\n"
        "Content-Disposition: attachment; filename=signature.asc\r\n"
        "Content-Description: Message signed with OpenPGP"
    ),
    micalg="pgp-sha512",
)
MUTT = Program(
    "mutt",
    "Mutt/2.2.12",
    wording.mutt,
    parameters="\r\nContent-Disposition: inline",
    boundary="k1sqdKfHr9xUeJ2o",
    preamble="\r\n",
    signature_headers='; name="signature.asc"',
)
BECKY = Program(
    "Becky!",
    "Becky! ver. 2.81.06 [ja]",
    wording.becky,
    charset="ISO-2022-JP",
    encoding="7bit",
    boundary="------_6380A0B1_0000_00000000_MULTIPART_SIGNED",
    header_charset="iso-2022-jp",
)
GMAIL = Program("Gmail add-on", "FlowCrypt", wording.gmail, encoding="quoted-printable")
FAIREMAIL = Program(
    "FairEmail",
    "FairEmail/1.2200",
    wording.phone,
    encoding="quoted-printable",
    frame=alternative,
    boundary="=-kXu9",
    signature_headers='; name="signature.asc"',
)
K9 = Program(
    "K-9",
    "K-9 Mail for Android",
    wording.phone,
    encoding="quoted-printable",
    boundary="----ZNSOEVA0MKIH9PW3S8X9ZV4Y0AECQ6",
    parameters=";\r\n format=flowed",
)
EVOLUTION = Program(
    "Evolution",
    "Evolution 3.52",
    wording.mutt,
    encoding="quoted-printable",
    boundary="=-RkQ2h",
    preamble="\r\n",
)
SYLPHEED = BECKY.change(
    name="Sylpheed", agent="Sylpheed 3.7.0", attribution=wording.mutt, boundary="Signature=_Sun"
)
