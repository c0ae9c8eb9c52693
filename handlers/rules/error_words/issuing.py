"""The words for what stops an approved row right before its certificate is signed (codes 930-932)."""

from handlers.rules.error_words.says import Says, Words

ISSUING: dict[tuple[int, int | None], Words] = {
    (930, None): {
        "ja": Says(
            "承認を確認できないため発行できません。",
            "発行の直前に承認の電子署名をもう一度確かめましたが、確認できませんでした。"
            "登録担当者の鍵が失効または変更された可能性があります。",
            "登録担当者の鍵の登録を確認のうえ、もう一度申請してください。",
        ),
        "en": Says(
            "Not issued: the approval could not be confirmed.",
            "Right before issuing, the approval's signature was checked once more and did not hold. "
            "The officer's key may have been revoked or replaced.",
            "Have the officer's registered key checked, then apply again.",
        ),
    },
    (931, None): {
        "ja": Says(
            "承認された内容と異なるため発行できません。",
            "保存されている申請の内容が、登録担当者が承認したものと一致しません。監視担当者に通知しました。",
            "もう一度申請してください。鍵ペアとCSRは作り直してください。",
        ),
        "en": Says(
            "Not issued: this is not what was approved.",
            "The stored application differs from what the officers approved. The monitors were alarmed.",
            "Apply again, with a new key pair and CSR.",
        ),
    },
    (932, None): {
        "ja": Says(
            "認証局が発行を拒否しました。",
            "認証局がこの内容の証明書を発行できませんでした。監視担当者に通知しました。",
            "サービス窓口にお問い合わせください。",
        ),
        "en": Says(
            "The CA refused to issue.",
            "The CA could not issue a certificate with this content. The monitors were alarmed.",
            "Please ask the service desk.",
        ),
    },
}
