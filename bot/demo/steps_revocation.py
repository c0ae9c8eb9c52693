"""Revocations: of the old certificate (manual 1-2-7, 1-2-8) and of the new one (manual 1-3), judged by the CRL."""

from urllib.error import URLError

from cryptography import x509

from bot.demo.checks import NotHeld, dn_lines, is_revoked, require
from bot.demo.mailbox import Mailbox, subject_of, text_of
from bot.demo.stage import Stage
from bot.demo.steps import DN, apply, approve, check_request, read_number, show_sent, to_applicant, to_officer

_DONE = "サーバ証明書失効完了通知"
_CESSATION, _CESSATION_NAME, _OTHER_NAME = 5, "運用の停止", "その他"
_REQUEST_LINES = "^｜ (失効|却下|保留)|^種別|^【注意】|^Row-|^　失効|^コード: "


def see_nothing_revoked(stage: Stage) -> str:
    """1-2-6: as long as the officer says nothing, both certificates are good."""
    _see(stage, [])
    return f"{_list_url(stage)} names neither certificate"


def approve_old_revocation(stage: Stage) -> str:
    """1-2-7: the officer's signed word revokes the old certificate."""
    stage.say.act("The officer", "looks at the server and replies 失効承認, signed:")
    return approve(stage, "失効承認", "revocation-approval")


def read_old_completion(stage: Stage) -> str:
    """1-2-8: both are told."""
    return _read_completion(stage, stage.certificate, _OTHER_NAME)


def see_old_revoked(stage: Stage) -> str:
    """1-2-8: seen from outside, by the list that relying parties get."""
    _see(stage, [stage.certificate])
    return "the list that the page serves revokes the old certificate; the new one is good"


def mail_revocation(stage: Stage) -> str:
    """1-3-1: the server goes out of service."""
    serial = stage.renewed.serial_number
    stage.say.act("The applicant", f"takes the server out of service: serial {serial}, reason {_CESSATION}")
    stage.tsv = stage.applicant.revocation_tsv(DN, serial, _CESSATION)
    apply(stage, "revocation", "失効")
    return f"taken as {read_number(stage, 'revocation-receipt')}"


def read_revocation_request(stage: Stage) -> str:
    """1-3-2: what the officer decides on."""
    stage.request = to_officer(stage, "失効承認のお願い", "revocation-request", _REQUEST_LINES)
    code = check_request(stage)
    for line in (
        "種別: サーバ証明書 失効",
        f"　失効対象証明書シリアル番号: {stage.renewed.serial_number}",
        f"　失効理由: {_CESSATION_NAME}",
        "｜ 失効承認",
    ):
        require(line in text_of(stage.request).splitlines(), f"the request does not say {line.strip()}")
    return f"it names serial number and reason; code {code}"


def approve_with_wrong_word(stage: Stage) -> str:
    """1-3-3: 承認 alone is the word for certificates that are to be issued."""
    before = stage.standing()
    stage.say.act("The officer", "replies 承認 by habit, signed:")
    show_sent(stage, stage.officer.reply_signed(stage.request, "承認"), "wrong-word")
    to_officer(stage, "お返事を受け付けられませんでした", "wrong-word-refused", "言葉|^新規発行と更新")
    stage.settle()
    require(stage.standing() == before, f"it changed something: {stage.standing()}")
    return "refused with the right word; nothing is revoked"


def approve_revocation(stage: Stage) -> str:
    """1-3-3."""
    stage.say.act("The officer", "replies 失効承認, signed:")
    return approve(stage, "失効承認", "revocation-approval")


def read_completion(stage: Stage) -> str:
    """1-3-4: both are told."""
    return _read_completion(stage, stage.renewed, _CESSATION_NAME)


def see_both_revoked(stage: Stage) -> str:
    """1-3-4: a revocation is for good."""
    _see(stage, [stage.certificate, stage.renewed])
    return "the list revokes both certificates"


def _read_completion(stage: Stage, certificate: x509.Certificate, reason: str) -> str:
    """The manual's words to officer and applicant; the officer's mail is signed."""
    officers = to_officer(stage, _DONE, "revoked", "完了|^(【|　[^-])")
    stage.verify(officers)
    for mail in (officers, to_applicant(stage, _DONE, "revoked", "完了")):
        _check_completion(mail, certificate, reason)
    for mailbox in (stage.officer.mailbox, stage.applicant.mailbox):
        told = _count_completions(mailbox, certificate)
        require(told == 1, f"{mailbox.user} was told {told} times")
    return f"officer and applicant are told, each once; the reason is {reason}"


def _check_completion(mail: bytes, certificate: x509.Certificate, reason: str) -> None:
    require(subject_of(mail) == _DONE, f"the subject is {subject_of(mail)!r}")
    text = text_of(mail)
    dn = "".join(f"　{line}\n" for line in dn_lines(certificate))
    require(dn in text, "the DN is not in it")
    serial = certificate.serial_number
    require(f"【失効証明書シリアル番号】\n　{serial}\n" in text, f"it does not name {serial}")
    require(f"【失効理由】\n　{reason}\n" in text, f"the reason is not {reason}")


def _count_completions(mailbox: Mailbox, certificate: x509.Certificate) -> int:
    serial = str(certificate.serial_number)
    return sum(_DONE in subject_of(raw) and serial in text_of(raw) for raw in mailbox.all())


def _see(stage: Stage, revoked: list[x509.Certificate]) -> None:
    """NotHeld unless the served list revokes exactly these of the two certificates."""
    crl = stage.folder / "ca.crl"
    crl.write_bytes(_get_list(stage))
    at, root = stage.clock.now(), stage.config.ca.certificate
    for certificate, path in (
        (stage.certificate, stage.certificate_file),
        (stage.renewed, stage.renewed_file),
    ):
        found = is_revoked(path, root, crl, at)
        expected = certificate in revoked
        require(found == expected, f"{path.name}: revoked is {found}, to be {expected}")


def _get_list(stage: Stage) -> bytes:
    stage.say.act("Somebody", f"gets {_list_url(stage)}")
    try:
        page = stage.applicant.visit(_list_url(stage))
    except URLError as fault:
        raise NotHeld(f"the list is not served: {fault.reason}") from fault
    require(page.status == 200, f"the list answers {page.status}")
    return page.body


def _list_url(stage: Stage) -> str:
    return f"{stage.config.web.public_url}/ca.crl"
