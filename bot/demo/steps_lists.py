"""What an officer may look up (manual 1-4). Each step says what was seen, or NotHeld."""

from cryptography import x509

from bot.demo.checks import require
from bot.demo.mailbox import attachments_of, text_of
from bot.demo.stage import BOT, Stage
from bot.demo.steps import DN, FQDN, show_sent, to_officer

_LIST_NAME, _COLUMNS = "serverAll.tsv", 36
# column 12
_VALID, _RENEWED, _REVOKED = "5", "6", "7"


def list_after_renewal(stage: Stage) -> str:
    """1-4-1: asked for while the old certificate is still good."""
    old, new = _ask_for_list(stage)
    require(_state(old) == _RENEWED, f"the old certificate's state is {_state(old)}")
    require(_state(new) == _VALID, f"the new certificate's state is {_state(new)}")
    return f"{_COLUMNS} columns; the old certificate is {_RENEWED} (renewed), the new one {_VALID} (issued)"


def list_after_revocations(stage: Stage) -> str:
    """1-4-1: asked for at the end."""
    rows = _ask_for_list(stage)
    states = [_state(row) for row in rows]
    require(states == [_REVOKED, _REVOKED], f"the states are {states}")
    reasons = [row[31] for row in rows]
    require(reasons == ["0", "5"], f"the reasons are {reasons}")
    require(rows[1][29] == stage.number, f"the new one was revoked by {rows[1][29]}")
    require(all(row[33] for row in rows), "a time of revocation is missing")
    return f"both are {_REVOKED} (revoked), for the reasons 0 and 5, with the applications that asked for it"


def ask_for_status(stage: Stage) -> str:
    """1-4, uses 2 to 4: one certificate by its serial number, with its files."""
    serial = stage.renewed.serial_number
    answer = _ask(stage, f"状況 {serial}", "申請と証明書の状況", "status", "^■|^状態|日時|^利用管理者")
    for line in (f"■ 証明書 {serial}", "状態: 失効済み", f"利用管理者mail: {stage.applicant.mailbox.user}"):
        require(line in text_of(answer).splitlines(), f"the answer does not say {line}")
    files = attachments_of(answer)
    pem = files.get(f"{FQDN}.pem", b"")
    require(pem, f"the certificate is not attached, but {sorted(files)}")
    require(x509.load_pem_x509_certificate(pem) == stage.renewed, "another certificate is attached")
    csr = x509.load_pem_x509_csr(files.get(f"{FQDN}.csr", b""))
    require(csr.public_key() == stage.renewed.public_key(), "another CSR is attached")
    return "revoked, since when, whose it is; the certificate and its CSR are attached"


def _ask_for_list(stage: Stage) -> tuple[list[str], list[str]]:
    """The rows of the old certificate and the new one."""
    answer = _ask(stage, "一覧", "証明書情報一覧", "list", "件\\)|^ファイル: |^　6 ")
    tsv = attachments_of(answer).get(_LIST_NAME)
    require(tsv is not None, f"{_LIST_NAME} is not attached, but {sorted(attachments_of(answer))}")
    assert tsv is not None
    (stage.folder / _LIST_NAME).write_bytes(tsv)
    head, *rows = (line.split("\t") for line in tsv.decode("cp932").removesuffix("\r\n").split("\r\n"))
    widths = {len(row) for row in (head, *rows)}
    require(widths == {_COLUMNS}, f"the columns are {sorted(widths)}, not {_COLUMNS}")
    require(
        (head[11], head[23]) == ("状態", "証明書シリアル番号"),
        f"columns 12 and 24 are {head[11]}, {head[23]}",
    )
    serials = [str(c.serial_number) for c in (stage.certificate, stage.renewed)]
    require([row[23] for row in rows] == serials, f"the serial numbers are {[row[23] for row in rows]}")
    require([row[6] for row in rows] == ["", serials[0]], "column 7 does not say which was renewed")
    require(all(row[3] == DN for row in rows), "a DN is another one")
    return rows[0], rows[1]


def _ask(stage: Stage, command: str, subject: str, words: str, lines: str) -> bytes:
    """A signed command and its signed answer."""
    stage.say.act("The officer", "writes one line, signed:")
    show_sent(stage, stage.officer.write_signed(BOT, "問い合わせ", f"{command}\n"), f"ask-{words}")
    answer = to_officer(stage, subject, words, lines)
    stage.verify(answer)
    return answer


def _state(row: list[str]) -> str:
    return row[11]
