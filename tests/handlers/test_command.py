"""What an officer may ask for: answered once, to that officer, about their own institution, and signed only."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from handlers.download import Gone, look
from handlers.download_file import DeliveredFile, WaitingFile, download_file, look_at_file
from handlers.handled import Handled
from handlers.incoming import Attachment, IncomingMail
from handlers.letters.applicant import ApplicantDownload
from handlers.letters.lookup import (
    OfficerAllowlist,
    OfficerInventory,
    OfficerResent,
    OfficerStatistics,
    OfficerStatus,
    OfficerTimestamp,
    Standing,
)
from handlers.letters.officer import OfficerApprovalRequest
from handlers.listing import MOST_ATTACHED, inventory_lines, list_inventory
from handlers.officer_answer import Officered
from handlers.rules.reasons import Reason
from handlers.rules.register import Domain, Register
from store import inventory
from store.states import EntryState, Filed, Kind
from store.tables import Application, Certificate, Entry, JournalEntry
from store.transaction import writing
from tests.applications import (
    APPLICANT,
    NOW,
    TANAKA,
    TESTKIKAN,
    DeskWorld,
    a_mail,
    an_officer,
    letters,
    open_world,
    signed,
    tsv,
    tsv_line,
)
from tests.issued import a_certificate

KATO = "9" * 40
SERIAL = 19116492781600959621911649278
OTHER = TESTKIKAN.model_copy(
    update={
        "id": "other",
        "name": "よその機関",
        "organization": "other",
        "domains": (Domain(name="example.jp", vetted_until="2030-03-31"),),
        "applicant_domains": ("example.jp",),
        "officers": (
            an_officer("kato", KATO).model_copy(
                update={"addresses": ("kato@example.jp",), "notify": "kato@example.jp"}
            ),
        ),
    }
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DeskWorld]:
    opened = open_world(tmp_path, TESTKIKAN, OTHER)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def number(world: DeskWorld) -> str:
    """Two rows under review."""
    return world.take(tsv_line(), tsv_line("test2.example.ac.jp"))


def issue(world: DeskWorld, number: str, seq: int = 1, serial: int = SERIAL) -> None:
    """The row as it stands after the CA signed for it."""
    with writing(world.engine) as session:
        entry = session.scalars(select(Entry).where(Entry.number == number, Entry.seq == seq)).one()
        entry.state = EntryState.ISSUED
        certificate = Certificate(
            entry_id=entry.id,
            institution=entry.application.institution,
            issuer="1" * 64,
            serial=str(serial),
            not_before=world.now,
            not_after=world.now + timedelta(days=396),
            der=a_certificate(entry.fqdn, serial),
            issued_at=world.now,
        )
        session.add(certificate)


@pytest.fixture
def issued(world: DeskWorld, number: str) -> str:
    """Row 1 waits for its download, row 2 was declined."""
    assert world.decide("却下 2: 不要です", number).reason is Reason.DECLINED
    assert world.decide("承認 1", number).reason is Reason.APPROVED
    issue(world, number)
    return number


def from_other(text: str) -> IncomingMail:
    """Signed by an officer of the other institution."""
    mail = signed(text, "kato", KATO, sender="kato@example.jp")
    assert mail.signature
    return replace(mail, signature=replace(mail.signature, institution="other"))


def only_letter(handled: Handled) -> object:
    (notice,) = handled.notices
    assert notice.to == "suzuki@example.ac.jp"
    return notice.letter


def file_of(handled: Handled) -> list[list[str]]:
    (attachment,) = handled.notices[0].attachments
    return [line.split("\t") for line in attachment.data.decode("cp932").split("\r\n")[:-1]]


def test_the_inventory_holds_every_row_of_the_institution(world: DeskWorld, issued: str) -> None:
    handled = world.receive(signed("一覧"))
    assert (handled.kind, handled.reason, handled.filed) == ("command", Reason.ANSWERED, Filed.DONE)
    assert only_letter(handled) == OfficerInventory("Suzuki", "serverAll.tsv", 2, None, None)
    header, first, second = file_of(handled)
    assert len(header) == len(first) == len(second) == 36
    assert (first[0], first[9], first[11], first[23]) == (issued, "suzuki", "4", str(SERIAL))
    assert first[7].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert (second[11], second[35]) == ("9", "却下")


def test_the_inventory_of_a_renewed_and_revoked_certificate(world: DeskWorld, issued: str) -> None:
    with writing(world.engine) as session:
        old = session.scalars(select(Certificate)).one()
        entry = session.scalars(select(Entry).where(Entry.number == issued, Entry.seq == 2)).one()
        newer = a_certificate(entry.fqdn, 5)
        session.add(
            Certificate(
                entry_id=entry.id,
                issuer="1" * 64,
                serial="5",
                not_before=NOW,
                not_after=NOW + timedelta(days=9),
                der=newer,
                issued_at=NOW,
                replaces_id=old.id,
            )
        )
    assert file_of(world.receive(signed("一覧")))[1][11] == "6"
    with writing(world.engine) as session:
        session.scalars(select(Certificate).where(Certificate.serial == str(SERIAL))).one().revoked_at = NOW
    assert file_of(world.receive(signed("一覧")))[1][11] == "7"


def test_an_inventory_too_large_for_a_mail_waits_whole_behind_a_url_for_seven_days(
    world: DeskWorld, issued: str
) -> None:
    mail = signed("一覧")
    assert mail.signature
    with writing(world.engine) as session:
        ctx = world.context(session)
        who = Officered.of(mail, mail.signature, ctx)
        whole, (file,) = list_inventory(who, MOST_ATTACHED)
        fits, attached = list_inventory(who, len(file.data))
        letter, nothing = list_inventory(who, len(file.data) - 1)
        assert (whole.url, fits, attached, nothing) == (None, whole, (file,), ())
        assert letter.count == 2
        assert letter.expires_at == world.now + timedelta(days=7)
        assert letter.url is not None
        place, _, token = letter.url.rpartition("/")
        assert place == f"{ctx.desk.public_url}/f"
        waiting = look_at_file(ctx, token)
        assert waiting == WaitingFile("serverAll.tsv", 2, letter.expires_at, used=False)
        assert download_file(ctx, token) == DeliveredFile("serverAll.tsv", "testkikan")
        assert b"".join(inventory_lines(ctx, "testkikan")) == file.data


def test_a_long_inventory_is_made_no_further_than_a_mail_could_hold(
    world: DeskWorld, issued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has ten thousand of them does not hold up everybody's mails with one word."""
    rows: list[object] = []
    stream = inventory.stream_rows
    monkeypatch.setattr(
        inventory, "stream_rows", lambda *given: map(lambda r: rows.append(r) or r, stream(*given))
    )
    mail = signed("一覧")
    assert mail.signature
    with writing(world.engine) as session:
        letter, _ = list_inventory(Officered.of(mail, mail.signature, world.context(session)), 1000)
    assert (letter.count, len(rows)) == (2, 1)


def test_statistics_come_as_text_and_as_a_file(world: DeskWorld, issued: str) -> None:
    handled = world.receive(signed("統計"))
    letter = only_letter(handled)
    assert isinstance(letter, OfficerStatistics)
    assert [(x.profile_id, x.issued, x.valid) for x in letter.lines] == [(11, 1, 1), (11, 1, 1)]
    assert file_of(handled)[1:] == [
        ["11", "2026/11", "1", "0", "0", "1"],
        ["11", "合計", "1", "0", "0", "1"],
    ]


def test_the_allow_list_comes_from_the_register(world: DeskWorld) -> None:
    handled = world.receive(signed("許可リスト"))
    letter = only_letter(handled)
    assert isinstance(letter, OfficerAllowlist)
    assert [(d.name, d.is_usable) for d in letter.domains] == [("example.ac.jp", True)]
    assert file_of(handled)[1:] == [["testkikan", "example.ac.jp", "", "", "有効"]]


def status(handled: Handled) -> OfficerStatus:
    letter = only_letter(handled)
    assert isinstance(letter, OfficerStatus)
    return letter


def test_the_status_of_an_application_tells_rows_decisions_and_deadline(
    world: DeskWorld, number: str
) -> None:
    world.decide("却下 2: 不要です", number)
    (found,) = status(world.receive(signed(f"状況 {number.lower()}"))).applications
    assert (found.number, str(found.deadline)) == (number, "2026-12-08")
    assert [(row.seq, row.fqdn, row.state) for row in found.entries] == [
        (1, "test1.example.ac.jp", "waiting"),
        (2, "test2.example.ac.jp", "declined"),
    ]
    (decision,) = found.decisions
    assert (decision.officer, decision.verb, decision.seqs, decision.comment) == (
        "suzuki",
        "decline",
        (2,),
        "不要です",
    )


def test_the_status_of_a_serial_brings_certificate_and_csr(world: DeskWorld, issued: str) -> None:
    handled = world.receive(signed(f"STATUS {SERIAL}"))
    (found,) = status(handled).certificates
    assert (found.serial, found.number, found.seq, found.contact_mail) == (SERIAL, issued, 1, APPLICANT)
    assert found.standing is Standing.VALID
    certificate, csr = handled.notices[0].attachments
    assert [certificate.name, csr.name] == ["test1.example.ac.jp.pem", "test1.example.ac.jp.csr"]
    assert x509.load_pem_x509_certificate(certificate.data).serial_number == SERIAL
    assert x509.load_pem_x509_csr(csr.data).is_signature_valid


def test_a_certificate_that_ended_is_shown_as_ended(world: DeskWorld, issued: str) -> None:
    world.now += timedelta(days=397)
    assert status(world.receive(signed(f"状況 {SERIAL}"))).certificates[0].standing is Standing.EXPIRED


def test_the_status_of_a_name_tells_its_applications_and_certificates(world: DeskWorld, issued: str) -> None:
    letter = status(world.receive(signed("状況 Test1.Example.ac.jp")))
    assert [a.number for a in letter.applications] == [issued]
    assert [c.serial for c in letter.certificates] == [SERIAL]
    assert letter.applications[0].entries[0].serial == SERIAL


def test_status_alone_tells_everything_that_is_open(world: DeskWorld, issued: str) -> None:
    second = world.take(tsv_line("test3.example.ac.jp"))
    done = world.take(tsv_line("test4.example.ac.jp"))
    world.decide("却下: 不要です", done)
    assert [a.number for a in status(world.receive(signed("状況"))).applications] == [issued, second]


@pytest.mark.parametrize(
    "about", ["A-20261124-0099", "4711", "nobody.example.ac.jp", "%", "_", "a'b", "0" * 33]
)
def test_what_nobody_knows_is_not_found(world: DeskWorld, issued: str, about: str) -> None:
    handled = world.receive(signed(f"状況 {about}"))
    assert (handled.kind, handled.reason, handled.filed) == ("command", Reason.NOT_FOUND, Filed.REFUSED)
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]


@pytest.mark.parametrize(
    "text", ["状況 {number}", f"状況 {SERIAL}", "状況 test1.example.ac.jp", "再送 {number}"]
)
def test_OWN1_another_institution_s_data_is_never_shown(world: DeskWorld, issued: str, text: str) -> None:
    handled = world.receive(from_other(text.replace("{number}", issued)))
    assert handled.reason is Reason.NOT_FOUND
    (notice,) = handled.notices
    assert (notice.to, notice.letter.template) == ("kato@example.jp", "officer.answer")
    assert (handled.number, notice.number, notice.attachments) == (None, None, ())


def test_OWN1_lists_hold_nothing_of_another_institution(world: DeskWorld, issued: str) -> None:
    assert len(file_of(world.receive(from_other("一覧")))) == 1
    assert len(file_of(world.receive(from_other("統計")))) == 1
    (open_ones,) = world.receive(from_other("状況")).notices
    assert isinstance(open_ones.letter, OfficerStatus)
    assert open_ones.letter.applications == ()
    assert [line[1] for line in file_of(world.receive(from_other("許可リスト")))[1:]] == ["example.jp"]


def test_an_undecided_request_is_sent_again_to_the_one_who_asked(world: DeskWorld, number: str) -> None:
    handled = world.receive(signed(f"再送 {number}", "tanaka", TANAKA))
    assert (handled.reason, handled.number) == (Reason.RESENT, number)
    (notice,) = handled.notices
    assert notice.to == "tanaka@example.ac.jp"
    assert isinstance(notice.letter, OfficerApprovalRequest)
    assert notice.letter.code == world.code(number)
    assert [a.name for a in notice.attachments] == ["shinsei.tsv", f"{number}.sheet"]
    assert world.states(number) == ["waiting", "waiting"]


def test_a_fresh_url_goes_to_the_contact_and_the_old_one_ends(world: DeskWorld, issued: str) -> None:
    first = world.receive(signed(f"再送 {issued}"))
    assert (first.reason, first.filed, first.number) == (Reason.RESENT, Filed.DONE, issued)
    assert letters(first) == [
        ("suzuki@example.ac.jp", "officer.resent"),
        (APPLICANT, "applicant.download"),
    ]
    assert isinstance(first.notices[0].letter, OfficerResent)
    world.now += timedelta(minutes=5)
    second = world.receive(signed(f"再送 {issued}"))
    old, new = (token_of(handled) for handled in (first, second))
    assert old not in str(first.notices[0].letter)
    with writing(world.engine) as session:
        ctx = world.context(session)
        assert isinstance(look(ctx, old), Gone)
        assert not isinstance(look(ctx, new), Gone)
        events = session.scalars(select(JournalEntry.facts).where(JournalEntry.event == "resent")).all()
    assert len(events) == 2
    assert f'"number":"{issued}"' in events[0]


def token_of(handled: Handled) -> str:
    letter = handled.notices[1].letter
    assert isinstance(letter, ApplicantDownload)
    return letter.downloads[0].url.rpartition("/")[2]


def test_AP1_a_replayed_request_sends_no_second_url(world: DeskWorld, issued: str) -> None:
    mail = signed(f"再送 {issued}")
    token = token_of(world.receive(mail))
    world.now += timedelta(days=1)
    again = replace(mail, key=replace(mail.key, uid=999_999), raw=mail.raw + b" resent", raw_sha256="0" * 64)
    handled = world.receive(again)
    assert handled.reason is Reason.REPEATED
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]
    with writing(world.engine) as session:
        assert not isinstance(look(world.context(session), token), Gone)


@pytest.mark.parametrize(
    "change",
    [
        {"state": EntryState.DOWNLOADED},
        {"revoked_at": NOW},
        {"not_after": NOW - timedelta(seconds=1)},
    ],
    ids=["fetched", "revoked", "expired"],
)
def test_nothing_is_sent_again_for_a_certificate_nobody_may_fetch(
    world: DeskWorld,
    issued: str,
    change: dict,  # type: ignore[type-arg]
) -> None:
    with writing(world.engine) as session:
        certificate = session.scalars(select(Certificate)).one()
        for name, value in change.items():
            setattr(certificate.entry if name == "state" else certificate, name, value)
    handled = world.receive(signed(f"再送 {issued}"))
    assert handled.reason is Reason.NOTHING_TO_RESEND
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]


def test_the_timestamp_url_is_the_configured_one(world: DeskWorld) -> None:
    assert only_letter(world.receive(signed("タイムスタンプ"))) == OfficerTimestamp("Suzuki", None)
    world.desk = replace(world.desk, timestamp_url="http://timestamp.example.jp/tsa")
    letter = only_letter(world.receive(signed("TIMESTAMP")))
    assert letter == OfficerTimestamp("Suzuki", "http://timestamp.example.jp/tsa")


def test_help_is_sent_to_who_asks(world: DeskWorld) -> None:
    assert letters(world.receive(signed("ヘルプ"))) == [("suzuki@example.ac.jp", "officer.help")]


def test_AP3_a_command_beside_a_decision_stops_both(world: DeskWorld, number: str) -> None:
    handled = world.decide("承認\n一覧", number)
    assert (handled.kind, handled.reason) == ("command", Reason.TWO_COMMANDS)
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]
    assert world.states(number) == ["waiting", "waiting"]


def test_AP3_of_two_commands_none_is_carried_out(world: DeskWorld, issued: str) -> None:
    handled = world.receive(signed(f"再送 {issued}\n一覧"))
    assert handled.reason is Reason.TWO_COMMANDS
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]


@pytest.mark.parametrize("line", ["一覧", "一覧\n申請 発行", "一覧\n申請承認 発行"])
def test_AP3_a_command_in_a_mail_with_a_signed_tsv_stops_both(world: DeskWorld, line: str) -> None:
    mail = signed(line)
    assert mail.signature
    file = Attachment("shinsei.tsv", "text/tab-separated-values", tsv(tsv_line()))
    content = replace(mail.signature.content, attachments=(file,))
    mail = replace(mail, attachments=(file,), signature=replace(mail.signature, content=content))
    handled = world.receive(mail)
    assert (handled.kind, handled.reason, handled.number) == ("command", Reason.TWO_COMMANDS, None)
    with writing(world.engine) as session:
        assert session.scalars(select(Application)).all() == []


def test_a_reply_to_a_request_may_ask_about_it(world: DeskWorld, number: str) -> None:
    handled = world.decide(f"状況 {number}", number)
    assert [a.number for a in status(handled).applications] == [number]
    assert world.states(number) == ["waiting", "waiting"]


@pytest.mark.parametrize("quote", ["> 再送 {number}", "──── Ringi {number} ────\n再送 {number}\n一覧"])
def test_AP2_a_quoted_command_is_not_carried_out(world: DeskWorld, issued: str, quote: str) -> None:
    handled = world.receive(signed(f"ありがとうございます。\n{quote.replace('{number}', issued)}"))
    assert handled.reason is Reason.NO_DECISION
    assert letters(handled) == [("suzuki@example.ac.jp", "officer.answer")]


@pytest.mark.parametrize("text", ["一覧", "状況 {number}", "再送 {number}"])
@pytest.mark.parametrize("fault", [None, Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY])
def test_SM6_an_unsigned_or_badly_signed_command_is_never_carried_out(
    world: DeskWorld, issued: str, text: str, fault: Reason | None
) -> None:
    mail = a_mail(sender="suzuki@example.ac.jp", text=text.replace("{number}", issued), subject="一覧")
    handled = world.receive(replace(mail, signature_fault=fault))
    assert handled.kind != "command"
    templates = {template for _, template in letters(handled)}
    assert templates <= {"applicant.help", "officer.answer", "officer.help"}
    assert all(not notice.attachments for notice in handled.notices)


def test_rows_are_streamed_with_what_belongs_to_them(world: DeskWorld, issued: str) -> None:
    with writing(world.engine) as session:
        rows = [
            (found.entry.seq, found.officers, found.certificate is not None, found.revocation)
            for found in inventory.stream_rows(session, "testkikan")
        ]
    assert rows == [(1, "suzuki", True, None), (2, "", False, None)]


def test_a_revocation_stands_in_the_row_of_the_certificate_it_names(world: DeskWorld, issued: str) -> None:
    with writing(world.engine) as session:
        first = session.get_one(Application, issued)
        asked = {c.name: getattr(first, c.name) for c in Application.__table__.columns}
        asked |= {"number": "A-20261124-0050", "kind": Kind.REVOKE, "code": "d" * 32}
        session.add(Application(**asked))
        row = {c.name: getattr(first.entries[0], c.name) for c in Entry.__table__.columns if c.name != "id"}
        row |= {"number": "A-20261124-0050", "old_serial": str(SERIAL), "csr": None, "profile_id": None}
        row |= {"reason": 4, "comment": "取替", "public_key_sha256": None}
        session.add(Entry(**(row | {"state": EntryState.WAITING})))
        session.add(Entry(**(row | {"state": EntryState.DECLINED, "seq": 2, "comment": "却下された"})))
    rows = file_of(world.receive(signed("一覧")))[1:]
    assert [row[29:34] for row in rows] == [
        ["A-20261124-0050", "2026/11/24 10:00:00", "4", "取替", ""],
        [""] * 5,
    ]


def test_the_register_of_the_test_has_two_institutions(world: DeskWorld) -> None:
    """Otherwise the tests of another institution would prove nothing."""
    assert isinstance(world.register, Register)
    assert set(world.register.institutions) == {"testkikan", "other"}
