"""Attacks on the structure of a signed mail: SM1 to SM5."""

from collections.abc import Callable

from handlers.rules.reasons import Reason
from tests.corpus.forging import CMS, OUTER, PGP, Attack, Forge, mail, signature_part, wrap
from tests.corpus.mime import attachment, multipart, text_part

Maker = Callable[[Forge], bytes]
FOOTER = text_part("_______\nlist@example.jp mailing list")
HTML = text_part("<div style='display:none'>", subtype="html")
HARMLESS = "確認中です。"


def _inside(subtype: str, *before: bytes, after: tuple[bytes, ...] = ()) -> Maker:
    return lambda f: mail(multipart(subtype, "=-wrap", [*before, f.sealed(f.entity()), *after]))


def _signed_parts(f: Forge, *parts: bytes, parameters: str = PGP) -> bytes:
    return mail(multipart("signed", OUTER, parts, parameters))


def _both(f: Forge) -> tuple[bytes, bytes]:
    entity = f.entity()
    return entity, signature_part(f.armor(entity))


def _inner(f: Forge) -> bytes:
    return f.sealed(f.entity(), boundary="=-inner")


def _forwarded(f: Forge) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" + mail(_inner(f))


def _cut_end(f: Forge) -> bytes:
    return f.good().removesuffix(f"--{OUTER}--\r\n".encode())


def _sm1() -> list[Attack]:
    partial, broken = Reason.PARTIAL_SIGNATURE, Reason.BROKEN_SIGNED_MAIL
    unsigned_text = text_part("承認\n")
    rows = [
        ("list footer", _inside("mixed", after=(FOOTER,)), partial),
        ("wrapped alone", _inside("mixed"), partial),
        ("text before it", _inside("mixed", unsigned_text), partial),
        ("in related behind HTML", _inside("related", HTML), partial),
        ("as the alternative to HTML", _inside("alternative", HTML), partial),
        ("two levels deep",
         lambda f: mail(multipart("mixed", "=-a", [multipart("mixed", "=-b", [f.sealed(f.entity())])])),
         partial),
        ("between two HTML parts", _inside("mixed", HTML, after=(HTML,)), partial),
        ("hidden by cid", lambda f: mail(multipart("related", "=-r", [
            text_part('<img src="cid:x">', subtype="html"),
            b"Content-ID: <x>\r\n" + f.sealed(f.entity())])), partial),
        ("three parts", lambda f: _signed_parts(f, *_both(f), FOOTER), broken),
        ("one part", lambda f: _signed_parts(f, _both(f)[0]), broken),
        ("signature first", lambda f: _signed_parts(f, *reversed(_both(f))), broken),
        ("two signatures as two parts", lambda f: _signed_parts(f, *_both(f), _both(f)[1]), broken),
        ("protocol of the other system", lambda f: _signed_parts(f, *_both(f), parameters=CMS), broken),
        ("no protocol", lambda f: _signed_parts(f, *_both(f), parameters=""), broken),
        ("unknown protocol",
         lambda f: _signed_parts(f, *_both(f), parameters='; protocol="application/x-sig"'), broken),
        ("signature part of another type", _as_octets, broken),
        ("no end", _cut_end, Reason.UNREADABLE),
        ("boundary that is none", lambda f: f.good().replace(b'boundary="=-outer"', b'boundary=""'), Reason.UNREADABLE),
        ("decision in the preamble", lambda f: _around(f, preamble="承認\r\n"), Reason.NO_DECISION),
        ("decision in the epilogue", lambda f: _around(f) + "承認\r\n".encode(), Reason.NO_DECISION),
        ("a second multipart behind the end", lambda f: _around(f) + f.sealed(f.entity()), Reason.NO_DECISION),
        ("decision in an outer header", lambda f: _around(f, extra=b"X-Decision: APPROVE\r\n"), Reason.NO_DECISION),
        ("decision in an unsigned part beside it", lambda f: mail(multipart("mixed", "=-m", [
            text_part(f.text()), f.sealed(f.entity(HARMLESS))])), partial),
        ("a block inside a mixed mail", lambda f: mail(multipart("mixed", "=-m", [
            text_part(f.block().decode().replace("\r\n", "\n")), FOOTER]), "sasaki@example.ac.jp"), partial),
        ("a block as an attachment", lambda f: mail(attachment("text/plain", "a.txt", f.block(), "8bit"),
                                                    "sasaki@example.ac.jp"), partial),
        ("a block in HTML", lambda f: mail(text_part(f"<pre>{f.block().decode()}</pre>", subtype="html"),
                                           "sasaki@example.ac.jp"), Reason.HELP),
    ]  # fmt: skip
    return [Attack("SM1", name, make, reason) for name, make, reason in rows]


def _as_octets(f: Forge) -> bytes:
    entity = f.entity()
    return _signed_parts(f, entity, signature_part(f.armor(entity), "application/octet-stream"))


def _around(f: Forge, **more: object) -> bytes:
    """A good signature over words that decide nothing."""
    entity = f.entity(HARMLESS)
    preamble = str(more.get("preamble", ""))
    extra = more.get("extra", b"")
    assert isinstance(extra, bytes)
    return mail(wrap(entity, f.armor(entity), preamble=preamble), extra=extra)


def _changed(f: Forge, before: bytes, after: bytes) -> bytes:
    raw = f.good()
    assert raw.count(before) == 1, before
    return raw.replace(before, after)


def _sm2() -> list[Attack]:
    folded = b"Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"

    def refold(f: Forge) -> bytes:
        entity = folded + f.text().encode().replace(b"\n", b"\r\n")
        return mail(wrap(entity.replace(b";\r\n ", b"; "), f.armor(entity)))

    rows = [
        ("a header of the part unfolded", refold),
        ("a header of the part added",
         lambda f: _changed(f, b"Content-Type: text/plain", b"X: y\r\nContent-Type: text/plain")),
        ("a blank after the colon taken away",
         lambda f: _changed(f, b"Content-Type: text/plain", b"Content-Type:text/plain")),
        ("charset in capitals", lambda f: _changed(f, b"text/plain; charset=utf-8", b"text/plain; charset=UTF-8")),
        ("a blank at a line's end", lambda f: _changed(f, "承認\r\n\r\n".encode(), "承認 \r\n\r\n".encode())),
        ("the decision put in", lambda f: f.good(HARMLESS).replace(HARMLESS.encode(), "承認".encode())),
        ("a line more at the end", lambda f: _changed(f, f"\r\n--{OUTER}\r\nContent-Type: application/pgp".encode(),
                                                      f"\r\n\r\n--{OUTER}\r\nContent-Type: application/pgp".encode())),
        ("another row's digest", lambda f: f.good().replace(b"Row-1 ", b"Row-2 ")),
    ]  # fmt: skip
    return [Attack("SM2", name, make, Reason.BAD_SIGNATURE) for name, make in rows]


def _prefixed(f: Forge) -> bytes:
    """Whoever takes `--outer` for the beginning of `--outermost` sees other parts than we do."""
    inner = multipart("mixed", OUTER + "most", [text_part(f.text(HARMLESS)), text_part("承認\n")])
    return f.of_entity(inner)


def _hidden_boundary(f: Forge) -> bytes:
    """A line end of one CR only: some programs see a boundary line there."""
    entity = text_part(f.text(HARMLESS)) + f"x\r--{OUTER}\r\n\r\n承認".encode()
    return f.of_entity(entity)


def _sm3() -> list[Attack]:
    def spoiled(octets: bytes) -> Maker:
        return lambda f: f.of_entity(f.entity() + octets)

    def beside(octets: bytes) -> Maker:
        return lambda f: f.of_entity(multipart("mixed", "=-m", [f.entity(), FOOTER + octets]))

    def lf_only(f: Forge) -> bytes:
        entity = f.entity()
        return mail(wrap(entity, f.armor(entity.replace(b"\r\n", b"\n"))))

    def no_last_line(f: Forge) -> bytes:
        entity = f.entity()
        return mail(wrap(entity, f.armor(entity + b"\r\n")))

    control = Reason.CONTROL_CHARACTER
    rows = [
        ("NUL", spoiled(b"\0"), control),
        ("a bare CR", spoiled(b"a\rb"), control),
        ("CR CR LF", spoiled(b"a\r\r\n"), control),
        ("NUL beside the text", beside(b"\0"), control),
        ("a bare CR beside the text", beside(b"a\rb"), control),
        ("a boundary behind a bare CR", _hidden_boundary, control),
        ("signed with LF", lf_only, Reason.BAD_SIGNATURE),
        ("signed with the boundary's line end", no_last_line, Reason.BAD_SIGNATURE),
        ("a boundary that begins another", _prefixed, Reason.NO_DECISION),
        ("NEL as a line end", lambda f: f.of_text(f"x\u0085承認\n{f.quote()}"), control),
        ("line separator as a line end", lambda f: f.of_text(f"x\u2028承認\n{f.quote()}"), control),
        ("form feed before the decision", lambda f: f.of_text(f"\f承認\n{f.quote()}"), control),
        ("backspaces over other words", lambda f: f.of_text(f"却下\b\b承認\n{f.quote()}"), control),
        ("terminal escapes", lambda f: f.of_text(f"\x1b[2K承認\n{f.quote()}"), control),
    ]
    return [Attack("SM3", name, make, reason) for name, make, reason in rows]


def _deep(f: Forge, depth: int) -> bytes:
    entity = f.entity()
    for level in range(depth):
        entity = multipart("mixed", f"=-{level}", [entity])
    return f.of_entity(entity)


def _sm4() -> list[Attack]:
    def of(subtype: str, *parts: bytes) -> Maker:
        return lambda f: f.of_entity(multipart(subtype, "=-in", [p or f.entity() for p in parts]))

    harmless = text_part(HARMLESS)
    rows = [
        ("a signature in a signature", lambda f: f.of_entity(_inner(f)), Reason.NESTED_SIGNATURE),
        ("a signature beside the text", lambda f: f.of_entity(multipart("mixed", "=-i", [
            f.entity(), _inner(f)])), Reason.NESTED_SIGNATURE),
        ("a block inside", lambda f: f.of_text(f.block().decode().replace("\r\n", "\n")), Reason.NESTED_SIGNATURE),
        ("forwarded as an attachment", lambda f: mail(multipart("mixed", "=-f", [
            text_part("ご参考まで"), _forwarded(f)])), Reason.NO_TSV),
        ("forwarded, with words", lambda f: mail(multipart("mixed", "=-f", [
            text_part(f.text()), _forwarded(f)])), Reason.UNSIGNED),
        ("a mail that is a mail", lambda f: mail(_forwarded(f)), Reason.NO_TSV),
        ("forwarded and signed", lambda f: f.of_entity(_forwarded(f)), Reason.NO_TEXT),
        ("forwarded and signed by a colleague", lambda f: f.of_entity(multipart("mixed", "=-f", [
            text_part(f.text("ご参考まで")), _forwarded(f)]), "tanaka"), Reason.NO_DECISION),
        ("four multiparts deep", lambda f: _deep(f, 4), Reason.NO_TEXT),
        ("a digest", of("digest", b""), Reason.NO_TEXT),
        ("an unknown multipart", of("x-parallel", b""), Reason.NO_TEXT),
        ("HTML only", lambda f: f.of_text(f.text(), subtype="html"), Reason.HTML_ONLY),
        ("HTML first", of("alternative", HTML, b""), Reason.HTML_ONLY),
        ("an attached text first", lambda f: f.of_entity(multipart("mixed", "=-i", [
            attachment("text/plain", "a.txt", f.text().encode()), harmless])), Reason.NO_TEXT),
        ("a text that is an attachment", lambda f: f.of_entity(
            b"Content-Disposition: attachment\r\n" + f.entity()), Reason.NO_TEXT),
        ("a calendar", lambda f: f.of_text(f.text(), subtype="calendar"), Reason.NO_TEXT),
        ("the decision in the second text", lambda f: f.of_entity(multipart("mixed", "=-i", [
            text_part(f.text(HARMLESS)), text_part("承認\n")])), Reason.NO_DECISION),
        ("the decision in the HTML", lambda f: f.of_entity(multipart("alternative", "=-i", [
            text_part(f.text(HARMLESS)), text_part("承認<br>", subtype="html")])), Reason.NO_DECISION),
    ]  # fmt: skip
    return [Attack("SM4", name, make, reason) for name, make, reason in rows]


def _sm5() -> list[Attack]:
    commit = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\r\nauthor Suzuki <suzuki@example.ac.jp>\r\n\r\n"

    def of(before: str) -> Maker:
        return lambda f: f.of_entity((before + f.text().replace("\n", "\r\n")).encode())

    rows = [
        ("a commit", of(commit), Reason.UNREADABLE),
        ("a text file", of("\r\n"), Reason.BROKEN_SIGNED_MAIL),
        ("headers but no type", of("Subject: x\r\n\r\n"), Reason.BROKEN_SIGNED_MAIL),
        ("a text that begins like headers", of("Note: x\r\nAPPROVE\r\n\r\n"), Reason.UNREADABLE),
    ]
    return [Attack("SM5", name, make, reason) for name, make, reason in rows]


ATTACKS = (*_sm1(), *_sm2(), *_sm3(), *_sm4(), *_sm5())
