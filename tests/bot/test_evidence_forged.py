"""The evidence folder against changes: every byte counts, and who makes the sums anew meets a later check."""

import itertools
import random
import re
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.wiring import utc_now
from handlers.frozen import digest
from store.tables import Entry
from store.transaction import reading
from tests.evidence_world import (
    entity,
    files_of,
    line,
    make_test_ca,
    verify,
)
from tests.forger import Forger, open_forger
from tests.smime_people import make_pki

MUTATIONS_A_FILE = 10


@pytest.fixture(scope="module")
def forger(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[Forger]:
    need("gpg")
    need("openssl")
    with open_forger(tmp_path_factory.mktemp("forger")) as opened:
        yield opened


def mutations(files: dict[str, bytes]) -> Iterator[tuple[str, int, int]]:
    """File, position, new byte: the first, the last, the middle and many others, changed in every usual way."""
    chance = random.Random(20261122)
    for name, data in sorted(files.items()):
        many = MUTATIONS_A_FILE * (8 if name == "verify.sh" else 1)
        places = [0, len(data) - 1, len(data) // 2]
        places += [chance.randrange(len(data)) for _ in range(many - len(places))]
        for turn, place in enumerate(places):
            old = data[place]
            ways = (old ^ 0x20, old ^ 1, 0x0A, 0x20, 0, old ^ 0x80, 0x23, 0x22)
            yield name, place, next(way for way in (*ways[turn % len(ways) :], *ways) if way != old)


def test_every_changed_byte_of_every_file_is_found(forger: Forger) -> None:
    folder = forger.copy()
    files = files_of(folder)
    count = 0
    for name, place, byte in mutations(files):
        changed = bytearray(files[name])
        changed[place] = byte
        (folder / name).write_bytes(changed)
        done = verify(folder)
        assert done.returncode != 0, (name, place, byte, done.stdout)
        (folder / name).write_bytes(files[name])
        count += 1
    assert count >= 500
    assert verify(folder).returncode == 0


def test_no_single_byte_disarms_a_function_of_the_script(forger: Forger) -> None:
    """`}&` puts a function's definition into the background: it is not there when it is called."""
    folder, script = forger.copy(), forger.file("verify.sh")
    ends = [match.end() for match in re.finditer(rb"\n\}", script)]
    assert len(ends) > 20
    for place in [*ends, *(end - 2 for end in ends)]:
        (folder / "verify.sh").write_bytes(script[:place] + b"&" + script[place + 1 :])
        assert verify(folder).returncode != 0, place


@pytest.mark.parametrize(
    "name",
    ["more.txt", ".hidden", "..more", "-rf", "a b", "link", "folder", "SHA256SUMS.old", "revocation.old"]
    + [
        "revocation/" + name
        for name in ("more.txt", ".hidden", "..more", "-rf", "a b", "link", "folder", "revocation")
    ],
)
def test_whatever_does_not_belong_there_is_found(forger: Forger, name: str) -> None:
    folder = forger.copy()
    if name.endswith("link"):
        (folder / name).symlink_to("/nonexistent")
    elif name.endswith("folder"):
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(b"x")
    done = verify(folder)
    assert (done.returncode, "NOT PROVEN" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    "name", ["README.txt", "SEAL", "SHA256SUMS", "approval-2.crl-1.der", "row.tsv", "revocation/crl.der"]
)
def test_a_missing_file_is_found(forger: Forger, name: str) -> None:
    folder = forger.copy()
    (folder / name).unlink()
    assert verify(folder).returncode == 1


def test_sums_in_capitals_are_not_the_same_sums(forger: Forger) -> None:
    """sha256sum -c would take them."""
    folder = forger.copy()
    (folder / "SHA256SUMS").write_bytes(forger.file("SHA256SUMS").upper())
    assert verify(folder).returncode == 1


def test_another_request_is_found(forger: Forger) -> None:
    other = forger.world.apply(line("other.example.ac.jp"), line("test4.example.ac.jp"))
    with reading(forger.world.judge.engine) as session:
        entry, second = session.query(Entry).filter(Entry.number == other).order_by(Entry.seq).all()
        csr, row = entry.csr or b"", second.raw_line
    tsv, original = forger.file("application.tsv"), forger.file("row.tsv")
    assert "the CSR is not that of the row" in forger.says({"request.der": csr})
    assert "the row is not the one that the sheet names" in forger.says({"row.tsv": row})
    assert "the row is not the one that the sheet names" in forger.says({"row.tsv": tsv.split(b"\r\n")[1]})
    assert "the TSV file is not the one" in forger.says({"application.tsv": tsv.replace(original, row)})
    mail = forger.file("application.eml").replace(b"base64", b"7bit")
    assert "no entry says that this application was taken" in forger.says(
        {"application.eml": mail}
    ) or "does not hold the TSV" in forger.says({"application.eml": mail})


def test_another_sheet_is_found_though_the_journal_agrees(forger: Forger) -> None:
    sheet = forger.file("application.sheet").replace(b"Nonce: ", b"Nonce: 0")
    files = {"application.sheet": sheet}
    assert "this application was taken" in forger.says(files)
    old, new = digest(forger.file("application.sheet")), digest(sheet)
    assert "does not hold the one code" in forger.says(files, {old: new, old[:32]: new[:32]})
    batch = {"application.sheet": sheet, "approval-1.sheet": forger.file("application.sheet")}
    assert "the batch does not hold this sheet" in forger.says(
        batch, {f'"sheet":"{old}"': f'"sheet":"{new}"'}
    )


def test_another_register_is_found(forger: Forger) -> None:
    pins = forger.file("register.toml").replace(forger.suzuki.pin.encode(), forger.stranger.pin.encode())
    assert "the register is not the one" in forger.says({"register.toml": pins})


def test_a_decision_by_a_key_that_is_not_registered_is_found(forger: Forger) -> None:
    part = forger.file("approval-1.signed")
    files = forger.mail_files(forger.stranger, part) | {"approval-1.key.asc": forger.stranger.key_file[1]}
    pins = {forger.suzuki.pin: forger.stranger.pin}
    assert "is not one good signature by the key" in forger.says(files, forger.digests(files))
    assert "is not pinned for suzuki" in forger.says(files, forger.digests(files) | pins)
    mine = {"approval-1.key.asc": files["approval-1.key.asc"]}
    assert "approval-1.key.asc is not what the journal names" in forger.says(mine)
    assert "is not good" in forger.says(mine, forger.digests(mine))


def test_one_officers_key_is_not_anothers(forger: Forger) -> None:
    """Suzuki's signature told as Tanaka's."""
    assert "is not pinned for tanaka" in forger.says({}, {'"officer":"suzuki"': '"officer":"tanaka"'})


def test_the_words_that_were_signed_must_be_one_approval_of_this_row(forger: Forger) -> None:
    code = f"\n\n> {forger.world.code(forger.world.newest().number)}\n"
    with reading(forger.world.judge.engine) as session:
        number = session.query(Entry.number).order_by(Entry.id).first()
        assert number is not None
        code = f"\n\n> {forger.world.code(number[0])}\n"
    foreign = "\n12345678-12345678-12345678-12345678\n"
    cases = {
        "却下: いいえ" + code: "holds no approval",
        "承認の件ですが" + code: "holds no approval",
        "> 承認" + code: "holds no approval",
        "── Ringi A-1 ──\n承認" + code: "holds no approval",
        "承認\n却下: いいえ" + code: "holds two decisions",
        "承認\n承認します" + code: "holds two decisions",
        "失効承認" + code: "approves a revocation",
        "承認 2" + code: "does not cover row 1",
        "承認 除く 1" + code: "does not cover row 1",
        "承認": "does not hold the one code",
        "承認" + foreign: "does not hold the one code",
        "承認" + code + foreign: "does not hold the one code",
        "申請承認 発行" + code: "is not the mail that brought the application",
        "申請承認 更新" + code: "approves another kind",
        "申請 発行" + code: "holds no approval",
    }
    ways = itertools.cycle((("utf-8", "base64"), ("iso-2022-jp", "7bit")))
    for (text, words), (charset, encoding) in zip(cases.items(), ways, strict=False):
        assert words in forger.with_mail(forger.suzuki, entity(text, charset, encoding)), text
    html = entity("承認" + code).replace(b"text/plain", b"text/html")
    assert "does not begin with a plain text" in forger.with_mail(forger.suzuki, html)


def test_signed_bytes_that_are_not_the_mails_are_found(forger: Forger) -> None:
    changed = {"approval-1.signed": forger.file("approval-1.signed") + b"\r\n"}
    assert "are not those of its mail" in forger.says(changed, forger.digests(changed))
    other = {"approval-2.signature": forger.file("approval-2.signature")[:-1] + b"\0"}
    assert "is not that of its mail" in forger.says(other)
    mail = {
        "approval-2.eml": forger.file("approval-2.eml").replace(
            b"Content-Type: text/plain", b"Content-type: text/plain"
        )
    }
    mail["approval-2.signed"] = forger.file("approval-2.signed").replace(
        b"Content-Type: text", b"Content-type: text"
    )
    assert "the signature of approval-2 is not good" in forger.says(mail, forger.digests(mail))


def test_another_certificate_of_the_officer_or_another_authority_is_found(forger: Forger) -> None:
    issuer = {"approval-2.issuer-2.der": forger.file("approval-2.issuer-1.der")}
    assert "is not what the journal names" in forger.says(issuer)
    pki = make_pki(forger.place / "other")
    files = {"approval-2.issuer-2.der": pki.root.certificate.public_bytes(Encoding.DER)}
    assert "the signature of approval-2 is not good" in forger.says(files, forger.digests(files))


def test_approvals_that_are_left_out_or_told_twice_are_found(forger: Forger) -> None:
    second = {name.name: None for name in forger.original.glob("approval-2.*")}
    assert "an approval is missing" in forger.says(second)
    twice = {
        path.name.replace("approval-1", "approval-2"): path.read_bytes()
        for path in forger.original.glob("approval-1.*")
    }
    twice["facts.txt"] = forger.file("facts.txt").replace(b"approval-2=smime", b"approval-2=openpgp")
    assert "suzuki is counted twice" in forger.says(second | twice)


def test_a_journal_that_was_changed_is_found(forger: Forger) -> None:
    lines = forger.file("journal.tsv").splitlines(keepends=True)
    issued = next(i for i, text in enumerate(lines) if b"\tissued\t" in text)
    changed = forger.file("journal.tsv").replace(b'"verb":"approve"', b'"verb":"decline"', 1)
    assert "of the journal path was changed" in forger.says({"journal.tsv": changed})
    assert "gap or another form" in forger.says({"journal.tsv": b"".join(lines[:3] + lines[4:])})
    assert "does not begin at the head" in forger.says({"journal.tsv": b"".join(lines[1:])})
    assert "no entry says that this certificate was issued" in forger.says(
        {"journal.tsv": b"".join(lines[:issued])}
    )
    assert "do not stand in their order" in forger.says(
        {"journal.tsv": forger.reordered("intended", "issued")}
    )


def test_another_certificate_is_found_though_the_journal_agrees(forger: Forger) -> None:
    with reading(forger.world.judge.engine) as session:
        first, second = session.query(Entry).order_by(Entry.id).limit(2).all()
        session.expunge_all()
    now = utc_now()
    serial = int(next(x for x in forger.file("facts.txt").decode().split() if x.startswith("serial="))[7:])
    ca = forger.world.ca

    def says(der: bytes) -> str:
        files = {"certificate.der": der}
        return forger.says(files, forger.digests(files))

    assert "this certificate was issued" in forger.says({"certificate.der": ca.sign(first, serial, now)})
    assert "does not lead to the issuer" in says(make_test_ca(now).sign(first, serial, now))
    assert "has the serial number" in says(ca.sign(first, serial + 1, now))
    assert "for another key" in says(ca.sign(second, serial, now))
    first.dns_names += "\nmore.example.ac.jp"
    assert "has other host names" in says(ca.sign(first, serial, now))
    first.dns_names, first.subject_dn = "test1.example.ac.jp", first.subject_dn.replace("O=", "OU=x,O=")
    assert "has another subject" in says(ca.sign(first, serial, now))
    assert x509.load_der_x509_certificate(forger.file("certificate.der")).serial_number == serial
    assert "holds more" in says(forger.file("certificate.der") + b"\0")
