"""The renewal (manual 1-2), up to the revocation of the old certificate. Each step says what was seen, or NotHeld."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.demo.checks import matches, require
from bot.demo.mailbox import attachments_of, subject_of, text_of
from bot.demo.private import write_private
from bot.demo.stage import Stage
from bot.demo.steps import (
    DN,
    FQDN,
    TAB,
    apply,
    approve,
    check_request,
    read_number,
    show_sent,
    to_applicant,
    to_officer,
)
from bot.demo.steps_after import read_url

_RENEWED = "[UPKI] Webサーバ用証明書更新通知"
_AGAIN = "サーバ証明書更新(旧証明書の失効申請)再通知"
_SOFTWARE = "nginx 1.30"
_BLOCKS = "^(【|　[^-])"


def make_renewal(stage: Stage) -> str:
    """1-2-1: a new key, the same DN; the server's software is newer by now."""
    stage.say.act("The applicant", f"makes a new key and a CSR for {FQDN}, which runs {_SOFTWARE} by now")
    before, stage.applicant.software = stage.applicant.software, _SOFTWARE
    stage.key, csr = stage.applicant.make_request(FQDN, DN)
    stage.tsv = stage.applicant.tsv(FQDN, DN, csr, replaces=stage.certificate.serial_number)
    require(not matches(stage.certificate, stage.key), "it is the old key")
    return f"another RSA key; the software was {before}"


def mail_renewal(stage: Stage) -> str:
    """1-2-2: the TSV names the old certificate in column 4."""
    serial = stage.certificate.serial_number
    stage.say.act("The applicant", f"writes the old serial number into column 4: {serial}")
    apply(stage, "renewal", "更新")
    require(stage.tsv.split(TAB)[3] == str(serial).encode(), "column 4 is not the old serial number")
    number = read_number(stage, "renewal-receipt")
    require(f"{number} row 1 waiting" in stage.standing().entries, f"on record: {stage.standing().entries}")
    return f"taken as {number}"


def read_renewal_request(stage: Stage) -> str:
    """1-2-3: the officer sees which certificate is renewed, and what changes."""
    lines = "^｜ (承認|却下|保留)|^種別|^Row-|旧証明書の?シ|変わるもの|^　・|^　　[旧新]: |^コード: "
    stage.request = to_officer(stage, "承認のお願い", "renewal-request", lines)
    code = check_request(stage)
    text = text_of(stage.request)
    for line in (
        "種別: サーバ証明書 更新",
        f"　旧証明書のシリアル番号: {stage.certificate.serial_number}",
        "　旧証明書から変わるもの: 鍵ペアと、次の1項目",
        f"　　新: {_SOFTWARE}",
    ):
        require(line in text.splitlines(), f"the request does not say {line.strip()}")
    return f"it shows the old serial number and the one thing that changes; code {code}"


def approve_renewal(stage: Stage) -> str:
    """1-2-4: signed; the old certificate stays as it is."""
    stage.say.act("The officer", "replies 承認, signed:")
    return approve(stage, "承認", "renewal-approval")


def fetch_renewed(stage: Stage) -> str:
    """1-2-4: issued and fetched, as the first one was."""
    serial = read_url(stage, 2)
    stage.say.act("The applicant", f"opens {stage.url} and presses the button")
    stage.renewed = x509.load_pem_x509_certificate(stage.applicant.fetch(stage.url))
    stage.renewed_file.write_bytes(stage.renewed.public_bytes(Encoding.PEM))
    write_private(stage.folder / "renewed-private-key.pem", _private_pem(stage.key))
    require(str(stage.renewed.serial_number) == serial, "it is another certificate")
    require(serial != str(stage.certificate.serial_number), "it is the old certificate")
    require(matches(stage.renewed, stage.key), "it is not for the new key")
    require(stage.renewed.subject == stage.certificate.subject, "its DN is another one")
    return f"serial {serial}, for the new key and the same DN"


def read_renewal_notice(stage: Stage) -> str:
    """1-2-5: the signed notice, with the TSV that will revoke the old certificate."""
    notice = to_officer(stage, _RENEWED, "renewal-notice", _BLOCKS)
    require(subject_of(notice) == _RENEWED, f"the subject is {subject_of(notice)!r}")
    stage.verify(notice)
    old, new = stage.certificate.serial_number, stage.renewed.serial_number
    for label, serial in (("新証明書シリアル番号", new), ("旧証明書のシリアル番号", old)):
        require(f"【{label}】\n　{serial}\n" in text_of(notice), f"{label} is not {serial}")
    name = f"{old}-{FQDN}.tsv"
    tsv = attachments_of(notice).get(name)
    require(tsv is not None, f"{name} is not attached, but {sorted(attachments_of(notice))}")
    assert tsv is not None
    cells = tsv.decode("cp932").rstrip("\r\n").split("\t")
    require(cells[0] == DN and cells[3:5] == [str(old), "0"], f"the TSV asks for {cells[:5]}")
    return f"signed; {name} asks for the revocation of the old certificate, and of no other"


def let_thirteen_days_pass(stage: Stage) -> str:
    """1-2-6: nobody reports; the applicant is asked twice, the officers not yet."""
    to_applicant(stage, "新しい証明書への置き換えのお願い", "please-replace", "^｜|^照合番号: ")
    _let_days_pass(stage, 7)
    to_applicant(stage, "置き換えはお済みですか(取得から7日)", "replaced-yet", "^｜")
    _let_days_pass(stage, 6)
    stage.question = to_applicant(
        stage, "置き換えはお済みですか(取得から13日)", "replaced-yet", "^｜|^照合番号"
    )
    stage.settle()
    require(reminders(stage) == 0, "the officer was reminded before two weeks were over")
    return "the applicant was asked after 7 and after 13 days; the officer was not reminded yet"


def read_reminder(stage: Stage) -> str:
    """1-2-9: after two weeks the officer is reminded, without the TSV."""
    _let_days_pass(stage, 1)
    mail = to_officer(stage, _AGAIN, "reminder", "2週間|速やかに|該当|^【|^　[0-9]")
    require(subject_of(mail) == _AGAIN, f"the subject is {subject_of(mail)!r}")
    stage.verify(mail)
    serial = stage.certificate.serial_number
    require(f"【旧証明書のシリアル番号】\n　{serial}\n" in text_of(mail), f"it does not name {serial}")
    files = [name for name in attachments_of(mail) if name.endswith((".tsv", ".txt"))]
    require(not files, f"attached: {files}")
    return "signed, names the old serial number, nothing attached"


def report_replacement(stage: Stage) -> str:
    """1-2-6: the applicant's words bring a sheet before the officer; a day later nobody was reminded again."""
    _let_days_pass(stage, 1)
    before = stage.standing()
    stage.say.act("The applicant", "has installed the new certificate and answers, unsigned:")
    show_sent(stage, stage.applicant.reply(stage.question, "置き換え完了"), "replaced")
    read_number(stage, "replaced-receipt")
    stage.request = to_officer(
        stage,
        "旧証明書の失効承認のお願い",
        "revocation-request",
        "^｜ (失効|却下|保留)|^Row-|^　(失効|コメント)|^コード: ",
    )
    stage.verify(stage.request)
    serial = stage.certificate.serial_number
    require(
        f"　失効対象証明書シリアル番号: {serial}\n" in text_of(stage.request), f"it does not name {serial}"
    )
    stage.settle()
    require(stage.standing().decisions == before.decisions, "the applicant's words decided something")
    require(reminders(stage) == 1, f"the officer was reminded {reminders(stage)} times")
    return "the officer has a sheet for the old certificate; one reminder, no second a day later"


def reminders(stage: Stage) -> int:
    return sum(_AGAIN in subject_of(raw) for raw in stage.officer.mailbox.all())


def _let_days_pass(stage: Stage, days: int) -> None:
    stage.say.act("The clock", f"is moved {days} {'day' if days == 1 else 'days'} ahead")
    stage.pass_days(timedelta(days=days))


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
