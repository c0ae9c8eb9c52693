"""What happens with the certificate (manual 1-1-4, 1-1-5), and what must not. Each step says what was seen."""

import re
from http import HTTPStatus
from urllib.error import HTTPError

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.demo.checks import NotHeld, dn_lines, matches, require, verify_chain
from bot.demo.keeping import write_journal
from bot.demo.mailbox import subject_of, text_of
from bot.demo.people import Form
from bot.demo.private import write_private
from bot.demo.stage import Stage
from bot.demo.steps import DN, FQDN, show_sent, to_applicant, to_officer

_DOWNLOADED = "サーバ証明書取得通知"
_ALL_IS_WELL = "[Ringi] 本日の日報: 異常ありません"
# as programs that read the real service's mails find them
_NOTICE = re.compile(
    r"^【対象証明書DN】\n　-+\n(?P<dn>(?:　\w+=.*\n)+)　-+\n\n【対象証明書シリアル番号】\n　(?P<serial>\d+)$",
    re.MULTILINE,
)


def read_download_mail(stage: Stage) -> str:
    """1-1-4: issued; the applicant gets the one-time URL."""
    return f"one certificate was issued, serial {read_url(stage, 1)}"


def read_url(stage: Stage, certificates: int) -> str:
    """Keep the URL of the newest certificate, which is that many-th on record, and return its serial."""
    mail = to_applicant(stage, "サーバ証明書発行受付通知", "download-url", "^(【|　[^-])")
    url = re.search(r"https?://\S+", text_of(mail))
    require(url, "there is no URL in it")
    assert url
    stage.url = url[0]
    require(stage.url.startswith(stage.config.web.public_url + "/"), f"the URL leads elsewhere: {stage.url}")
    serials = stage.standing().serials
    require(len(serials) == certificates, f"certificates on record: {serials}")
    require(serials[-1] in text_of(mail), "the serial number is not in it")
    return serials[-1]


def let_a_scanner_look(stage: Stage) -> str:
    """1-1: a mail scanner opens the link within seconds; that is no download."""
    before = stage.standing()
    stage.say.act("A mail scanner", "opens the link by GET, HEAD, OPTIONS and a Range request")
    pages = [stage.applicant.visit(stage.url, method) for method in ("GET", "HEAD", "OPTIONS", "GET")]
    pages.append(stage.applicant.visit(stage.url, headers={"Range": "bytes=0-99"}))
    require(pages[0].status == HTTPStatus.OK, f"the page answers {pages[0].status}")
    require(not any(b"BEGIN CERTIFICATE" in page.body for page in pages), "it got the certificate")
    stage.settle()
    require(stage.standing() == before, f"it changed something: {stage.standing()}")
    told = [subject_of(raw) for raw in stage.officer.mailbox.all() if _DOWNLOADED in subject_of(raw)]
    require(not told, "the officer was told of a download")
    return "it got a page with a button; nothing is used up, nobody was told"


def fetch_certificate(stage: Stage) -> str:
    """1-1: the applicant presses the button."""
    stage.say.act("The applicant", f"opens {stage.url}")
    stage.form = stage.applicant.open_page(stage.url)
    stage.say.act("The applicant", "presses the button for the certificate with its chain (PEM)")
    pem = stage.applicant.press(stage.form, "fullchain")
    stage.certificate, *chain = x509.load_pem_x509_certificates(pem)
    root = stage.config.ca.certificate.read_bytes()
    above = [c for c in chain if c.public_bytes(Encoding.PEM) not in root]
    stage.certificate_file.write_bytes(stage.certificate.public_bytes(Encoding.PEM))
    stage.chain_file.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in above) + root)
    key = stage.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(stage.folder / "private-key.pem", key)
    require(str(stage.certificate.serial_number) == stage.standing().serials[0], "it is another certificate")
    return f"got the certificate and {len(chain)} above it"


def read_download_notice(stage: Stage) -> str:
    """1-1-5: the signed notice, to the letter."""
    notice = to_officer(stage, _DOWNLOADED, "downloaded", "取得を完了|^(【|　)")
    require(subject_of(notice) == _DOWNLOADED, f"the subject is {subject_of(notice)!r}")
    stage.verify(notice)
    found = _NOTICE.search(text_of(notice))
    require(found, "DN and serial number do not stand below their labels as in the real service's mails")
    assert found
    dn = [line.removeprefix("　") for line in found["dn"].splitlines()]
    require(dn == dn_lines(stage.certificate), f"the DN is {dn}")
    require(int(found["serial"]) == stage.certificate.serial_number, f"the serial is {found['serial']}")
    return f"{stage.system.judge}: a good signature by the bot; DN and serial number are the certificate's"


def download_again(stage: Stage) -> str:
    """1-1: the one-time URL works once."""
    stage.say.act("Somebody", "opens the URL again, and presses the old page's button")
    page = stage.applicant.visit(stage.url).status
    pressed = _press_again(stage, stage.form)
    require(page == HTTPStatus.GONE, f"the page answers {page}")
    require(pressed == HTTPStatus.GONE, f"the button answers {pressed}")
    stage.settle()
    return "410 Gone, both times"


def replay_approval(stage: Stage) -> str:
    """1-1-4: the same signed approval once more, as it was and under other headers."""
    before, mails = stage.standing(), len(stage.applicant.mailbox.all())
    stage.say.act(
        "Somebody", "sends the officer's signed approval again, as it was and under a new Message-ID"
    )
    show_sent(stage, stage.officer.resend(stage.approval), "replayed-approval")
    new_id = b"Message-ID: <replayed@mail-program.example.jp>"
    other = re.sub(rb"(?m)^Message-ID: <[^>]+>", new_id, stage.approval, count=1)
    show_sent(stage, stage.officer.resend(other), "replayed-approval")
    for _ in range(2):
        to_officer(stage, "受付済み", "replay-answer", "受け付けて")
    stage.settle()
    require(stage.standing() == before, f"it changed something: {stage.standing()}")
    require(len(stage.applicant.mailbox.all()) == mails, "the applicant got another mail")
    return "no second decision, no second certificate, no second mail to the applicant"


def verify_certificate(stage: Stage) -> str:
    """1-1: judged from outside, with the folder's files."""
    root = stage.config.ca.certificate
    verdict = verify_chain(stage.certificate_file, stage.chain_file, root, FQDN)
    require(matches(stage.certificate, stage.key), "it is not for the applicant's key")
    require(",".join(dn_lines(stage.certificate)) == DN, f"its DN is {dn_lines(stage.certificate)}")
    return f"{verdict}; it is for the applicant's key and the DN applied for"


def verify_journal(stage: Stage) -> str:
    """Every entry fits the one before."""
    count, fault = write_journal(stage.config.store.url, stage.folder / "journal.jsonl")
    require(fault is None, str(fault))
    require(count > 0, "the journal is empty")
    return f"{count} entries, each holding the hash of the one before"


def look_for_alarms(stage: Stage) -> str:
    """Nothing was odd, and no mail is left anywhere: the monitor got the days' digests and nothing else."""
    stage.settle()
    subjects = [subject_of(raw) for raw in stage.monitor.all()]
    alarms = [subject for subject in subjects if not subject.startswith(_ALL_IS_WELL)]
    require(not alarms, f"the monitor got {alarms}")
    require(bool(subjects), "two weeks passed, and the monitor got no digest")
    return f"the monitor got {len(subjects)} digests, all well; every mail is answered and filed"


def stop_service(stage: Stage) -> str:
    """SIGTERM ends it in order."""
    require(stage.service.is_running(), "it had ended before")
    status = stage.service.stop(stage.patience)
    require(status == 0, f"exit status {status}")
    return "SIGTERM, exit status 0"


def _press_again(stage: Stage, form: Form) -> int:
    try:
        stage.applicant.press(form, "fullchain")
    except HTTPError as refused:
        with refused:
            return refused.code
    raise NotHeld("the button delivered a second time")
