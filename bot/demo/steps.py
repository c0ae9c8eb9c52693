"""What the people do, up to the certificate (manual 1-1-1 to 1-1-4). Each step says what was seen, or NotHeld."""

import hashlib
import re

from bot.demo.checks import code_of, require
from bot.demo.mailbox import Mailbox, attachments_of, subject_of, text_of
from bot.demo.stage import BOT, Stage

FQDN = "test1.example.ac.jp"
DN = f"CN={FQDN},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
WRONG_DN = DN.replace("O=testkikan", "O=tesutokikan")
_TABLE_HEAD = "SEQ  処理結果  エラー内容"
_ERROR_241 = "241:1.主体者DN,主体者DNの機関名が申請者の所属機関名ではありません。"
TAB = b"\t"
_REQUEST_LINES = (
    r"^｜ (承認|却下|保留)|^□|^Row-|主体者DN:|^　　CN=|公開鍵: |利用管理者: |送信ドメイン|^コード: "
)
_DONE_WORDS = "ファイルのアップロード処理が完了しました。"


def make_key_and_csr(stage: Stage) -> str:
    """1-1-1, by an applicant who gets the institution's name wrong."""
    stage.say.act("The applicant", f"makes an RSA key and a CSR for {FQDN}, and misspells the institution:")
    stage.say.act("  ", WRONG_DN)
    stage.key, csr = stage.applicant.make_request(FQDN, WRONG_DN)
    stage.tsv = stage.applicant.tsv(FQDN, WRONG_DN, csr)
    require(csr.is_signature_valid, "the CSR's own signature is not valid")
    return f"RSA {stage.key.key_size}, and a CSR that proves its possession"


def mail_faulty_tsv(stage: Stage) -> str:
    """1-1-2, the first time."""
    apply(stage, "application-with-a-fault")
    return f"a TSV of {stage.tsv.count(TAB) + 1} columns (CP932, CRLF) is on its way"


def read_refusal(stage: Stage) -> str:
    """1-1-4 step 7: the table, each error with its cause and remedy, and nothing taken."""
    refusal = to_applicant(
        stage, "申請を受け付けられませんでした", "refusal", "^SEQ|NG|241:|原因: |対処方法: |^　　｜"
    )
    text = text_of(refusal)
    codes = re.findall(r"(?m)^\s*(\d{3}):", text)
    require(_TABLE_HEAD in text, f"the mail has no line {_TABLE_HEAD!r}")
    require(re.search(r"(?m)^ *1 +NG", text), "SEQ 1 is not NG")
    require(_ERROR_241 in text, "the manual's text of error 241 is missing")
    require(codes == ["241"], f"the errors are {codes}, not 241 alone")
    for word in ("原因: ", "対処方法: "):
        require(re.search(rf"{word}\S", text), f"{word!r} is missing")
    require(not stage.standing().applications, "an application was taken all the same")
    require(not stage.officer.mailbox.all(), "the officer was told about it")
    return "SEQ 1, NG, error 241 with cause and remedy; nothing was taken, the officer was not bothered"


def mail_corrected_tsv(stage: Stage) -> str:
    """1-1-2, corrected; the same key is fine, nothing was taken of the first."""
    stage.say.act("The applicant", "corrects the name (O=testkikan) and makes a new CSR from the same key:")
    _, csr = stage.applicant.make_request(FQDN, DN, stage.key)
    stage.tsv = stage.applicant.tsv(FQDN, DN, csr)
    apply(stage, "application-corrected")
    return DN


def read_receipt(stage: Stage) -> str:
    """The application is taken, and has a number."""
    number = read_number(stage, "receipt")
    states = stage.standing().entries
    require(states == (f"{number} row 1 waiting",), f"on record: {states}")
    return f"taken as {number}"


def read_approval_request(stage: Stage) -> str:
    """1-1-3: what the officer gets to decide on, checked as a careful officer would."""
    stage.request = to_officer(stage, "承認のお願い", "approval-request", _REQUEST_LINES)
    code = check_request(stage)
    require(stage.tsv in attachments_of(stage.request).values(), "the TSV is not attached byte for byte")
    return f"signed by the bot; the sheet's SHA-256 begins {code}; it names the TSV as it was mailed"


def read_number(stage: Stage, words: str) -> str:
    """The receipt of what was just mailed; its number is kept, and returned."""
    receipt = to_applicant(stage, "申請を受け付けました", words, "^申請番号: |^1\\. |  OK")
    number = re.search(r"申請番号: (A-\d{8}-\d{4,})", text_of(receipt))
    require(number, "the receipt names no number")
    assert number
    stage.number = number[1]
    require(stage.number in subject_of(receipt), "the number is not in the subject")
    return stage.number


def check_request(stage: Stage) -> str:
    """The request's signature, and its sheet against the TSV as it was mailed; returns the sheet's code."""
    stage.verify(stage.request)
    files = attachments_of(stage.request)
    sheet = files.get(f"{stage.number}.sheet")
    require(sheet is not None, f"no sheet is attached, but {sorted(files)}")
    assert sheet is not None
    code = code_of(sheet)
    require(
        f"コード: {code}" in text_of(stage.request), f"the sheet's code is {code}, the mail says otherwise"
    )
    whole, row = (hashlib.sha256(data).hexdigest() for data in (stage.tsv, stage.tsv.removesuffix(b"\r\n")))
    for line in (f"File: sha256:{whole}", f"Row-1: sha256:{row} CN={FQDN}"):
        require(line in sheet.decode().splitlines(), f"the sheet does not say {line}")
    return code


def approve_without_signature(stage: Stage) -> str:
    """An unsigned approval changes nothing."""
    before = stage.standing()
    stage.say.act("The officer", "answers 承認します but forgets to sign:")
    sent = stage.officer.reply_unsigned(stage.request, "承認します")
    show_sent(stage, sent, "unsigned-approval")
    to_officer(stage, "お返事を受け付けられませんでした", "unsigned-refused", "署名")
    stage.settle()
    require(stage.standing() == before, f"it changed something: {stage.standing()}")
    return "refused with the reason; application, decisions and certificates are as before"


def approve_signed(stage: Stage) -> str:
    """1-1-4: the decision, and the manual's words of completion (step 6)."""
    stage.say.act("The officer", "replies 承認します below the quote, signed, as Thunderbird does:")
    return approve(stage, "承認します", "signed-approval")


def approve(stage: Stage, line: str, words: str) -> str:
    """Answer the request in hand with `line`, signed, and read what the bot says to that."""
    decisions = stage.standing().decisions
    stage.approval = stage.officer.reply_signed(stage.request, line, style="thunderbird")
    show_sent(stage, stage.approval, words)
    answer = to_officer(stage, "承認を受け付けました", "approval-answer", "^承認を|^ファイル|^- ")
    require(_DONE_WORDS in text_of(answer), "the manual's words of completion are missing")
    stage.verify(answer)
    require(stage.standing().decisions == decisions + 1, f"on record: {stage.standing()}")
    return "one decision more on record; the answer is signed and has the manual's words"


def apply(stage: Stage, words: str, kind: str = "発行") -> None:
    """Mail the TSV that is to hand."""
    text = f"サーバ証明書の{kind}をお願いします。\n"
    sent = stage.applicant.apply(stage.tsv, BOT, subject=f"サーバ証明書 {kind}申請", text=text)
    show_sent(stage, sent, words)


def show_sent(stage: Stage, sent: bytes, words: str) -> None:
    """Tell of a mail to the bot, with the words its sender wrote, and name its file after it."""
    name = stage.mails.label(BOT, sent, words)
    own = [line for line in text_of(sent).splitlines() if line and not line.startswith((">", "On "))]
    stage.say.mail(sent, name, own)


def to_applicant(stage: Stage, subject: str, words: str, lines: str) -> bytes:
    """The applicant reads the next mail with `subject` in its subject; told with the lines that fit `lines`."""
    return _read(stage, stage.applicant.mailbox, subject, words, lines)


def to_officer(stage: Stage, subject: str, words: str, lines: str) -> bytes:
    return _read(stage, stage.officer.mailbox, subject, words, lines)


def _read(stage: Stage, mailbox: Mailbox, subject: str, words: str, lines: str) -> bytes:
    with stage.say.waiting(f"{mailbox.user} waits for 「{subject}」"):
        raw = mailbox.wait_for(subject, stage.patience)
    shown = [line.rstrip() for line in text_of(raw).splitlines() if re.search(lines, line)]
    stage.say.mail(raw, stage.mails.label(mailbox.user, raw, words), shown)
    return raw
