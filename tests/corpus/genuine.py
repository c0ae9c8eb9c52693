"""The genuine corpus: signed answers as officers' programs write them, each with the decision it means."""

from collections.abc import Iterator
from dataclasses import replace

from tests.corpus import wording
from tests.corpus.answer import ENGLISH, JAPANESE, LONG, LONG_ENGLISH, Genuine
from tests.corpus.programs import (
    APPLE,
    BECKY,
    EVOLUTION,
    FAIREMAIL,
    GMAIL,
    K9,
    MUTT,
    OUTLOOK,
    SYLPHEED,
    THUNDERBIRD,
    THUNDERBIRD_SMIME,
    alternative,
    protected_alone,
    related,
    with_sheet,
)


def _thunderbird() -> Iterator[Genuine]:
    plain = THUNDERBIRD.change(parameters="", encoding="8bit", frame=protected_alone)
    japanese = THUNDERBIRD.change(
        charset="ISO-2022-JP", encoding="7bit", parameters="; format=flowed; delsp=yes"
    )
    yield Genuine("ja, answered below", THUNDERBIRD, below=True)
    yield Genuine("ja, answered above", THUNDERBIRD)
    yield Genuine("en, answered below", THUNDERBIRD, ENGLISH, language="en", below=True)
    yield Genuine("en, answered above, flowed", THUNDERBIRD, LONG_ENGLISH, language="en")
    yield Genuine("ja, long lines flowed", THUNDERBIRD, LONG, below=True)
    yield Genuine("ja, iso-2022-jp, delsp", japanese, LONG, below=True)
    yield Genuine("ja, no key attached, 8bit", plain, LONG)
    yield Genuine("ja, quoted-printable", THUNDERBIRD.change(encoding="quoted-printable"), below=True)
    yield Genuine("ja, HTML as well", THUNDERBIRD.change(frame=alternative, encoding="8bit"))
    yield Genuine("some rows", THUNDERBIRD, "承認 1-2", rows=(1, 2), below=True)
    yield Genuine("all but one", THUNDERBIRD, "承認 1-3 除く 2\n\n2番は確認中です。", rows=(1, 3))
    yield Genuine("en, all but one", THUNDERBIRD, "APPROVE EXCEPT 3", rows=(1, 2), language="en", below=True)
    yield Genuine("the faultless rows", THUNDERBIRD, "承認 有効分のみ", faultless_only=True)
    yield Genuine(
        "declined with a reason",
        THUNDERBIRD,
        "却下: 所属が名簿と違います",
        "decline",
        comment="所属が名簿と違います",
    )
    yield Genuine(
        "subject marked by a gateway", THUNDERBIRD, subject="[外部] Re: [Ringi] 承認のお願い", below=True
    )
    yield Genuine("from a shared address", THUNDERBIRD, sender="office@example.ac.jp", display="証明書係")
    yield Genuine(
        "a line between the quoted ones", THUNDERBIRD.change(quote=_answered_between), "確認済みです。"
    )
    yield Genuine("the sheet goes along", THUNDERBIRD.change(frame=with_sheet))
    yield Genuine("a colleague's answer answered", THUNDERBIRD.change(quote=wording.marked_twice), below=True)


def _answered_between(text: str) -> str:
    """Below the line that says how: people answer where they were asked."""
    lines = wording.marked(text).split("\n")
    place = next(n for n, line in enumerate(lines) if "却下: 理由" in line)
    return "\n".join([*lines[: place + 2], "", "承認します。", "", *lines[place + 2 :]])


def _outlook(officer: str, *, opaque: bool) -> Iterator[Genuine]:
    """S/MIME in both its forms; by GpgOL the same with OpenPGP."""
    old = OUTLOOK.change(charset="iso-2022-jp", encoding="7bit", attribution=wording.outlook_old)
    base = Genuine("ja, utf-8", OUTLOOK, officer=officer, opaque=opaque)
    yield base
    yield replace(base, name="en, utf-8", own=ENGLISH, language="en")
    yield replace(base, name="ja, iso-2022-jp", program=old)
    yield replace(
        base,
        name="ja, vendors' characters",
        program=old,
        own="①申請内容を確認しました(㈱含む)。\n\n承認します\n\n鈴木",
    )
    base64 = old.change(encoding="base64", attribution=wording.outlook)
    yield replace(base, name="ja, iso-2022-jp in base64", program=base64)
    yield replace(base, name="both languages", language="both")
    yield replace(base, name="line ends lost on the way", has_bare_lf=True)
    yield replace(base, name="ja, a blank line after each", program=OUTLOOK.change(quote=wording.spaced))
    yield replace(
        base, name="ja, a rule of underscores", program=OUTLOOK.change(attribution=wording.outlook_ruled)
    )
    yield replace(base, name="ja, a picture", program=OUTLOOK.change(frame=related))
    yield replace(
        base,
        name="declined",
        own="お世話になっております。\n\n却下：FQDNが台帳にありません\n\n鈴木",
        verb="decline",
        comment="FQDNが台帳にありません",
    )
    yield replace(base, name="held", own="保留: 本人に確認中です", verb="hold", comment="本人に確認中です")
    yield replace(
        base,
        name="revocation",
        own="鈴木です。\n\n失効承認",
        application="revoke",
        rows=(1,),
        subject="RE: 失効の件",
    )


def _apple(officer: str) -> Iterator[Genuine]:
    base = Genuine("ja, quoted-printable", APPLE, officer=officer)
    yield base
    yield replace(base, name="en, quoted-printable", own=LONG_ENGLISH, language="en")
    yield replace(base, name="ja, base64", program=APPLE.change(encoding="base64"))
    yield replace(
        base, name="ja, 7bit iso-2022-jp", program=APPLE.change(charset="iso-2022-jp", encoding="7bit")
    )
    yield replace(base, name="HTML as well", program=APPLE.change(frame=alternative))
    yield replace(base, name="en, some rows", own="Approve 1,3", rows=(1, 3), language="en")
    yield replace(
        base, name="en, held", own="HOLD: I ask her", verb="hold", comment="I ask her", language="en"
    )


def _mutt() -> Iterator[Genuine]:
    yield Genuine("ja, 8bit", MUTT, below=True)
    yield Genuine("en, 8bit", MUTT, ENGLISH, language="en", below=True)
    yield Genuine("ja, quoted-printable", MUTT.change(encoding="quoted-printable"), below=True)
    yield Genuine("ja, euc-jp", MUTT.change(charset="euc-jp"), LONG)
    yield Genuine("ja, iso-2022-jp", MUTT.change(charset="iso-2022-jp", encoding="7bit"), below=True)
    yield Genuine("full-width word", MUTT, "ＡＰＰＲＯＶＥ", below=True)
    yield Genuine(
        "no quote but the code, typed", MUTT.change(quote=_only_code, attribution=wording.nothing), "承認"
    )
    yield Genuine(
        "en, declined rows", MUTT, "DECLINE 2: wrong name", "decline", (2,), "wrong name", language="en"
    )
    yield Genuine("resumed", MUTT, "再開", "resume", before="保留: 確認中")
    yield Genuine(
        "revocation in English", MUTT, "APPROVE REVOCATION", rows=(1,), application="revoke", language="en"
    )
    yield Genuine("full-width rows", MUTT, "承認　１，３", rows=(1, 3), below=True)
    yield Genuine(
        "all that is not faulty, but one", MUTT, "承認 除く 2 有効分のみ。", rows=(1, 3), faultless_only=True
    )
    yield Genuine("a request in both languages", MUTT, language="both", below=True)
    yield Genuine("line ends lost on the way", MUTT, below=True, has_bare_lf=True)
    yield Genuine("an indented quote", MUTT.change(quote=wording.indented), below=True)


def _only_code(text: str) -> str:
    return next(line.strip() for line in text.split("\n") if line.startswith(("コード:", "Code:")))


def _becky() -> Iterator[Genuine]:
    in_words = BECKY.change(attribution=wording.becky_in_words, quote=wording.marked_closely)
    yield Genuine("answered above", BECKY)
    yield Genuine("answered below", BECKY, below=True)
    yield Genuine("> close to the text", in_words, below=True)
    yield Genuine("attribution in words", in_words, LONG)
    yield Genuine("shift_jis", BECKY.change(charset="Shift_JIS", encoding="8bit"))
    yield Genuine("subject marked [SPAM]", BECKY, subject="[SPAM] Re: 承認のお願い")
    yield Genuine(
        "full-width colon",
        BECKY,
        "却下：書類がそろっていません。",
        "decline",
        comment="書類がそろっていません。",
    )
    yield Genuine("answered below", SYLPHEED, below=True)
    yield Genuine("held", SYLPHEED, "保留：確認します", "hold", comment="確認します")


def _inline() -> Iterator[Genuine]:
    yield Genuine("ja", GMAIL, JAPANESE, officer="sasaki", inline=True)
    yield Genuine("en", GMAIL, ENGLISH, officer="sasaki", inline=True, language="en")
    yield Genuine("ja, long", GMAIL, LONG, officer="sasaki", inline=True)
    base64 = GMAIL.change(encoding="base64")
    yield Genuine("ja, base64", base64, officer="sasaki", inline=True)
    yield Genuine("ja, 8bit", GMAIL.change(encoding="8bit"), officer="sasaki", inline=True, below=True)


def _phones() -> Iterator[Genuine]:
    yield Genuine("ja", FAIREMAIL, "承認します。")
    yield Genuine("en", FAIREMAIL, "Approve", language="en")
    yield Genuine("ja, text only", FAIREMAIL.change(frame=lambda p, d, part, t: part), "承認。")
    yield Genuine("ja", K9, "承認します\n\n-- \nスマートフォンから送信")
    yield Genuine("en", K9, "approve.\n\n-- \nSent from my phone.", language="en")
    yield Genuine("ja", EVOLUTION, below=True)
    yield Genuine("en", EVOLUTION, ENGLISH, language="en")


def _smime_thunderbird(officer: str) -> Iterator[Genuine]:
    base = Genuine("ja, answered below", THUNDERBIRD_SMIME, officer=officer, below=True)
    yield base
    yield replace(base, name="en, answered above", own=ENGLISH, language="en", below=False)
    yield replace(base, name="own headers inside", program=THUNDERBIRD_SMIME.change(frame=protected_alone))
    yield replace(base, name="some rows", own="承認 2", rows=(2,))


def _openpgp_cases() -> Iterator[Genuine]:
    yield from _thunderbird()
    yield from (
        replace(case, program=case.program.change(name="Outlook (GpgOL)"))
        for case in _outlook("tanaka", opaque=False)
    )
    yield from _apple("suzuki")
    yield from _mutt()
    yield from _becky()
    yield from _inline()
    yield from _phones()


def _smime_cases() -> Iterator[Genuine]:
    yield from _outlook("smime_ito", opaque=False)
    yield from _outlook("smime_ito", opaque=True)
    yield from _apple("smime_ito")
    yield from _apple("smime_kato")
    yield from _smime_thunderbird("smime_kato")


OPENPGP = tuple(_openpgp_cases())
SMIME = tuple(_smime_cases())
GENUINE = OPENPGP + SMIME
