"""What the rehearsal plays, in order: one act for each thing that the manual says, or that must not happen."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.demo import steps, steps_after, steps_evidence, steps_lists, steps_renewal, steps_revocation
from bot.demo.stage import Stage


@dataclass(frozen=True)
class Act:
    """A step as the programme names it. `is_needed`: the steps after it make no sense without it."""

    manual: str
    title: str
    play: Callable[[Stage], str]
    is_needed: bool = True


PROGRAMME = (
    Act("1-1-1", "利用管理者による鍵ペア・CSRの作成: a key and a CSR", steps.make_key_and_csr),
    Act("1-1-2", "TSVファイル作成: a TSV with a fault is mailed", steps.mail_faulty_tsv),
    Act(
        "1-1-4 step 7", "エラー: SEQ, 処理結果, エラー内容, with cause and remedy", steps.read_refusal, False
    ),
    Act("1-1-2", "TSVファイル作成: the corrected TSV is mailed", steps.mail_corrected_tsv),
    Act("1-1-2", "the application is received and gets a number", steps.read_receipt),
    Act("1-1-3", "受け取り及び審査: the approval request with its sheet", steps.read_approval_request),
    Act("1-1-4", "an unsigned approval changes nothing", steps.approve_without_signature, False),
    Act("1-1-4 step 6", "アップロード: the signed approval", steps.approve_signed),
    Act("1-1-4 step 6", "サーバ証明書発行受付通知: issued, the one-time URL", steps_after.read_download_mail),
    Act("1-1", "a mail scanner's visit is no download", steps_after.let_a_scanner_look, False),
    Act("1-1", "サーバ証明書のダウンロード: the certificate is fetched", steps_after.fetch_certificate),
    Act("1-1-5", "サーバ証明書取得通知: the signed notice", steps_after.read_download_notice, False),
    Act("1-1", "a second download is refused", steps_after.download_again, False),
    Act("1-1-4", "a replayed approval changes nothing", steps_after.replay_approval, False),
    Act("1-1", "the certificate verifies, judged from outside", steps_after.verify_certificate, False),
    Act("1-2-1", "更新の鍵ペア・CSR: a new key and a CSR for the same name", steps_renewal.make_renewal),
    Act("1-2-2", "更新申請TSVファイル: the TSV names the old serial number", steps_renewal.mail_renewal),
    Act("1-2-3", "更新の審査: the request shows what changes", steps_renewal.read_renewal_request),
    Act("1-2-4", "更新のアップロード: the signed approval", steps_renewal.approve_renewal),
    Act("1-2-4", "the renewed certificate is issued and fetched", steps_renewal.fetch_renewed),
    Act(
        "1-2-5",
        "更新通知: the signed notice with the revocation TSV",
        steps_renewal.read_renewal_notice,
        False,
    ),
    Act(
        "1-4-1",
        "一覧: the old certificate is renewed, the new one issued",
        steps_lists.list_after_renewal,
        False,
    ),
    Act("1-2-6", "13 days pass, and only the applicant is asked", steps_renewal.let_thirteen_days_pass),
    Act("1-2-9", "再通知: after two weeks the officer is reminded", steps_renewal.read_reminder, False),
    Act("1-2-6", "置き換え完了通知: the applicant reports the replacement", steps_renewal.report_replacement),
    Act("1-2-6", "the report alone revokes nothing", steps_revocation.see_nothing_revoked, False),
    Act("1-2-7", "旧証明書の失効: the signed approval", steps_revocation.approve_old_revocation),
    Act(
        "1-2-8", "旧証明書の失効完了通知: officer and applicant", steps_revocation.read_old_completion, False
    ),
    Act("1-2-8", "the CRL revokes the old certificate only", steps_revocation.see_old_revoked, False),
    Act("1-3-1", "失効申請TSVファイル: the new certificate, reason 5", steps_revocation.mail_revocation),
    Act("1-3-2", "失効の審査: the request with serial and reason", steps_revocation.read_revocation_request),
    Act(
        "1-3-3",
        "an approval with the wrong word revokes nothing",
        steps_revocation.approve_with_wrong_word,
        False,
    ),
    Act("1-3-3", "失効のアップロード: the signed approval", steps_revocation.approve_revocation),
    Act("1-3-4", "失効完了メール: officer and applicant", steps_revocation.read_completion, False),
    Act("1-3-4", "the CRL revokes both certificates", steps_revocation.see_both_revoked, False),
    Act("1-4-1", "一覧: both certificates are revoked", steps_lists.list_after_revocations, False),
    Act("1-4", "状況: one certificate and its files", steps_lists.ask_for_status, False),
    Act("1", "the journal's chain holds", steps_after.verify_journal, False),
    Act("1", "both certificates are proven offline", steps_evidence.prove_certificates, False),
    Act("1", "no alarm, no mail left over", steps_after.look_for_alarms, False),
)
LAST_ACT = Act("1", "the service ends in order", steps_after.stop_service, False)
