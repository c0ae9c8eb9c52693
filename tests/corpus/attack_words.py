"""Attacks by what the signed text says: AP1 to AP3."""

import hashlib
from collections.abc import Callable

from handlers.rules.reasons import Reason
from handlers.rules.sheet import show_code
from tests.corpus import wording
from tests.corpus.court import Request, Sitting
from tests.corpus.forging import Attack, Forge
from tests.corpus.mime import attachment, multipart, text_part
from tests.corpus.wording import marked

Maker = Callable[[Forge], bytes]


def _coded(code: str, own: str = "承認") -> Maker:
    return lambda f: f.of_text(f"{own}\n\nコード: {code}\n")


def _recoded(change: Callable[[str], str]) -> Maker:
    """The code of the request, changed."""
    return lambda f: f.of_text(f"承認\n\nコード: {change(f.request.code)}\n")


def _other_instance(f: Forge) -> bytes:
    """The same sheet as another bot would have made it."""
    sheet = f.request.sheet.replace(b"Instance: desk.example.ac.jp", b"Instance: desk2.example.ac.jp")
    assert sheet != f.request.sheet
    code = show_code(hashlib.sha256(sheet).hexdigest()[:32])
    return f.of_text(f.text().replace(f.request.code, code))


def _retargeted(f: Forge) -> bytes:
    """The officer saw one application's rows; the code under them is another's."""
    other = f.court.request("second").code
    return f.of_text(f.text().replace(f.request.code, other))


def _row_changed(f: Forge) -> bytes:
    line = next(line for line in f.request.text.split("\n") if line.startswith("Row-2 "))
    return f.of_text(f.text().replace(line, "Row-2 " + "0" * 16 + " CN=evil.example.ac.jp"))


def _name_changed(f: Forge) -> bytes:
    """The digest is the sheet's own, which nobody compares by eye; the name that the officer read is another."""
    line = next(line for line in f.request.text.split("\n") if line.startswith("Row-2 "))
    return f.of_text(f.text().replace(line, line[: line.index("CN=")] + "CN=harmless.example.ac.jp"))


def _name_shortened(f: Forge) -> bytes:
    line = next(line for line in f.request.text.split("\n") if line.startswith("Row-2 "))
    return f.of_text(f.text().replace(line, line.removesuffix(".example.ac.jp")))


def _row_added(f: Forge) -> bytes:
    return f.of_text(f.text() + "> Row-4 0123456789abcdef CN=evil.example.ac.jp\n")


def _approve(sitting: Sitting) -> None:
    _decide(sitting, "承認いたします。", "tanaka")


def _decline(sitting: Sitting) -> None:
    _decide(sitting, "却下: x", "tanaka")


def _hold(sitting: Sitting) -> None:
    _decide(sitting, "保留: x", "tanaka")


def _decide(sitting: Sitting, own: str, who: str) -> None:
    assert sitting.receive(Forge(sitting.court).good(own, who)).has_effect


def _lapse(sitting: Sitting) -> None:
    sitting.wait(days=40)


def _ap1() -> list[Attack]:
    unknown, none, two = Reason.UNKNOWN_CODE, Reason.NO_CODE, Reason.TWO_CODES
    good: Maker = lambda f: f.good()  # noqa: E731  # one word for many rows
    rows: list[tuple[str, Maker, Reason, tuple[Callable[[Sitting], None], ...]]] = [
        ("no quote", lambda f: f.of_text("承認\n"), none, ()),
        ("a code of nothing", _coded("00000000-11111111-22222222-33333333"), unknown, ()),
        ("one digit changed", _recoded(lambda c: c[:-1] + ("0" if c[-1] != "0" else "1")), unknown, ()),
        ("one digit less", _recoded(lambda c: c[:-1]), none, ()),
        ("one digit more", _recoded(lambda c: c + "0"), none, ()),
        ("one group more", _recoded(lambda c: c + "-00000000"), none, ()),
        ("in capitals", _recoded(lambda c: c.upper().replace("0", "A")), none, ()),
        ("full-width digits", _recoded(lambda c: "".join(chr(ord(x) + 0xFEE0) for x in c)), none, ()),
        ("zero-width inside", _recoded(lambda c: c[:4] + "\u200b" + c[4:]), none, ()),
        ("groups in another order", _recoded(lambda c: "-".join(reversed(c.split("-")))), unknown, ()),
        ("the sheet's whole digest",
         lambda f: f.of_text(f"承認\n{hashlib.sha256(f.request.sheet).hexdigest()}\n"), none, ()),
        ("another instance's", _other_instance, unknown, ()),
        ("another application's under these rows", _retargeted, Reason.QUOTE_MISMATCH, ()),
        ("a quoted row changed", _row_changed, Reason.QUOTE_MISMATCH, ()),
        ("a quoted row added", _row_added, Reason.QUOTE_MISMATCH, ()),
        ("a quoted row's name changed", _name_changed, Reason.QUOTE_MISMATCH, ()),
        ("a quoted row's name shortened", _name_shortened, Reason.QUOTE_MISMATCH, ()),
        ("two applications quoted", lambda f: f.of_text(f.text() + f.quote("second")), two, ()),
        ("two codes, one typed", lambda f: f.of_text(f.text(f"承認\n{f.court.request('second').code}")), two, ()),
        ("decided already", good, Reason.ALREADY_DECIDED, (_approve,)),
        ("declined already", good, Reason.ALREADY_DECIDED, (_decline,)),
        ("on hold", good, Reason.ON_HOLD, (_hold,)),
        ("lapsed", good, Reason.LAPSED, (_lapse,)),
        ("resumed without a hold", lambda f: f.good("再開"), Reason.NOT_ON_HOLD, ()),
        ("held after the end", lambda f: f.good("保留: x"), Reason.ALREADY_DECIDED, (_approve,)),
        ("declined after the approval", lambda f: f.good("却下: x"), Reason.ALREADY_DECIDED, (_approve,)),
    ]  # fmt: skip
    return [Attack("AP1", name, make, reason, before=before) for name, make, reason, before in rows]


def _request_alone(
    quote: Callable[[str], str], attribution: wording.Attribution, application: str = "issue"
) -> Maker:
    def make(f: Forge) -> bytes:
        request: Request = f.court.request(application, "both")
        return f.of_text(f"拝受しました。\n\n{attribution(request, 'ja')}\n{quote(request.text)}\n")

    return make


def _with_attachment(f: Forge) -> bytes:
    text = text_part(f.text("添付のとおりです。"))
    return f.of_entity(multipart("mixed", "=-m", [text, attachment("text/plain", "a.txt", "承認".encode())]))


def _unmarked_answer(f: Forge) -> bytes:
    """Below our marker line nothing is the officer's, not even what was typed there."""
    return f.of_text(f"拝受しました。\n\n{f.request.text}\n承認\n")


def _colleague(
    head: wording.Attribution, language: str, quote: Callable[[str], str] = wording.unmarked
) -> Maker:
    """Outlook's answer to all: what the colleague decided stands there as if it were typed."""

    def make(f: Forge) -> bytes:
        old = f"{head(f.request, language)}\n承認します\n\n{f.request.text}"
        return f.of_text(f"反対です。\n\n{quote(old)}\n")

    return make


def _broken(width: int, depth: int) -> Maker:
    """The officer asks something; the program that quotes the request breaks its lines."""

    def make(f: Forge) -> bytes:
        quote = f.court.request("breaking").text
        for _ in range(depth):
            quote = marked(quote)
        return f.of_text(f"お名前をお知らせください。\n\n{wording.broken(quote, width)}\n")

    return make


def _ap2() -> list[Attack]:
    none = Reason.NO_DECISION
    rows: list[tuple[str, Maker]] = [
        ("the request quoted", _request_alone(marked, wording.thunderbird)),
        ("the request quoted twice", _request_alone(wording.marked_twice, wording.thunderbird)),
        ("the request quoted closely", _request_alone(wording.marked_closely, wording.becky_in_words)),
        ("the request quoted, indented", _request_alone(wording.indented, wording.mutt)),
        ("the request without marks", _request_alone(wording.unmarked, wording.outlook)),
        ("the request without marks, spaced", _request_alone(wording.spaced, wording.outlook_ruled)),
        ("the request alone", _request_alone(wording.unmarked, wording.nothing)),
        ("the revocation request quoted", _request_alone(marked, wording.thunderbird, "revoke")),
        ("the revocation request without marks", _request_alone(wording.unmarked, wording.outlook, "revoke")),
        ("a decision in the quote", lambda f: f.of_text(f"拝受\n> 承認\n{f.quote()}")),
        ("a decision in a full-width quote", lambda f: f.of_text(f"拝受\n＞ 承認\n{f.quote()}")),
        ("a decision in a small quote mark", lambda f: f.of_text(f"拝受\n﹥ 承認\n{f.quote()}")),
        ("a decision behind a bar", lambda f: f.of_text(f"拝受\n| 承認\n{f.quote()}")),
        ("the line that our mails show", lambda f: f.of_text(f"拝受\n｜ 承認\n{f.quote()}")),
        ("a colleague's decision quoted", lambda f: f.of_text(f"拝受\n>> 承認\n> \n{f.quote()}")),
        ("a colleague's decision without marks", _colleague(wording.outlook, "ja")),
        ("a colleague's decision without marks, en", _colleague(wording.outlook_ruled, "en")),
        ("a colleague's decision without marks, spaced", _colleague(wording.outlook, "ja", wording.spaced)),
        ("a colleague's decision below a broken sender", _colleague(wording.outlook_broken, "en")),
        ("a colleague's decision below a broken sender, ja", _colleague(wording.outlook_broken, "ja")),
        ("a sender's name that is a decision", _colleague(wording.outlook_named("承認"), "ja")),
        *((f"an applicant's word broken off a quote at {width}, {depth} deep", _broken(width, depth))
          for width, depth in ((73, 1), (72, 1), (70, 1), (74, 2), (72, 2), (75, 3), (73, 3))),
        ("below our marker", _unmarked_answer),
        ("in the attribution", lambda f: f.of_text(f"On Sunday, 承認 <ringi@example.ac.jp> wrote:\n{f.quote()}")),
        ("in an attachment", _with_attachment),
        ("in the subject", lambda f: f.of_text(f.text("拝受")).replace(b"Subject: ", b"Subject: APPROVE ")),
        ("soft-broken in a quote", lambda f: f.of_text(f"> x \n> 承認\n{f.quote()}", more="; format=flowed")),
        ("stuffed before the quote mark", lambda f: f.of_text(f" > 承認\n{f.quote()}", more="; format=flowed")),
        ("the signature block", lambda f: f.of_text(f"拝受\n-- \n承認担当 鈴木\n{f.quote()}")),
    ]  # fmt: skip
    return [Attack("AP2", name, make, none) for name, make in rows]


def _own(own: str, application: str = "issue") -> Maker:
    return lambda f: f.good(own, application=application)


_NO_DECISIONS = (
    "承認しません", "不承認", "承認?", "承認？", "承認!",
    "承認 よろしくお願いします", "承認しますが、3番は除いてください",
    "「承認」", "* 承認", "1. 承認", "APPROVED", "APPROVE NOT", "APPROVE please", "Approve or decline?", "NOT APPROVE",
    "承\u200b認", "\u202e認承", "\u202e承認", "\u2066承認\u2069",
    "\ufeffx承認", "承認\u200d", "承 認", "承\n認", "認承",
    "\u0410PPROVE", "A\u0420PROVE", "APPRO\u2c6fE", "\u13aaPPROVE",
    "承\u8a8e", "\u627f\u8a8d\u0301", "㊙", "㊞", "承認㊞",
    "承認 ⑴", "承認 1〜3", "承認 1~3", "承認 1-", "承認 -3", "承認 1,,2",
    "承認 1.5", "承認 一", "承認 ٣", "承認 १", "承認 1-３-5",
    "承認 除く", "承認 全部", "承認 1 2", "承認 有効分", "承認 有効分のみ 1", "承認 123456",
    "DECL\u0131NE: x", "DECL\u0130NE: x",
    "却下 理由", "却下しました: x", "保留中: x", "再開します", "失効", "APPROVE-REVOCATION",
)  # fmt: skip


def _ap3() -> list[Attack]:
    attacks = [
        Attack("AP3", f"no form: {ascii(own)}", _own(own), Reason.NO_DECISION) for own in _NO_DECISIONS
    ]
    soft = "; format=flowed"
    rows = [
        ("two verbs", _own("承認\n却下: x"), Reason.TWO_DECISIONS),
        ("the same twice", _own("承認\n承認"), Reason.TWO_DECISIONS),
        ("in two languages", _own("APPROVE\n承認"), Reason.TWO_DECISIONS),
        ("approved and held", _own("承認 1\n保留: x"), Reason.TWO_DECISIONS),
        ("two row selections", _own("承認 1\n承認 2"), Reason.TWO_DECISIONS),
        ("one above, one below the quote", lambda f: f.of_text(f.text() + "\n却下: x\n"), Reason.TWO_DECISIONS),
        ("declined without a reason", _own("却下"), Reason.REASON_MISSING),
        ("declined with a blank reason", _own("却下:　"), Reason.REASON_MISSING),
        ("held without a reason", _own("HOLD:"), Reason.REASON_MISSING),
        ("a row that is not there", _own("承認 4"), Reason.ROWS_UNKNOWN),
        ("row nought", _own("承認 0"), Reason.ROWS_UNKNOWN),
        ("a range too long", _own("承認 1-99999"), Reason.ROWS_UNKNOWN),
        ("a range backwards", _own("承認 3-1"), Reason.ROWS_UNKNOWN),
        ("an exception backwards", _own("承認 除く 3-1"), Reason.ROWS_UNKNOWN),
        ("an exception that is not there", _own("承認 1-3 除く 9"), Reason.ROWS_UNKNOWN),
        ("everything left out", _own("承認 1-3 除く 1-3"), Reason.ROWS_UNKNOWN),
        ("the revocation's word for an issue", _own("失効承認"), Reason.WRONG_VERB),
        ("the issue's word for a revocation", _own("承認", "revoke"), Reason.WRONG_VERB),
        ("the issue's English word for a revocation", _own("APPROVE", "revoke"), Reason.WRONG_VERB),
        ("a command beside it", _own("承認\n一覧"), Reason.TWO_COMMANDS),
        ("a soft break takes the negation away", lambda f: f.of_text(f"承認 \nしません\n{f.quote()}", more=soft),
         Reason.NO_DECISION),
        ("a soft break before it", lambda f: f.of_text(f"これは \n承認\n{f.quote()}", more=soft), Reason.NO_DECISION),
        ("nothing but the quote", lambda f: f.of_text(f.quote()), Reason.NO_DECISION),
    ]  # fmt: skip
    return [*attacks, *(Attack("AP3", name, make, reason) for name, make, reason in rows)]


ATTACKS = (*_ap1(), *_ap2(), *_ap3())
