"""A real Postfix returns a mail that Dovecot does not take; the officers hear of it (threats LP2)."""

from collections.abc import Callable

from sqlalchemy import select

from bot.demo.mailbox import subject_of, text_of
from store.states import OutboxState
from store.tables import Outgoing
from tests.journeys.desk import BOT, DN, Desk
from tests.servers.people import APPLICANT
from tests.servers.postfix import GHOST

pytest_plugins = ("tests.servers.fixtures",)

FQDN = "test1.example.ac.jp"


def test_LP2_a_certificate_that_nobody_received_is_raised_and_reaches_the_corrected_address(
    desk: Desk,
) -> None:
    dn = DN.format(fqdn=FQDN)
    _, csr = desk.applicant.make_request(FQDN, dn)
    row = desk.applicant.tsv(FQDN, dn, csr).replace(APPLICANT.encode(), GHOST.encode())
    with desk.running():
        desk.applicant.apply(row, BOT)
        desk.officer.reply_signed(desk.officer.mailbox.wait_for("承認のお願い"), "承認")
        for officer in (desk.officer, desk.officer2):
            raised = text_of(officer.mailbox.wait_for(is_raised("取得URLのメール")))
            assert f"届かなかったあて先: {GHOST}" in raised
            assert "サーバの説明: " in raised
            assert "User doesn't exist" in raised
        (number,), (serial,) = desk.states(), desk.serials()
        assert f"シリアル番号: {serial}" in raised
        assert f"｜ 再送 {number}" in raised

        contact = ["佐藤 花子", "情報基盤センター", APPLICANT, "", "", ""]
        tsv = "\t".join([dn, "", "", serial, "", "", "", *contact]) + "\r\n"
        desk.officer.write_signed(BOT, "訂正", "利用管理者情報更新\n", {"contact.tsv": tsv.encode("cp932")})
        desk.applicant.mailbox.wait_for("連絡先が変わりました")
        desk.officer.write_signed(BOT, "再送", f"再送 {number}\n")
        desk.applicant.mailbox.wait_for("サーバ証明書発行受付通知")
    with desk.reading() as session:
        ghosts = session.scalars(select(Outgoing).where(Outgoing.recipient == GHOST)).all()
        assert {row.state for row in ghosts if row.template == "applicant.download"} == {OutboxState.FAILED}
        others = session.scalars(select(Outgoing.state).where(Outgoing.recipient != GHOST)).all()
        assert OutboxState.FAILED not in others
    assert not desk.monitor.all()
    assert desk.ringi("journal", "verify").returncode == 0


def is_raised(what: str) -> Callable[[bytes], bool]:
    return lambda raw: "届きませんでした" in subject_of(raw) and what in text_of(raw)
