"""How mail programs quote what they answer, and lay out what a person typed."""

from collections.abc import Callable

from bot.compose.lines import columns
from tests.corpus.court import Request

Language = str
Attribution = Callable[[Request, Language], str]

BOT = "証明書受付"
BOT_ADDRESS = "ringi@example.ac.jp"


def marked(text: str) -> str:
    """`> ` before every line; a blank line gets the bare mark, as a blank at its end would flow it."""
    lines = text.rstrip("\n").split("\n")
    return "\n".join(f">{line}" if line.startswith(">") or not line else f"> {line}" for line in lines)


def marked_closely(text: str) -> str:
    """`>` alone, as some Japanese programs do."""
    return "\n".join(f">{line}" for line in text.rstrip("\n").split("\n"))


def marked_twice(text: str) -> str:
    """An answer to an answer of a colleague's."""
    return marked(f"了解しました。\n\n{marked(text)}")


def unmarked(text: str) -> str:
    return text.rstrip("\n")


def spaced(text: str) -> str:
    """Outlook makes text of HTML: a blank line after every line."""
    return text.rstrip("\n").replace("\n", "\n\n")


def indented(text: str) -> str:
    """Some programs write a bar, others a blank and the mark."""
    return "\n".join(f" > {line}" for line in text.rstrip("\n").split("\n"))


def thunderbird(request: Request, language: Language) -> str:
    return (
        "2026/11/22 10:15、証明書受付 さんは書きました:"
        if language == "ja"
        else (f"On 22/11/2026 10:15, {BOT} wrote:")
    )


def mutt(request: Request, language: Language) -> str:
    return f"On Sun, Nov 22, 2026 at 10:15:00AM +0900, {BOT} wrote:"


def becky(request: Request, language: Language) -> str:
    return f"On Sun, 22 Nov 2026 10:15:00 +0900\n{BOT} <{BOT_ADDRESS}> wrote:\n"


def becky_in_words(request: Request, language: Language) -> str:
    return f"証明書受付さんの\n「{request.subject}」から引用:\n"


def apple(request: Request, language: Language) -> str:
    if language == "ja":
        return f"2026/11/22 10:15、{BOT} <{BOT_ADDRESS}>のメール:\n"
    return f"On Nov 22, 2026, at 10:15, {BOT} <{BOT_ADDRESS}> wrote:\n"


def gmail(request: Request, language: Language) -> str:
    if language == "ja":
        return f"2026年11月22日(日) 10:15 {BOT} <{BOT_ADDRESS}>:\n"
    return f"On Sun, Nov 22, 2026 at 10:15 AM {BOT} <\n{BOT_ADDRESS}> wrote:\n"


def phone(request: Request, language: Language) -> str:
    if language == "ja":
        return f"2026年11月22日 10:15:00 JST、{BOT} <{BOT_ADDRESS}> のメッセージ:"
    return f"On 22 November 2026 10:15:00 JST, {BOT} <{BOT_ADDRESS}> wrote:"


def outlook(request: Request, language: Language) -> str:
    """The block of today's Outlook in plain text."""
    if language == "ja":
        return (
            f"-----Original Message-----\n差出人: {BOT} <{BOT_ADDRESS}> \n送信日時: 2026年11月22日日曜日 10:15\n"
            f"宛先: suzuki@example.ac.jp\n件名: {request.subject}\n"
        )
    return (
        f"-----Original Message-----\nFrom: {BOT} <{BOT_ADDRESS}> \nSent: Sunday, November 22, 2026 10:15 AM\n"
        f"To: suzuki@example.ac.jp\nSubject: {request.subject}\n"
    )


def outlook_ruled(request: Request, language: Language) -> str:
    """The same from HTML: a rule of underscores."""
    return outlook(request, language).replace("-----Original Message-----", "_" * 32)


def broken(text: str, width: int, *, at_blanks: bool = True) -> str:
    """As a program breaks lines that knows of no quotes: the rest of one loses its mark. `width`: columns."""
    lines = []
    for line in text.split("\n"):
        while len(line) * 2 > width and columns(line) > width:
            fitting = next(n for n in range(width, 0, -1) if columns(line[:n]) <= width)
            cut = line.rfind(" ", 2, fitting + 1) if at_blanks else fitting
            if cut <= 0:
                break
            lines.append(line[:cut])
            line = line[cut:].lstrip(" ")
        lines.append(line)
    return "\n".join(lines)


def outlook_broken(request: Request, language: Language) -> str:
    """The same where the sender's line is too long for one: Outlook breaks at 76 columns."""
    return outlook_named("<tanaka@example.ac.jp>")(request, language)


def outlook_named(rest: str) -> Attribution:
    """The sender's line is broken before `rest`."""

    def head(request: Request, language: Language) -> str:
        long = (
            "情報基盤センター 証明書担当 " if language == "ja" else "Information Media Center, Certificates "
        )
        return outlook(request, language).replace(f"{BOT} <{BOT_ADDRESS}> ", f"{long * 2}\n{rest}")

    return head


def outlook_old(request: Request, language: Language) -> str:
    """Japanese Outlook of some years ago."""
    return outlook(request, "ja").replace("-----Original Message-----", "-----元のメッセージ-----")


def nothing(request: Request, language: Language) -> str:
    return ""


def flowed(text: str, width: int = 72, *, delete_space: bool = False) -> str:
    """What a person typed as `format=flowed` (RFC 3676); quotes keep their lines."""
    return "\n".join(
        line if line.startswith(">") else _flow(line, width, delete_space) for line in text.split("\n")
    )


def _flow(line: str, width: int, delete_space: bool) -> str:
    if line == "-- ":
        return line
    line = line.rstrip(" ")
    pieces = []
    while len(line) > width:
        cut = width if delete_space else line.rfind(" ", 0, width) + 1 or width
        # without delsp the blank at the break stays; with it one more is added and taken away
        pieces.append(line[:cut] + (" " if delete_space else ""))
        line = line[cut:]
    return "\n".join(" " + p if p.startswith((" ", "From ")) else p for p in (*pieces, line))


def wrapped(text: str, width: int = 72) -> str:
    """Hard line ends, as programs without `format=flowed` do."""
    lines = []
    for line in text.split("\n"):
        while len(line) > width and not line.startswith(">"):
            cut = line.rfind(" ", 0, width) + 1 or width
            lines.append(line[:cut].rstrip())
            line = line[cut:]
        lines.append(line)
    return "\n".join(lines)
