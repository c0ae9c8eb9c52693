"""Letters to words: fills the templates of `mail_templates` and keeps hostile values harmless on the way."""

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from importlib import resources
from typing import Any, Literal

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.compose.bars import draw_bars
from bot.compose.lines import WIDTH, columns, fold_value, one_line, sentences, tame
from handlers.context import Desk
from handlers.letters.views import SenderEvidence
from handlers.notices import Letter
from handlers.rules.reasons import Reason
from handlers.rules.register import Language

OneLanguage = Literal["ja", "en"]
LANGUAGES: tuple[OneLanguage, ...] = ("ja", "en")

# what a template may name besides its letter's fields
GLOBALS = frozenset({"desk", "lang"})

SEPARATOR = "-" * 18 + " English " + "-" * 18

_FIRST = re.compile(r"(?<=。)|(?<=[.;]) ")  # the end of a sentence of ours, both languages

_FRAME = "　" + "-" * 45  # what programs that read the real service's mails look for

# copied or parsed by programs: these lines stay whole however long they are
_WHOLE = re.compile(r"^Row-\d|^　[A-Z]+=|^　https?://\S+$")

# both stand in the subject once, also where both languages do
_SUBJECT_PREFIX = re.compile(r"^(?:\[URGENT\] )?\[Ringi\] ")
_SUBJECT_NUMBER = re.compile(r" \[[AB]-\d+-\S+\]$")

_WEEKDAYS = "月火水木金土日"
_ENGLISH_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# answers after which the same officer can do nothing more about the application
_FINAL = frozenset(
    {
        Reason.APPROVED,
        Reason.DECLINED,
        Reason.REPEATED,
        Reason.ALREADY_DECIDED,
        Reason.LAPSED,
        Reason.FOREIGN_INSTITUTION,
        Reason.OWN_APPLICATION,
        Reason.NO_POLICY,
    }
)


@dataclass(frozen=True)
class Written:
    """A letter in words: `subject` one clean line, `body` lines ended by LF, without the marker line."""

    subject: str
    body: str


class Words:
    """All templates of both languages, ready to fill."""

    def __init__(self, desk: Desk) -> None:
        self._tongues = {language: _Tongue(language, desk) for language in LANGUAGES}

    def write(self, letter: Letter, language: Language) -> Written:
        if language != "both":
            return self._tongues[language].write(letter)
        ja, en = (self._tongues[one].write(letter) for one in LANGUAGES)
        subject = f"{_SUBJECT_NUMBER.sub('', ja.subject)} / {_SUBJECT_PREFIX.sub('', en.subject)}"
        return Written(subject, f"{ja.body}\n{SEPARATOR}\n\n{en.body}")


class _Tongue:
    """The templates of one language with their filters."""

    def __init__(self, language: OneLanguage, desk: Desk) -> None:
        self.environment = environment(language, desk)
        names = self.environment.list_templates(extensions=["txt"])
        self._own_lines = frozenset(
            line for name in names for line in source(self.environment, name).splitlines()
        )

    def write(self, letter: Letter) -> Written:
        values = vars(tame(letter))
        text = self.environment.get_template(f"{letter.template}.txt").render(values)
        head, _, body = text.partition("\n\n")
        lines = [folded for line in body.strip("\n").split("\n") for folded in self._fold(line.rstrip())]
        return Written(one_line(head.removeprefix("Subject:")), "\n".join(lines) + "\n")

    def _fold(self, line: str) -> Iterable[str]:
        """A line stays whole if it is short, if the template says it so itself, or if a program reads it."""
        if columns(line) <= WIDTH or line in self._own_lines or _WHOLE.search(line):
            return (line,)
        return fold_value(line)


def environment(language: OneLanguage, desk: Desk) -> ImmutableSandboxedEnvironment:
    """The sandbox templates run in.

    Names: the letter's fields, `desk`, `lang`. Filters: those below; of an alarm's code, `alarm_next` is the first
    sentence of `alarm_todo`.
    """
    made = ImmutableSandboxedEnvironment(
        loader=PackageLoader("mail_templates", language),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    reasons, alarms = load_reasons(language), load_alarms(language)
    zone = timezone(timedelta(hours=desk.utc_offset_hours))
    made.globals.update(desk=desk, lang=language)
    filters: dict[str, Callable[..., Any]] = {
        "day": lambda value: _day(value, language, zone),
        "moment": lambda value: _moment(value, language, zone),
        "dn_block": _dn_block,
        "dn_line": ", ".join,
        "ranges": _ranges,
        "digits": _digits,
        "cut": _cut,
        "reason_text": lambda reason: sentences(reasons[reason]["what"]),
        "reason_todo": lambda reason: sentences(reasons[reason]["todo"]),
        "alarm_title": lambda code: alarms[code]["title"],
        "alarm_text": lambda code: sentences(alarms[code]["what"]),
        "alarm_todo": lambda code: sentences(alarms[code]["todo"]),
        "alarm_next": lambda code: _FIRST.split(alarms[code]["todo"])[0],
        "is_final": _FINAL.__contains__,
        "is_authenticated": is_authenticated,
        "bars": draw_bars,
    }
    made.filters.update(filters)
    return made


def source(made: ImmutableSandboxedEnvironment, name: str) -> str:
    """The text of one template file."""
    assert made.loader is not None
    return made.loader.get_source(made, name)[0]


def load_reasons(language: OneLanguage) -> dict[str, dict[str, str]]:
    """`reasons.toml`: reason code -> `what` happened and what is `todo` now."""
    return _load(language, "reasons.toml")


def load_alarms(language: OneLanguage) -> dict[str, dict[str, str]]:
    """`alarms.toml`: alarm code -> its short `title`, `what` happened and what is `todo`."""
    return _load(language, "alarms.toml")


def _load(language: OneLanguage, name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((resources.files("mail_templates") / language / name).read_text("utf-8"))


def is_authenticated(evidence: SenderEvidence) -> bool:
    """Whether our own server's Authentication-Results speaks for the sender's domain (RFC 8601; threats AU1).

    DMARC passed, or DKIM passed for the domain or one above it. Comments and quoted strings go first: a stranger
    chooses what stands in them.
    """
    plain = re.sub(r'\([^()]*\)|"[^"]*"', "", evidence.authentication or "").lower()
    host = evidence.sender.rpartition("@")[2].lower()
    results = [result.split() for result in plain.split(";")[1:]]
    for method, *properties in filter(None, results):
        if method == "dmarc=pass":
            return True
        signed = [p.partition("=")[2].rpartition("@")[2] for p in properties if p.startswith("header.d=")]
        if method == "dkim=pass" and any(host == d or host.endswith(f".{d}") for d in signed if "." in d):
            return True
    return False


def _day(value: date, language: OneLanguage, zone: timezone) -> str:
    """2026年11月22日(日), or Sun, 22 Nov 2026; an instant as the day it is in the desk's zone."""
    if isinstance(value, datetime):
        value = value.astimezone(zone)
    if language == "ja":
        return f"{value.year}年{value.month}月{value.day}日({_WEEKDAYS[value.weekday()]})"
    return f"{_ENGLISH_WEEKDAYS[value.weekday()]}, {value.day} {_MONTHS[value.month - 1]} {value.year}"


def _moment(value: datetime, language: OneLanguage, zone: timezone) -> str:
    local = value.astimezone(zone)
    at = f"{_day(local, language, zone)} {local:%H:%M}"
    return at if language == "ja" else f"{at} ({zone})"


def _dn_block(dn: tuple[str, ...]) -> str:
    """The manual's DN block as the real service's mails print it, one `TYPE=value` a line."""
    return "\n".join([_FRAME, *(f"　{attribute}" for attribute in dn), _FRAME])


def _ranges(seqs: tuple[int, ...]) -> str:
    """(1, 2, 3, 7) -> `1-3, 7`."""
    runs: list[list[int]] = []
    for seq in sorted(set(seqs)):
        if runs and seq == runs[-1][-1] + 1:
            runs[-1].append(seq)
        else:
            runs.append([seq])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _digits(text: str) -> str:
    """A long hexadecimal number in groups that can be compared by eye and that a phone breaks between.

    Sixteen each: what looks like a code stands in groups of eight.
    """
    return " ".join(text[at : at + 16] for at in range(0, len(text), 16))


def _cut(text: str, room: int) -> str:
    """At most `room` columns of it."""
    if columns(text) <= room:
        return text
    kept = text[:room]
    while columns(kept) > room - 2:
        kept = kept[:-1]
    return f"{kept}…"
