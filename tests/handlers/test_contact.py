"""利用管理者情報更新 by a signed mail: all rows or none, and both addresses hear of it."""

from dataclasses import replace
from datetime import timedelta

from handlers.rules.reasons import Reason
from store.tables import Entry
from store.transaction import reading
from tests.applications import APPLICANT, DeskWorld, a_mail, codes, letters, tsv
from tests.handlers.test_kinds import issued
from tests.handlers.test_upload import uploaded

DN = "CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"


def row(serial: int, mail: str = "new@example.ac.jp", dn: str = DN) -> str:
    return "\t".join([dn, "", "", str(serial), "", "", "", "新 担当", "新部署", mail, "", "nginx", ""])


def contact(world: DeskWorld) -> str:
    with reading(world.engine) as session:
        return session.get_one(Entry, 1).contact_mail


def test_an_officer_changes_the_contact_and_both_addresses_are_told(world: DeskWorld) -> None:
    serial = issued(world)
    handled = world.receive(uploaded("利用管理者情報更新\n", tsv(row(serial))))
    assert handled.reason is Reason.ANSWERED
    assert letters(handled) == [
        ("suzuki@example.ac.jp", "officer.contact_changed"),
        ("new@example.ac.jp", "applicant.contact_changed"),
        (APPLICANT, "applicant.contact_changed"),
    ]
    assert contact(world) == "new@example.ac.jp"


def test_AP1_a_copy_of_an_old_change_does_not_bring_the_old_contact_back(world: DeskWorld) -> None:
    serial = issued(world)
    old = uploaded("利用管理者情報更新\n", tsv(row(serial, "left@example.ac.jp")))
    assert world.receive(old).reason is Reason.ANSWERED
    world.receive(uploaded("利用管理者情報更新\n", tsv(row(serial, "new@example.ac.jp"))))
    again = world.receive(replace(old, raw=old.raw + b"again"))
    assert again.reason is Reason.SIGNATURE_REUSED
    assert contact(world) == "new@example.ac.jp"


def test_one_wrong_row_changes_nothing(world: DeskWorld) -> None:
    serial = issued(world)
    handled = world.receive(uploaded("UPDATE CONTACT\n", tsv(row(serial), row(serial + 1))))
    assert handled.reason is Reason.ROW_FAULT
    assert codes(handled.notices[0].letter.rows) == [933]  # type: ignore[union-attr]
    assert contact(world) == APPLICANT


def test_only_the_named_valid_certificate_of_ours(world: DeskWorld) -> None:
    serial = issued(world)
    other = DN.replace("test1", "test2")
    assert (
        world.receive(uploaded("利用管理者情報更新\n", tsv(row(serial, dn=other)))).reason is Reason.ROW_FAULT
    )
    world.now += timedelta(days=900)
    assert world.receive(uploaded("利用管理者情報更新\n", tsv(row(serial)))).reason is Reason.ROW_FAULT
    assert contact(world) == APPLICANT


def test_unsigned_or_quoted_words_change_nothing(world: DeskWorld) -> None:
    serial = issued(world)
    mail = uploaded("> 利用管理者情報更新\n", tsv(row(serial)))
    world.receive(mail)
    world.receive(a_mail(*mail.attachments, subject="利用管理者情報更新", text="利用管理者情報更新"))
    assert contact(world) == APPLICANT
