"""`ringi init` and `ringi check` where officers bring S/MIME certificates; no gpg is needed for any of it."""

import dataclasses
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from bot.config import load_config
from bot.doctor.check import check
from bot.doctor.finding import Finding
from bot.register import RegisterFault, load_register
from bot.setup.answers import (
    Answers,
    InstitutionAnswers,
    NewCa,
    OfficerAnswers,
    ServerAnswers,
    SmimeAnswers,
)
from bot.setup.prepare import SetupFault, prepare
from bot.setup.questions import ask
from handlers.rules.scheme import Scheme
from tests.smime_people import Person, Pki, make_pki

NOW = datetime.now(UTC).replace(microsecond=0)
BOT, OFFICER = "bot@example.ac.jp", "hanako@example.ac.jp"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = make_pki(tmp_path / "pki")
    made.publish_crls(next_update=NOW + 30 * DAY)
    return made


def answers(
    pki: Pki, *, bot: Person | None = None, smime: bool = True, encoding: Encoding = Encoding.PEM
) -> Answers:
    hanako = pki.issue("hanako", OFFICER)
    (pki.directory / "hanako.crt").write_bytes(
        hanako.certificate.public_bytes(encoding)
        + (hanako.chain[0].public_bytes(encoding) if encoding is Encoding.PEM else b"")
    )
    own = (None, None, None)
    if bot:
        own = tuple(pki.directory / f"bot.{name}" for name in ("pem", "key", "chain"))  # type: ignore[assignment]
        for path, content in zip(own, (pem(bot.certificate), bot.key_pem(), pem(*bot.chain)), strict=True):
            path.write_bytes(content)  # type: ignore[attr-defined]
    sources = tuple(str(path) for path in sorted(pki.crl_dir.glob("*.crl")))
    return Answers(
        instance="testkikan-1",
        address=BOT,
        imap=ServerAnswers("127.0.0.1", 1, "tls", BOT, Path("mail.password")),
        smtp=ServerAnswers("127.0.0.1", 1, "tls", BOT, Path("mail.password")),
        public_url="http://127.0.0.1:1",
        institution=InstitutionAnswers(
            "testkikan",
            "試験機関",
            "testkikan",
            "Tokyo",
            "Chiyoda-ku",
            ("example.ac.jp",),
            ("example.ac.jp",),
        ),
        officers=(OfficerAnswers("hanako", "花子", OFFICER, pki.directory / "hanako.crt"),),
        ca=NewCa("testkikan CA", "p256"),
        smime=SmimeAnswers(pki.ca_file, sources, *own) if smime else None,
    )


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def made(place: Path, given: Answers) -> Path:
    return prepare(place, given, now=NOW, random=os.urandom).config


def found(config: Path, now: datetime = NOW) -> list[Finding]:
    return check(config, now=now, only=("S/MIME",))


def a_bot(pki: Pki, **changes: object) -> Person:
    return pki.issue("bot", BOT, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_an_officers_certificate_is_told_by_its_content_and_pinned_by_its_key(
    pki: Pki, tmp_path: Path, encoding: Encoding
) -> None:
    config = load_config(made(tmp_path / "d", answers(pki, bot=a_bot(pki), encoding=encoding)))
    assert (config.openpgp, config.schemes) == (None, {Scheme.SMIME})
    assert config.smime
    assert config.smime.ca_file == tmp_path / "d/smime-roots.pem"
    register = load_register(config.register_dir, config.schemes)
    owner = register.officer_with_key(Scheme.SMIME, pki.issue("hanako", OFFICER).pin)
    assert owner
    assert owner[1].id == "hanako"
    assert not (tmp_path / "d/state/gnupg").exists()
    assert [f for f in check(tmp_path / "d/config.toml", now=NOW, only=("S/MIME", "gpg")) if not f.ok] == []


def test_roots_are_asked_for_and_a_key_is_not_taken(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(SetupFault, match="name the file with the roots"):
        made(tmp_path / "d", answers(pki, smime=False))
    given = answers(pki)
    path = pki.directory / "hanako.crt"
    path.write_bytes(path.read_bytes() + pki.issue("hanako", OFFICER).key_pem())
    with pytest.raises(SetupFault, match="SECRET key"):
        made(tmp_path / "d", given)
    (pki.directory / "roots.pem").write_text("no roots")
    with pytest.raises(SetupFault, match=r"roots\.pem holds no certificate"):
        made(tmp_path / "d", given)
    assert not (tmp_path / "d").exists()


def test_the_questions_about_smime_come_only_with_a_certificate_and_guess_the_lists(
    pki: Pki, tmp_path: Path
) -> None:
    url = x509.UniformResourceIdentifier("http://crl.example.jp/ca.crl")
    points = x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)])
    hanako = pki.issue("hanako", OFFICER, extensions=[(points, False)])
    (tmp_path / "hanako.crt").write_bytes(pem(hanako.certificate))
    known = {"Mail address of the bot": BOT, "Officer 1: mail address": OFFICER, "Officer 1: name": "花子"}
    known |= {
        "Institution: name as people call it": "x",
        "Institution: O in certificates (English name)": "x",
    }
    known |= {
        "Institution: L in certificates": "x",
        "S/MIME: file with the roots that vouch for the officers": "",
    }
    asked: list[str] = []

    def prompt(question: str, default: str | None) -> str:
        asked.append(question)
        if "S/MIME certificate" in question and "Officer" in question:
            return str(tmp_path / "hanako.crt")
        if "roots" in question:
            return str(pki.ca_file)
        return known.get(question) or default or ""

    smime = ask(prompt).smime
    assert smime == SmimeAnswers(pki.ca_file, ("http://crl.example.jp/ca.crl",))
    assert sum("S/MIME:" in question for question in asked) == 3


def test_a_key_of_a_system_that_is_not_configured_is_a_fault_with_its_line(pki: Pki, tmp_path: Path) -> None:
    made(tmp_path / "d", answers(pki))
    with pytest.raises(RegisterFault) as caught:
        load_register(tmp_path / "d/register", {Scheme.OPENPGP})
    (fault,) = caught.value.faults
    assert re.search(r"testkikan\.toml:\d+: officers\[0\]\.smime: hanako .* no \[smime\]: add it", str(fault))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"purposes": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "not made for e-mail"),
        ({"usage": ("key_encipherment",)}, "may not sign"),
        ({"end": NOW - DAY}, "is good from"),
    ],
)
def test_a_certificate_that_mail_programs_would_not_take_is_wrong(
    pki: Pki, tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    (finding,) = [f for f in found(made(tmp_path / "d", answers(pki, bot=a_bot(pki, **changes)))) if not f.ok]
    assert words in finding.what
    assert BOT in finding.mend


def test_a_certificate_for_another_address_is_wrong(pki: Pki, tmp_path: Path) -> None:
    config = made(tmp_path / "d", answers(pki, bot=pki.issue("bot", "other@example.ac.jp")))
    (finding,) = [f for f in found(config) if not f.ok]
    assert f"does not name {BOT}" in finding.what


def test_without_a_certificate_mails_go_unsigned_and_the_doctor_says_so(pki: Pki, tmp_path: Path) -> None:
    (finding,) = [f for f in found(made(tmp_path / "d", answers(pki))) if "unsigned" in f.what]
    assert finding.ok
    assert "1 officer(s)" in finding.what
    assert "smime.certificate" in finding.mend


def test_what_ends_within_a_month_is_a_warning(pki: Pki, tmp_path: Path) -> None:
    config = made(tmp_path / "d", answers(pki, bot=a_bot(pki)))
    told = [f.what for f in found(config, NOW + 340 * DAY) if f.ok and f.mend]
    assert any("our certificate ends" in what for what in told)
    assert any("the certificate of hanako of testkikan ends" in what for what in told)


def test_a_stale_or_missing_list_is_wrong_and_names_its_ca(pki: Pki, tmp_path: Path) -> None:
    config = made(tmp_path / "d", answers(pki, bot=a_bot(pki)))
    stale = [f for f in found(config, NOW + 40 * DAY) if not f.ok]
    assert any("stale" in f.what for f in stale)
    assert any("no fresh revocation list of CN=Test S/MIME CA" in f.what for f in stale)
    for path in pki.crl_dir.glob("intermediate*.crl"):
        path.unlink()
    missing = [f for f in found(config) if not f.ok]
    assert any("no fresh revocation list of CN=Test S/MIME CA" in f.what for f in missing)
    assert not (tmp_path / "d/state/crls").exists(), "the doctor leaves nothing behind"


def test_roots_that_are_gone_are_named(pki: Pki, tmp_path: Path) -> None:
    config = made(tmp_path / "d", answers(pki, bot=a_bot(pki)))
    (tmp_path / "d/smime-roots.pem").unlink()
    wrong = [f for f in found(config) if not f.ok]
    assert all("smime-roots.pem" in f.what for f in wrong)
    assert "smime.ca_file" in wrong[0].mend


def test_a_desk_without_smime_is_told_that_it_is_not_used(pki: Pki, tmp_path: Path) -> None:
    config = made(tmp_path / "d", dataclasses.replace(answers(pki, bot=a_bot(pki))))
    (gpg,) = check(config, now=NOW, only=("gpg",))
    assert gpg == Finding("gpg", True, "not used: the configuration has no [openpgp]")
