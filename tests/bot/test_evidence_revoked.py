"""The evidence of a revocation against forgers: another row, another list, other words, another order, none."""

from collections.abc import Callable, Iterator, Mapping

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bot.wiring import utc_now
from handlers.frozen import digest
from handlers.rules.order import Revoked
from handlers.rules.revocation_tsv import revocation_tsv
from tests.evidence_world import (
    APPLICANT,
    application_mail,
    entity,
    inline_mail,
    make_test_ca,
    signed_mail,
)
from tests.forger import Forger, open_forger

FIRST, SHEET = "revocation/approval-1", "revocation/application.sheet"


@pytest.fixture(scope="module")
def forger(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Iterator[Forger]:
    need("gpg")
    need("openssl")
    with open_forger(tmp_path_factory.mktemp("forger")) as opened:
        yield opened


def serial_of(forger: Forger) -> int:
    facts = forger.file("facts.txt").decode().split()
    return int(next(fact for fact in facts if fact.startswith("serial="))[7:])


def with_row(forger: Forger, row: bytes) -> dict[str, bytes]:
    """The revocation's row is another, in its file, its mail and its sheet."""
    old = forger.file("revocation/row.tsv")
    file = forger.file("revocation/application.tsv")
    new_file = file.replace(old, row)
    sheet = forger.file("revocation/application.sheet")
    for before, after in ((old, row), (file, new_file)):
        sheet = sheet.replace(digest(before).encode(), digest(after).encode())
    return {
        "revocation/row.tsv": row,
        "revocation/application.tsv": new_file,
        "revocation/application.eml": application_mail(new_file, "base64", "x"),
        "revocation/application.sheet": sheet,
    }


def says(forger: Forger, files: Mapping[str, bytes], more: Mapping[str, str] | None = None) -> str:
    """With a journal that agrees."""
    return forger.says(dict(files), forger.digests(dict(files)) | dict(more or {}))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (4, b"9223372036854775809", "of another certificate"),
        (1, b"CN=other.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP", "of another name"),
        (5, b"5", "gives another reason than the row"),
        (5, b"0", "gives another reason than the row"),
        (5, b"9", "a reason that does not exist"),
    ],
)
def test_a_revocation_of_something_else_is_found(
    forger: Forger, column: int, value: bytes, words: str
) -> None:
    cells = forger.file("revocation/row.tsv").split(b"\t")
    cells[column - 1] = value
    assert words in says(forger, with_row(forger, b"\t".join(cells)))


def test_a_row_or_an_application_beside_the_sheet_is_found(forger: Forger) -> None:
    files = with_row(forger, forger.file("revocation/row.tsv").replace(b"\t1\t", b"\t4\t", 1))
    del files["revocation/application.sheet"]
    assert "the TSV file is not the one that the sheet names" in says(forger, files)
    mail = {"revocation/application.eml": b"X: 1\r\n" + forger.file("revocation/application.eml")}
    assert "this application was taken" in forger.says(mail)
    names = (
        "application.sheet",
        "application.tsv",
        "row.tsv",
        "facts.txt",
        "application.eml",
        "register.toml",
    )
    issuing = {f"revocation/{name}": forger.file(name) for name in names}
    assert "the sheet is of the kind issue" in forger.says(issuing)


def test_another_list_is_found(forger: Forger) -> None:
    serial, now, ca = serial_of(forger), utc_now(), forger.world.ca
    good = Revoked(serial, now, 1)
    other = make_test_ca(now)

    def with_list(der: bytes) -> str:
        return says(forger, {"revocation/crl.der": der})

    assert "no entry says that this revocation list" in forger.says(
        {"revocation/crl.der": ca.list([good], 2, now)}
    )
    assert "is not signed by the issuer" in with_list(other.list([good], 1, now))
    assert "does not name the certificate once" in with_list(ca.list([], 1, now))
    assert "does not name the certificate once" in with_list(ca.list([Revoked(serial + 1, now, 1)], 1, now))
    assert "gives another reason" in with_list(ca.list([Revoked(serial, now, 0)], 1, now))
    assert "gives another reason" in with_list(
        ca.list([Revoked(serial + 1, now, 1), Revoked(serial, now, 4)], 1, now)
    )
    assert "is not signed by the issuer" in with_list(b"rubbish")
    assert "is not signed by the issuer" in with_list(other.certificate.public_bytes(Encoding.DER))


def test_a_list_among_many_is_read_for_this_serial_only(forger: Forger) -> None:
    """The neighbours' reasons and dates are theirs."""
    serial, now = serial_of(forger), utc_now()
    many = [Revoked(serial - 1, now, 4), Revoked(serial, now, 0), Revoked(serial + 1, now, 1)]
    assert "gives another reason" in says(forger, {"revocation/crl.der": forger.world.ca.list(many, 1, now)})


def test_a_journal_that_tells_another_revocation_is_found(forger: Forger) -> None:
    facts = '"reason":1,"seq":1,'
    assert facts in forger.file("journal.tsv").decode()
    assert "this certificate was revoked" in forger.says({}, {facts: '"reason":4,"seq":1,'})
    listed = {digest(forger.file("revocation/crl.der")): "0" * 64}
    assert "this revocation list was signed" in forger.says({}, listed)
    number = forger.file("revocation/facts.txt").replace(b"crl=1\n", b"crl=2\n")
    assert "this certificate was revoked" in forger.says({"revocation/facts.txt": number})
    changed = forger.file("journal.tsv").replace(b'"reason":1,"seq":1,', b'"reason":4,"seq":1,')
    assert "of the journal path was changed" in forger.says({"journal.tsv": changed})


@pytest.mark.parametrize(("one", "other"), [("crl", "revoked"), ("issued", "revoked")])
def test_another_order_of_the_steps_is_found(forger: Forger, one: str, other: str) -> None:
    path = forger.reordered(one, other)
    assert "do not stand in their order" in forger.says({"journal.tsv": path})


def test_a_sheet_from_before_the_path_is_found(forger: Forger) -> None:
    sheet = forger.file("revocation/application.sheet")
    head = next(line for line in sheet.decode().splitlines() if line.startswith("Journal: "))
    files = {"revocation/application.sheet": sheet.replace(head.encode(), b"Journal: " + b"1" * 64)}
    assert "does not hold the head that the sheet of the revocation names" in says(forger, files)


def test_a_revocation_that_is_left_out_is_found(forger: Forger) -> None:
    gone = {
        str(path.relative_to(forger.original)): None for path in (forger.original / "revocation").iterdir()
    }
    assert "the proof of it is missing" in forger.says(dict(gone))
    second = {name: None for name in gone if "approval-2" in name}
    assert "an approval is missing" in forger.says(dict(second))


def test_officers_who_did_not_approve_the_revocation_are_found(forger: Forger) -> None:
    name, text = forger.file("revocation/facts.txt"), forger.file(f"{FIRST}.signed").decode()
    assert b"approval-1=openpgp inline" in name
    code = text.partition("\n")[2]
    cases = {
        f"承認\n{code}": "approves no revocation",
        f"失効承認 2\n{code}": "does not cover row 1",
        f"却下: いいえ\n{code}": "holds no approval",
        f"失効承認\n承認\n{code}": "holds two decisions",
        f"失効承認\n> {forger.code(forger.file('application.sheet'))}\n": "does not hold the one code",
        "お願いします。\n": "holds no approval",
        "申請 失効\n": "holds no approval",
        "申請承認 失効\n": "is not the mail that brought the application",
    }
    for words, fault in cases.items():
        assert fault in forger.with_raw(inline_mail(forger.suzuki, words), FIRST), words


def test_an_inline_approval_that_is_not_what_its_block_signs_is_found(forger: Forger) -> None:
    signed, raw = forger.file(f"{FIRST}.signed"), forger.file(f"{FIRST}.eml")
    assert "is not what its block signs" in says(
        forger, {f"{FIRST}.signed": signed.replace("失効".encode(), b"")}
    )
    words = signed.decode()
    assert "is not good" in forger.with_raw(inline_mail(forger.stranger, words), FIRST)
    block = forger.file(f"{FIRST}.signature")
    changed = {f"{FIRST}.signature": block.replace("失効承認".encode(), "承認".encode())}
    assert "is not that of its mail" in says(forger, changed)
    mail = inline_mail(forger.suzuki, words, encoding="8bit")
    broken = mail.replace("失効承認".encode(), "承認".encode())
    assert "is not good" in forger.with_raw(broken, FIRST)
    assert raw.count(b"BEGIN PGP") == 0


def test_a_file_of_a_renewal_that_nobody_made_for_this_is_found(forger: Forger) -> None:
    """Signed without a word it counts only in the form in which it goes out."""
    serial = serial_of(forger)
    dn = "CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
    sent = revocation_tsv(dn, serial, APPLICANT)
    for file in (sent.replace(b"\t0\t", b"\t1\t"), sent + sent, sent.replace(b"\t\t\r\n", b"\t\tx\r\n")):
        part = entity("お願いします。\n", files=file)
        raw = signed_mail(forger.suzuki, part)
        cells = file.split(b"\r\n")[0].split(b"\t")
        facts = forger.file("revocation/facts.txt").replace(b"openpgp inline", b"openpgp detached")
        # with_row's mail holds the file too, but here the officer's own brought it
        files = with_row(forger, b"\t".join(cells)) | forger.raw_files(raw, FIRST)
        files["revocation/application.sheet"] = files["revocation/application.sheet"].replace(
            digest(files["revocation/application.tsv"]).encode(), digest(file).encode()
        )
        files |= {"revocation/application.tsv": file, "revocation/application.eml": raw}
        files |= {"revocation/facts.txt": facts}
        reason = int(cells[4])
        files["revocation/crl.der"] = forger.world.ca.list([Revoked(serial, utc_now(), reason)], 1, utc_now())
        codes = {digest(forger.file(SHEET))[:32] + '"': digest(files[SHEET])[:32] + '"'}
        more = {'"reason":1,"seq":1,': f'"reason":{reason},"seq":1,'} | codes
        assert "holds no approval" in says(forger, files, more)


def test_a_file_that_the_mail_did_not_bring_counts_only_in_the_form_of_a_renewal(forger: Forger) -> None:
    """When the applicant reports the replacement, the desk makes the file."""
    dn = "CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
    sent = revocation_tsv(dn, serial_of(forger), APPLICANT).removesuffix(b"\r\n")
    report = application_mail(b"nothing", "base64", "Re: 1")
    for row, is_ours in ((sent, True), (sent.replace(b"\t0\t", b"\t1\t"), False)):
        files = with_row(forger, row) | {"revocation/application.eml": report}
        said = says(forger, files)
        assert ("the application mail does not hold the TSV file" in said) != is_ours
