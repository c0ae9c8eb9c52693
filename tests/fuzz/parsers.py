"""What a parser of hostile bytes must keep, as functions of the bytes: hypothesis and atheris both call them.

Each raises AssertionError where a rule is broken, and any other exception where the parser fell over.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bot.mime.read import read_mail
from bot.mime.signed import SignedEntity, find_signed, read_signed_content
from bot.openpgp.block import (
    ClearsignedBlock,
    find_clearsigned,
    read_clearsigned,
    read_signature_part,
    read_tags,
)
from bot.openpgp.status import ValidSignature, judge, refuse_signature
from bot.smime.keys import SmimeFault, SmimeKeys
from bot.verified import Verified
from handlers.incoming import MailKey, Scheme
from handlers.rules.approval import read_decision
from handlers.rules.batch_sheet import parse_batch_sheet
from handlers.rules.reasons import Reason
from handlers.rules.register import Institution, Register
from handlers.rules.sheet import SheetFault, parse_sheet
from handlers.rules.upload import read_upload
from tests.smime_people import make_pki

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
SIGNED = b"Content-Type: text/plain\r\n\r\n\xe6\x89\xbf\xe8\xaa\x8d\r\n"
NEVER_SIGNED = SIGNED + b"\r\nNot this.\r\n"
_NOWHERE = MailKey("", "", 0, 0)


def fuzz_mime(data: bytes) -> None:
    """Any bytes are a mail; what counts as signed lies in them as it came, and its text is free of what hides."""
    mail = read_mail(data, _NOWHERE, NOW, authserv_id="mx.example.ac.jp")
    assert mail.raw == data
    assert mail.signature is None
    entity = find_signed(data)
    if not isinstance(entity, SignedEntity):
        return
    if entity.scheme is Scheme.OPENPGP and not entity.inline:
        assert entity.signed_bytes.replace(b"\r\n", b"\n") in data.replace(b"\r\n", b"\n")
    content = read_signed_content(entity)
    if not isinstance(content, Reason):
        assert (content.text is None) is (content.text_fault is not None)
        assert not set(content.text or "") & set("\0\r\u202e\u200b")


@cache
def _smime() -> SmimeKeys:
    directory = Path(tempfile.mkdtemp(prefix="rg"))
    pki = make_pki(directory)
    pki.publish_crls()
    person = pki.issue("suzuki", "suzuki@example.ac.jp", key="p256")
    officer = {
        "id": "suzuki",
        "name": "Suzuki",
        "addresses": ["suzuki@example.ac.jp"],
        "notify": "suzuki@example.ac.jp",
        "smime": [person.smime_key(directory).model_dump()],
    }
    institution = Institution.model_validate(
        {
            "id": "testkikan",
            "digest": "0" * 64,
            "name": "試験機関",
            "domains": [{"name": "example.ac.jp"}],
            "organization": "testkikan",
            "state": "Tokyo",
            "locality": "Chiyoda-ku",
            "applicant_domains": ["example.ac.jp"],
            "officers": [officer],
        }
    )
    settings = pki.settings()
    global genuine_cms
    genuine_cms = (person.sign_detached(SIGNED), person.sign_opaque(SIGNED))
    return SmimeKeys.load(Register({"testkikan": institution}, "0" * 64), directory, settings)


genuine_cms: tuple[bytes, bytes] = (b"", b"")


def genuine() -> tuple[bytes, bytes]:
    """A good detached and a good opaque signature over SIGNED, to be spoiled."""
    _smime()
    return genuine_cms


def fuzz_cms(data: bytes) -> None:
    """However a CMS is spoiled, it vouches for nothing but what was signed."""
    keys = _smime()
    now = datetime.now(UTC)
    try:
        assert isinstance(keys.verify_detached(NEVER_SIGNED, data, now), Reason)
        opaque = keys.verify_opaque(data, now)
    except SmimeFault:
        return
    if isinstance(opaque, Verified):
        assert opaque.output == SIGNED


_KEYWORD = re.compile(rb"^\[GNUPG:\] ([A-Z_0-9]+)(?: (.*))?$")
_AGAINST = {
    b"BADSIG",
    b"ERRSIG",
    b"EXPSIG",
    b"EXPKEYSIG",
    b"REVKEYSIG",
    b"NO_PUBKEY",
    b"NODATA",
    b"FAILURE",
    b"ERROR",
    b"UNEXPECTED",
    b"PLAINTEXT",
}


def fuzz_status(data: bytes) -> None:
    """A good verdict only where a plain count of the keywords says so (threats PGP2)."""
    found = [match[1] for line in data.split(b"\n") if (match := _KEYWORD.match(line))]
    verdict = judge(0, data)
    if isinstance(verdict, ValidSignature):
        assert [found.count(word) for word in (b"NEWSIG", b"GOODSIG", b"VALIDSIG")] == [1, 1, 1]
        assert not _AGAINST & set(found)
        if refuse_signature(verdict, {"A" * 40}, NOW) is None:
            assert b" " + b"A" * 40 + b"\n" in data.upper() + b"\n"
    assert isinstance(judge(2, data), Reason)


def fuzz_armor(data: bytes) -> None:
    """One signature packet or none; the text of a clearsigned block is its own lines and no other's."""
    packet = read_signature_part(data)
    if not isinstance(packet, Reason):
        assert read_tags(packet) == [2]
    found = find_clearsigned(data)
    if found is not None:
        assert found in data
    clearsigned = read_clearsigned(data)
    if isinstance(clearsigned, ClearsignedBlock):
        lines = clearsigned.block.split(b"\n")
        text = lines[lines.index(b"") + 1 : lines.index(b"-----BEGIN PGP SIGNATURE-----")]
        own = [line.removeprefix(b"- ").rstrip(b" \t") for line in text]
        assert clearsigned.text == b"".join(line + b"\n" for line in own)
        assert find_clearsigned(clearsigned.block.replace(b"\n", b"\r\n")) is not None


def fuzz_sheet(data: bytes) -> None:
    """A sheet that is read renders to the very bytes: two texts never have one meaning by chance."""
    for parse in (parse_sheet, parse_batch_sheet):
        try:
            sheet = parse(data)
        except SheetFault:
            continue
        assert sheet.render() == data


_WORDS = re.compile("承認|却下|保留|再開|APPROVE|DECLINE|HOLD|RESUME", re.I)


def fuzz_decision(data: bytes) -> None:
    """A decision stands in one line of the officer's own; a quote of it decides nothing."""
    import unicodedata

    text = data.decode("utf-8", "replace")
    reading = read_decision(text)
    assert (reading.decision is None) is (reading.fault is not None)
    assert all(re.fullmatch("[0-9a-f]{32}", code) for code in reading.codes)
    read_upload(text)
    if reading.decision is not None:
        assert _WORDS.search(unicodedata.normalize("NFKC", text))
        quoted = "\n".join(f"> {line}" for line in text.split("\n"))
        assert read_decision(quoted).decision is None
        below = f"──── Ringi A-20261122-0007 ────\n{text}"
        assert read_decision(below).decision is None
        twice = f"承認\n{text}" if reading.decision else text
        assert read_decision(twice).fault is Reason.TWO_DECISIONS


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "mime": fuzz_mime,
    "cms": fuzz_cms,
    "armor": fuzz_armor,
    "status": fuzz_status,
    "sheet": fuzz_sheet,
    "decision": fuzz_decision,
}
