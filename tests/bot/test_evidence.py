"""The evidence folder: what really happened is proven with sh, gpg, openssl and sha256sum alone, by either system."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.wiring import utc_now
from handlers.frozen import digest
from handlers.refreeze import refreeze_changed
from handlers.rules.revocation_tsv import revocation_tsv
from store import inbox, journal, returned_tsvs
from store.states import Filed
from store.tables import Certificate
from store.transaction import reading, writing
from tests import keys
from tests.applications import tsv
from tests.evidence_world import (
    APPLICANT,
    TOOLS,
    EvidenceWorld,
    entity,
    forge,
    inline_mail,
    line,
    open_world,
    rsa_line,
    signed_mail,
    verify,
)
from tests.revocations import revoke_line
from tests.signers import OpenPGPSigner, SmimeSigner, openpgp_signer
from tests.smime_people import make_pki


@pytest.fixture(scope="session")
def suzuki(need: Callable[[str], str]) -> Iterator[OpenPGPSigner]:
    need("gpg")
    need("openssl")
    with openpgp_signer() as signer:
        yield signer


@pytest.fixture(scope="session")
def tanaka(need: Callable[[str], str]) -> Iterator[OpenPGPSigner]:
    need("gpg")
    with openpgp_signer("tanaka") as signer:
        yield signer


@pytest.fixture
def world(tmp_path: Path, suzuki: OpenPGPSigner, tanaka: OpenPGPSigner) -> Iterator[EvidenceWorld]:
    with open_world(tmp_path / "w", suzuki, tanaka) as opened:
        yield opened


def proves(folder: Path, *words: str) -> None:
    done = verify(folder)
    assert (done.returncode, "PROVEN" in done.stdout) == (0, True), done.stdout + done.stderr
    assert not done.stderr, done.stderr
    for word in words:
        assert word in done.stdout, done.stdout


def test_a_long_path_keeps_nobody_from_checking(world: EvidenceWorld, suzuki: OpenPGPSigner) -> None:
    """The socket of gpg's agent would not fit below it."""
    number = world.apply()
    world.approve(suzuki, number)
    folder = world.evidence(world.serial_of(number))
    deep = folder.parent / ("deep" * 20)
    deep.mkdir()
    proves(folder.rename(deep / "evidence"), suzuki.pin)


def test_an_approved_certificate_is_proven(world: EvidenceWorld, suzuki: OpenPGPSigner) -> None:
    number = world.apply()
    world.approve(suzuki, number)
    folder = world.evidence(world.serial_of(number))
    proves(folder, suzuki.pin, "signed 'APPROVE'", "DNS:test1.example.ac.jp")
    assert verify(folder, shell="bash").returncode == 0


REPLIES = {
    "iso-2022-jp": {"charset": "iso-2022-jp", "encoding": "7bit"},
    "iso-2022-jp in base64": {"charset": "iso-2022-jp"},
    "shift_jis": {"charset": "shift_jis", "encoding": "8bit"},
    "euc-jp, quoted": {"charset": "euc-jp", "encoding": "quoted-printable"},
    "utf-8, quoted": {"encoding": "quoted-printable"},
    "utf-8 as it is": {"encoding": "8bit"},
    "flowed": {"parameters": "; format=flowed", "encoding": "8bit"},
    "with html beside": {"html": "<p>承認</p>"},
}


@pytest.mark.parametrize("how", REPLIES)
def test_replies_as_mail_programs_write_them_are_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner, how: str
) -> None:
    number = world.apply(encoding="quoted-printable" if "quoted" in how else "base64")
    text = (
        (
            "○○様\r\n鈴木です。\n\n　承認いたします。\n\n> ──── Ringi X ────\n> 却下: 理由\n"
            f"> コード: {world.code(number)}\n> Row-1 0000\n\n── Ringi {number} ──\n却下: いいえ\n"
        )
        .replace("\r", "")
        .replace("> Row-1 0000\n", "")
    )
    world.approve(suzuki, number, text, **REPLIES[how])
    proves(world.evidence(world.serial_of(number)), "signed 'APPROVE'")


@pytest.mark.parametrize("how", ["iso-2022-jp", "shift_jis", "utf-8 as it is", "flowed"])
@pytest.mark.parametrize(
    "head",
    [
        "差出人： 田中\n送信日時： 11月22日\n",
        "*Date:* Sunday\n\n*From:* 田中\n\n",
        "差出人： 情報基盤センター\n却下: 田中\n<tanaka@example.ac.jp>\n送信日時： 11月22日\n",
    ],
)
def test_AP2_a_colleagues_decision_quoted_without_marks_is_no_second_one(
    world: EvidenceWorld, suzuki: OpenPGPSigner, how: str, head: str
) -> None:
    number = world.apply()
    text = f"承認します\n\n{head}\n却下: 違います\n\n> コード: {world.code(number)}\n"
    world.approve(suzuki, number, text, **REPLIES[how])
    proves(world.evidence(world.serial_of(number)), "signed 'APPROVE'")


@pytest.mark.parametrize("how", ["iso-2022-jp", "shift_jis", "utf-8, quoted", "flowed"])
@pytest.mark.parametrize("above", ["x" * 62, "あ" * 31])
def test_AP2_what_a_program_broke_off_a_quoted_line_is_no_second_decision(
    world: EvidenceWorld, suzuki: OpenPGPSigner, how: str, above: str
) -> None:
    number = world.apply()
    quote = f"> {above}\n　却下: 違います\n> コード: {world.code(number)}\n承認します\n"
    world.approve(suzuki, number, f"拝受\n\n{quote}", **REPLIES[how])
    proves(world.evidence(world.serial_of(number)), "signed 'APPROVE'")


@pytest.mark.parametrize("opaque", [False, True])
def test_an_approval_by_s_mime_is_proven(tmp_path: Path, need: Callable[[str], str], opaque: bool) -> None:
    need("openssl")
    pki = make_pki(tmp_path / "pki")
    pki.publish_crls()
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    signer = SmimeSigner("suzuki", "suzuki@example.ac.jp", person.certificate, person.key, person.chain)
    with open_world(tmp_path / "w", signer, pki=pki) as world:
        number = world.apply()
        part = entity(f"承認\n\n> {world.code(number)}\n")
        assert world.receive(signed_mail(signer, part, opaque=opaque)) is Filed.DONE
        folder = world.evidence(world.serial_of(number))
        tools = tuple(tool for tool in TOOLS if tool != "gpg")
        done = verify(folder, tools)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"one good S/MIME signature by the public key {signer.pin}" in done.stdout


def test_two_officers_of_both_systems_and_their_words_are_proven(
    tmp_path: Path, suzuki: OpenPGPSigner
) -> None:
    pki = make_pki(tmp_path / "pki")
    pki.publish_crls()
    person = pki.issue("tanaka", "tanaka@example.ac.jp", "rsa2048")
    tanaka = SmimeSigner("tanaka", "tanaka@example.ac.jp", person.certificate, person.key, person.chain)
    policy = '[[policies]]\nname = "two"\napprovals = 2\n'
    with open_world(tmp_path / "w", suzuki, tanaka, pki=pki, register=policy) as world:
        number = world.apply(line(), line("test2.example.ac.jp"), line("test3.example.ac.jp"))
        code = world.code(number)
        world.approve(suzuki, number, f"承認 １－３ 除く １ 有効分のみ\n> {code}\n")
        world.approve(tanaka, number, f"承認 2,3\n> {code}\n", charset="iso-2022-jp", encoding="7bit")
        serial = world.serial_of(number, 3)
        proves(world.evidence(serial), "approval-2: tanaka", "'APPROVE 1-3 EXCEPT 1 FAULTLESS-ONLY'",
               "approved by: suzuki tanaka", "two sha256")  # fmt: skip


def test_a_mail_with_line_feeds_alone_and_one_with_many_names_are_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    names = "dNSName=www.example.ac.jp, dNSName=Web.example.ac.jp"
    number = world.apply(rsa_line("TEST1.example.ac.jp", c13=names))
    part = entity(f"承認\n\n> {world.code(number)}\n")
    assert world.receive(signed_mail(suzuki, part, newline=b"\n")) is Filed.DONE
    proves(world.evidence(world.serial_of(number)), "DNS:www.example.ac.jp DNS:web.example.ac.jp")


def test_a_file_that_an_officer_uploaded_and_approved_is_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    part = entity("申請承認 発行\n", files=tsv(line()))
    assert world.receive(signed_mail(suzuki, part)) is Filed.DONE
    proves(
        world.evidence(world.serial_of(world.newest().number)), "'APPLY AND APPROVE ISSUE' over the TSV file"
    )


def test_a_renewal_is_proven(world: EvidenceWorld, suzuki: OpenPGPSigner) -> None:
    first = world.apply()
    world.approve(suzuki, first)
    old = world.serial_of(first)
    number = world.apply(line(c4=old), subject="サーバ証明書 更新申請")
    world.approve(suzuki, number)
    proves(world.evidence(world.serial_of(number)), "approved by: suzuki")


def test_a_batch_that_was_approved_in_one_line_is_proven(world: EvidenceWorld, suzuki: OpenPGPSigner) -> None:
    numbers = [world.apply(), world.apply(line("test2.example.ac.jp"), line("test3.example.ac.jp"))]
    code = world.batch(numbers)
    part = entity(f"承認 1,3\n\n> {code}\n")
    assert world.receive(signed_mail(suzuki, part)) is Filed.DONE
    proves(world.evidence(world.serial_of(numbers[1], 2)), "of a batch that holds this sheet, row 3")


def test_the_key_stays_as_it_was_when_it_expires_or_leaves(
    tmp_path: Path, suzuki: OpenPGPSigner, need: Callable[[str], str]
) -> None:
    """The certificate outlives the officer's key by years: the evidence is of the time of the decision."""
    with keys.gpg_home() as home:
        begin = f"{utc_now() - timedelta(days=1):%Y%m%dT%H%M%S}"
        seconds = 86400 + 25
        pin = keys.make_key(home, "tanaka", "tanaka@example.ac.jp", expires=f"seconds={seconds}", at=begin)
        tanaka = OpenPGPSigner("tanaka", "tanaka@example.ac.jp", home, pin)
        with open_world(tmp_path / "w", tanaka, suzuki) as world:
            number = world.apply()
            world.approve(tanaka, number)
            register = tmp_path / "w" / "register" / "testkikan.toml"
            register.write_text(register.read_text().replace("テスト機関", "新しい名前"))
            (tmp_path / "w" / "register" / "tanaka.asc").write_bytes(b"")
            folder = world.evidence(world.serial_of(number))
            proves(folder, pin)
            later = tmp_path / "later"
            later.mkdir()
            for tool in TOOLS:
                (later / tool).symlink_to(str(shutil.which(tool)))
            (later / "gpg").unlink()
            (later / "gpg").write_text(
                f'#!/bin/sh\nexec {shutil.which("gpg")} --faked-system-time 20980101T000000 "$@"\n'
            )
            (later / "gpg").chmod(0o755)
            assert verify(folder, path=later).returncode == 0
            script = (folder / "verify.sh").read_bytes()
            forge(folder, {"verify.sh": script.replace(b'--faked-system-time "$then!"', b"")})
            assert "is not one good signature" in verify(folder, path=later).stdout


REASONS = {"0": "unspecified", "3": "Affiliation Changed", "5": "Cessation Of Operation"}


def test_revocations_are_proven_with_their_reasons(
    world: EvidenceWorld, suzuki: OpenPGPSigner, tanaka: OpenPGPSigner
) -> None:
    """Also of several in one list; the certificate beside them has none."""
    names = [f"test{n}.example.ac.jp" for n in range(1, 5)]
    number = world.apply(*(rsa_line(name) for name in names))
    world.approve(suzuki, number)
    serials = [world.serial_of(number, seq) for seq in range(1, 5)]
    rows = [revoke_line(int(s), n, c5=r) for s, n, r in zip(serials, names, REASONS, strict=False)]
    asked = world.apply(*rows, subject="サーバ証明書 失効申請")
    world.approve(tanaka, asked, f"失効承認\n> {world.code(asked)}\n")
    world.revoke()
    for seq, (serial, reason) in enumerate(zip(serials, REASONS, strict=False), 1):
        words = (f"{utc_now():%Y} GMT, asked for in {asked} row {seq}, approved by: tanaka", REASONS[reason])
        folder = world.evidence(serial, f"row-{seq}")
        proves(folder, "approved by: suzuki", "It was REVOKED on ", "この証明書は失効して", *words)
    other = world.evidence(serials[3])
    assert not (other / "revocation").exists()
    assert "REVOKED" not in verify(other).stdout


def test_a_revocation_in_a_batch_and_by_the_file_of_a_renewal_are_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    numbers = [world.apply(), world.apply(rsa_line("test2.example.ac.jp"))]
    for number in numbers:
        world.approve(suzuki, number)
    serials = [world.serial_of(number) for number in numbers]
    code = world.batch([world.ask_revocation(serials[0])])
    assert world.receive(signed_mail(suzuki, entity(f"失効承認 1\n\n> {code}\n"))) is Filed.DONE
    returned = revocation_tsv(
        "CN=test2.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP", int(serials[1]), APPLICANT
    )
    with writing(world.judge.engine) as session:
        old = session.query(Certificate).filter(Certificate.serial == serials[1]).one()
        returned_tsvs.offer(session, returned, old, numbers[1])
    assert world.receive(signed_mail(suzuki, entity("お願いします。\n", files=returned))) is Filed.DONE
    world.revoke()
    proves(world.evidence(serials[0]), "of a batch that holds this sheet, row 1", "証明書の更新(取替)")
    proves(world.evidence(serials[1], "second"), "signed the revocation TSV of a renewal", "その他")


def test_a_revocation_that_an_officer_uploaded_and_approved_is_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    number = world.apply()
    world.approve(suzuki, number)
    serial = world.serial_of(number)
    part = entity("申請承認 失効\n", files=tsv(revoke_line(int(serial))))
    assert world.receive(signed_mail(suzuki, part)) is Filed.DONE
    world.revoke()
    proves(world.evidence(serial), "'APPLY AND APPROVE REVOKE' over the TSV file", "REVOKED")


@pytest.mark.parametrize(
    ("charset", "encoding", "newline"),
    [
        ("utf-8", "base64", b"\r\n"),
        ("utf-8", "8bit", b"\n"),
        ("utf-8", "quoted-printable", b"\r\n"),
        ("iso-2022-jp", "7bit", b"\r\n"),
    ],
)
def test_an_inline_approval_is_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner, charset: str, encoding: str, newline: bytes
) -> None:
    number = world.apply()
    text = f"承認します\n\n- 鈴木  \n-----\n> コード: {world.code(number)}\n\n"
    around = b"" if encoding == "base64" else b"\r\n\r\n"
    raw = (inline_mail(suzuki, text, charset, encoding) + around).replace(b"\r\n", newline)
    assert world.receive(raw) is Filed.DONE
    folder = world.evidence(world.serial_of(number))
    assert "approval-1=openpgp inline" in (folder / "facts.txt").read_text()
    proves(folder, suzuki.pin, "signed 'APPROVE'")


def test_a_missing_program_is_told(world: EvidenceWorld, suzuki: OpenPGPSigner) -> None:
    number = world.apply()
    world.approve(suzuki, number)
    folder = world.evidence(world.serial_of(number))
    for tool in TOOLS:
        done = verify(folder, tuple(one for one in TOOLS if one != tool))
        assert done.returncode == 1, tool
        assert f"the program {tool} is missing" in done.stdout


def test_AP5_register_and_key_files_are_kept_as_they_were_at_each_load(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    place = world.directory / "register"
    before = (place / "testkikan.toml").read_bytes(), (place / "suzuki.asc").read_bytes()
    (place / "testkikan.toml").write_bytes(before[0].replace("テスト機関".encode(), b"other"))
    assert world.judge.authority.reload()
    world.note()
    after = (place / "testkikan.toml").read_bytes()
    with reading(world.judge.engine) as session:
        entries = [json.loads(e.facts) for e in journal.entries(session) if e.event == "register"]
        assert [e["institutions"]["testkikan"] for e in entries] == [digest(before[0]), digest(after)]
        assert [inbox.blob(session, e["institutions"]["testkikan"]) for e in entries] == [before[0], after]
        assert inbox.blob(session, entries[0]["keys"]["suzuki.asc"]) == before[1] == suzuki.key_file[1]
        assert set(entries[0]["keys"]) == {"suzuki.asc", "tanaka.asc"}


def test_a_register_file_that_was_edited_since_it_was_taken_is_not_kept_as_it(world: EvidenceWorld) -> None:
    (world.directory / "register" / "testkikan.toml").write_bytes(b"half edited")
    world.note()
    with reading(world.judge.engine) as session, pytest.raises(KeyError):
        inbox.blob(session, digest(b"half edited"))


def _change_the_policy(world: EvidenceWorld) -> None:
    (path,) = world.judge.config.register_dir.glob("*.toml")
    path.write_text(path.read_text() + '\n[[policies]]\nname = "other"\nself_approval = true\n')
    assert world.judge.authority.reload()
    world.judge.authority.note(world.judge.engine, utc_now())
    with writing(world.judge.engine) as session:
        refreeze_changed(world.judge.context(session))


def test_AP5_an_approval_of_a_sheet_that_was_frozen_anew_is_proven(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    number = world.apply()
    _change_the_policy(world)
    world.approve(suzuki, number)
    proves(world.evidence(world.serial_of(number)))


def test_AP5_a_certificate_stays_proven_when_the_other_rows_are_frozen_anew(
    world: EvidenceWorld, suzuki: OpenPGPSigner
) -> None:
    number = world.apply(line(), line("test2.example.ac.jp"))
    world.approve(suzuki, number, f"承認 1\n\n> コード: {world.code(number)}\n")
    serial = world.serial_of(number)
    _change_the_policy(world)
    proves(world.evidence(serial))
