"""What a reader sees of every mail: its line in a list of mails, its lines on a screen, one language at a time."""

import re
from functools import cache

import pytest

from bot.compose.lines import CONTINUED, WIDTH, columns
from bot.compose.words import LANGUAGES, OneLanguage, Words, Written
from handlers.notices import Letter
from handlers.rules.register import Policy
from tests.extremes import stretch
from tests.house.test_templates import MANUAL_SENTENCES
from tests.letters import CODE, DESK, NUMBER, SAMPLES, TOKEN, URL, spoil

WRITER = Words(DESK)
SIZES = ("usual", "longest")

# JIS X 4051, without ・, which begins the items of our lists
_NEVER_FIRST = (
    "、。，．,.）)」』】〕》〉］｝：；:;？！?!‥…ー〜～々ゝゞヽヾァィゥェォッャュョヮヵヶぁぃぅぇぉっゃゅょゎ"
)
_NEVER_LAST = "（(「『【〔《〈［｛"

# the manual gives them to the letter, or their translations follow them
_MANUAL_SUBJECTS = (
    "applicant.download",
    "applicant.revoked",
    "officer.downloaded",
    "officer.renewal_downloaded",
    "officer.revocation_reminder",
    "officer.revoked",
)

# what a phone's list of mails shows of a subject at least, and what a desk's list shows, in half-width columns
_PHONE, _DESK = 40, 80

# programs read them, so they stay whole; the real service's mails hold URLs like ours
_WHOLE = re.compile(r"Row-\d|　[A-Z]+=|　https://")

# names of things, in Japanese mails too
_LATIN = """
Ringi UPKI TSV CSR URL SEQ FQDN CN OU dNSName Row PEM SMTP CRL GnuPG OpenPGP OpenSSL MIME SHA RFC HTML Excel Shift JIS
UTF ANSI CRLF Mac Windows Web Whois WHOIS TXT pem csr txt tsv xlsx winmail dat zip sheet SHA256 sha256sum certutil
hashfile openssl req new sha256 RSA ECDSA From ringi quarantine list mail emailAddress Email Address
Thunderbird Outlook Apple Mail iPhone Common Name genrsa key out testkikan Chiyoda Tokyo
INVENTORY STATISTICS ALLOWLIST STATUS RESEND TIMESTAMP HELP test1 example testbot
"""
# labels of a file's columns and of the Japanese half of a bilingual mail
_JAPANESE = {"状態", "有効期限", "照合番号"}


def letters(size: str) -> dict[str, Letter]:
    return SAMPLES if size == "usual" else {name: stretch(letter) for name, letter in SAMPLES.items()}


@cache
def written(size: str, language: OneLanguage) -> dict[str, Written]:
    return {name: WRITER.write(letter, language) for name, letter in letters(size).items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_of_mails_shows_what_happened_and_to_what(language: OneLanguage) -> None:
    """What happened ends within a phone's line; the name begins there, and the number follows on a desk's."""
    for name, mail in written("usual", language).items():
        if SAMPLES[name].template in _MANUAL_SUBJECTS:
            continue
        happened = re.split(r": | \(|\(| \[[AB]-", mail.subject)[0]
        assert 14 <= columns(happened) <= _PHONE, mail.subject
        numbered = re.search(r" \[([AB]-\d{8}-[\w-]+)\]$", mail.subject)
        about = mail.subject[: numbered.start() if numbered else None]
        assert columns(about) <= _DESK, mail.subject
        if numbered and language == "ja":
            # a batch is about many names; its number is its name
            assert "test1.example.ac.jp" in about or numbered[1].startswith("B-"), mail.subject
        assert "  " not in mail.subject


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_application_s_mails_name_its_number(language: OneLanguage) -> None:
    for name, mail in written("usual", language).items():
        letter = SAMPLES[name]
        number = getattr(letter, "number", None) or getattr(
            getattr(letter, "application", None), "number", None
        )
        # a dry run has no number yet
        if number and letter.template not in _MANUAL_SUBJECTS and not getattr(letter, "dry_run", False):
            assert mail.subject.endswith(f" [{number}]"), mail.subject


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_fit_and_keep_kinsoku(language: OneLanguage, size: str) -> None:
    for name, mail in written(size, language).items():
        for line in mail.body.splitlines():
            if line in MANUAL_SENTENCES or _WHOLE.match(line):
                continue
            assert columns(line) <= WIDTH, (name, line)
            text = line.lstrip("　 ").removeprefix(CONTINUED)
            assert text[:1] not in tuple(_NEVER_FIRST), (name, line)
            assert text[-1:] not in tuple(_NEVER_LAST), (name, line)


def test_a_sentence_of_ours_is_broken_only_where_a_reader_pauses() -> None:
    """A phone breaks lines anew: a break amid a phrase would stand there as a second one."""
    prose = re.compile(r"[ 　]*(?!.*: |[■□・｜]|【.*】$)[^-]*[ぁ-んァ-ヶ一-龯]")
    goes_on = re.compile(r"[ 　]*[ぁ-んァ-ヶ一-龯「A-Za-z][^:]*[。、]$")
    for name, mail in written("usual", "ja").items():
        if SAMPLES[name].template == "monitor.digest":  # its lines are a table's
            continue
        lines = mail.body.splitlines()
        for line, following in zip(lines, lines[1:], strict=False):
            is_broken = prose.fullmatch(line) and goes_on.fullmatch(following)
            assert not is_broken, (name, line, following)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_copied_or_typed_stays_whole_beside_the_longest_values(language: OneLanguage) -> None:
    answers = {"ja": ("｜ 承認", "｜ 却下: 理由"), "en": ("｜ APPROVE", "｜ DECLINE: reason")}[language]
    bodies = {name: mail.body.splitlines() for name, mail in written("longest", language).items()}
    assert set(answers) <= set(bodies["request"])
    assert [line for line in bodies["request"] if CODE in line]
    assert [line for line in bodies["received"] if line.endswith(TOKEN)]
    assert f"　{URL}" in bodies["download"]
    resend = {"ja": f"｜ 再送 {NUMBER}", "en": f"｜ RESEND {NUMBER}"}[language]
    assert resend in bodies["not_downloaded_officer"]
    assert (
        len([line for line in bodies["request"] if re.fullmatch(r"Row-\d+ [0-9a-f]{16} CN=\S+", line)]) == 12
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_of_the_machine_shows(language: OneLanguage, size: str) -> None:
    machine = re.compile(
        r"\{\{|\}\}|\{%|\bNone\b|\bTrue\b|\bFalse\b|Undefined|datetime\.|<\w+\.\w+ |\w+View\("
    )
    for name, mail in written(size, language).items():
        assert not machine.search(f"{mail.subject}\n{mail.body}"), name


def test_a_japanese_mail_speaks_japanese() -> None:
    """Whatever a person wrote is put aside; what is left in Latin letters is a name of a thing.

    Those who run the desk read codes and type commands: their mails are not looked at.
    """
    for name, letter in SAMPLES.items():
        if letter.template.startswith("monitor."):
            continue
        mail = WRITER.write(spoil(letter, "あ"), "ja")
        ours = re.sub(
            r"Row-1 [0-9a-f]{16} CN=あ|[0-9a-f]{16,}|https?://\S+|\S+@\S+|[AB]-\d{8}-\S+|「[^」]*」",
            "",
            mail.body,
        )
        words = set(re.findall(r"[A-Za-z][A-Za-z0-9]{2,}", ours.replace(TOKEN, "").replace(CODE, "")))
        assert words <= set(_LATIN.split()), (name, sorted(words - set(_LATIN.split())))


def test_an_english_mail_speaks_english() -> None:
    for name, letter in SAMPLES.items():
        mail = WRITER.write(spoil(letter, "x"), "en")
        japanese = set(re.findall(r"[ぁ-んァ-ヶ一-龯]+", f"{mail.subject}\n{mail.body}"))
        assert japanese <= _JAPANESE, (name, japanese - _JAPANESE)


def test_the_checklist_that_every_policy_starts_with_speaks_english_in_an_english_mail() -> None:
    """An institution's own checklist is a person's words; this one is ours."""
    for name in ("request", "batch_daily"):
        bodies = {language: WRITER.write(SAMPLES[name], language).body for language in LANGUAGES}
        assert all(f"□ {item}\n" in bodies["ja"] for item in Policy().checklist), name
        points = re.findall(r"^□ .*", bodies["en"], re.MULTILINE)
        assert len(points) == len(Policy().checklist), name
        assert not re.search(r"[ぁ-んァ-ヶ一-龯]", "".join(points)), name
