"""The words for what the desk knows already: other rows, other certificates, the institution's vetting
(codes 212, 215, 902, 907, 914-916, 920-923)."""

from handlers.rules.error_words.says import Says, Words

_CERTIFICATES: dict[tuple[int, int | None], Words] = {
    (212, None): {
        "ja": Says(
            "指定したDNはすでに存在しています。",
            "同じ主体者DN(CNとOU)の証明書または申請がすでにあります。",
            "証明書がすでにある場合(失効済み、期限切れを含みます)は、4列目にそのシリアル番号(10進数)を書き、"
            "新しい鍵ペアのCSRで、新規発行ではなく更新を申請してください。申請中の場合は、その結果をお待ちください。",
        ),
        "en": Says(
            "The DN exists already.",
            "There is a certificate or an application with the same subject DN (CN and OU).",
            "If there is a certificate, even a revoked or expired one, apply for its renewal: its serial number "
            "(decimal) in column 4, and the CSR of a new key pair. If an application is open, await its result.",
        ),
    },
    (902, None): {
        "ja": Says(
            "失効できない証明書です。",
            "機関の有効な証明書の中に、このシリアル番号と主体者DNのものがありません。"
            "番号の誤り、失効済み、期限切れ、他の機関の証明書のいずれかです。",
            "証明書のシリアル番号(10進数)と主体者DNを確認してください。失効済みか期限切れであれば、申請は不要です。",
        ),
        "en": Says(
            "The certificate cannot be revoked.",
            "The institution has no valid certificate with this serial number and subject DN: the number is "
            "wrong, or the certificate is revoked, expired, or another institution's.",
            "Check the certificate's serial number (decimal) and subject DN. "
            "If it is revoked or expired already, nothing needs to be done.",
        ),
    },
    (933, None): {
        "ja": Says(
            "有効な証明書ではないため、利用管理者情報を更新できません。",
            "機関の有効な証明書の中に、このシリアル番号と主体者DNのものがありません(失効済み、期限切れを含みます)。",
            "証明書のシリアル番号(10進数)と主体者DNを確認してください。",
        ),
        "en": Says(
            "The contact cannot be changed: there is no such valid certificate.",
            "The institution has no valid certificate with this serial number and subject DN (revoked or expired?).",
            "Check the certificate's serial number (decimal) and its subject DN.",
        ),
    },
    (907, None): {
        "ja": Says(
            "失効対象証明書シリアル番号が正しくありません。",
            "機関にこの番号の証明書がないか、その証明書のCNまたはOUが申請の主体者DNと異なります。",
            "4列目に、更新する証明書のシリアル番号(10進数)を書いてください。"
            "CNまたはOUを変える場合は、更新ではなく新規発行を申請してください(4列目は空にします)。",
        ),
        "en": Says(
            "The serial number of the old certificate is wrong.",
            "The institution has no such certificate, or its CN or OU differs from the subject DN here.",
            "Write the serial number (decimal) of the certificate to renew in column 4. "
            "To change CN or OU, apply for a new certificate instead, with column 4 empty.",
        ),
    },
    (914, None): {
        "ja": Says(
            "使用できない失効理由です。",
            "失効理由に使える番号は 0、1、3、4、5 です。",
            "5列目を 0(その他)、1(鍵の危殆化)、3(内容の変更)、4(証明書の更新)、5(運用の停止)の"
            "いずれかにしてください。",
        ),
        "en": Says(
            "The revocation reason is not allowed.",
            "The reasons allowed are 0, 1, 3, 4 and 5.",
            "Write one of 0 (other), 1 (key compromised), 3 (content changed), 4 (renewed) "
            "or 5 (server stopped) in column 5.",
        ),
    },
    (915, None): {
        "ja": Says(
            "失効理由コメントが必要です。",
            "失効理由が0(その他)のときは、コメントが必要です。",
            "6列目に失効の理由を128文字以内で書いてください(例: 更新に伴う旧証明書の失効)。",
        ),
        "en": Says(
            "A comment is needed.",
            "With the reason 0 (other) a comment must say why.",
            "Write the reason for the revocation in column 6, in at most 128 characters "
            "(such as: replaced by its renewal).",
        ),
    },
    (916, None): {
        "ja": Says(
            "同じファイルの中で重複しています。",
            "SEQ {0} の行と同じFQDNです。",
            "1つのFQDNにつき1行だけを残してください。",
        ),
        "en": Says(
            "This repeats another row of the file.",
            "The FQDN is that of SEQ {0}.",
            "Keep one row for each FQDN.",
        ),
    },
    (916, 4): {
        "ja": Says(
            "同じファイルの中で重複しています。",
            "SEQ {0} の行と同じ証明書(シリアル番号)です。",
            "1つの証明書につき1行だけを残してください。",
        ),
        "en": Says(
            "This repeats another row of the file.",
            "The certificate (serial number) is that of SEQ {0}.",
            "Keep one row for each certificate.",
        ),
    },
    (916, 7): {
        "ja": Says(
            "同じファイルの中で重複しています。",
            "SEQ {0} の行と同じ鍵ペアのCSRです。",
            "サーバごとに鍵ペアを新しく作り、それぞれのCSRを書いてください。",
        ),
        "en": Says(
            "This repeats another row of the file.",
            "The CSR's key pair is that of SEQ {0}.",
            "Make a new key pair, and a CSR, for each server.",
        ),
    },
}

_VETTING: dict[tuple[int, int | None], Words] = {
    (215, None): {
        "ja": Says(
            "機関状態が無効です。",
            "この機関からの申請は、現在受け付けていません。",
            "登録担当者またはサービス窓口にお問い合わせください。",
        ),
        "en": Says(
            "The institution is not active.",
            "Applications from this institution are not taken at present.",
            "Ask your officer or the service desk.",
        ),
    },
    (920, None): {
        "ja": Says(
            "対象のドメインは許可されていないため発行できません。サービス窓口にお問い合わせください。",
            "審査完了していないため発行できません。認証局による審査が完了しますと発行可能となります。"
            "(対象のドメイン: {0})",
            "サービス窓口にお問い合わせください。",
        ),
        "en": Says(
            "The domain is not permitted, so no certificate can be issued. Please ask the service desk.",
            "The CA has not finished vetting. Issuing becomes possible once it has. (Domain: {0})",
            "Please ask the service desk.",
        ),
    },
    (921, None): {
        "ja": Says(
            "機関の証明書発行有効期限が切れています。サービス窓口にお問い合わせください。",
            "証明書発行承認有効期限を超過しています。再度、認証局による審査が必要になります。"
            "(対象のドメイン: {0}、期限: {1})",
            "サービス窓口にお問い合わせください。",
        ),
        "en": Says(
            "The institution's approval for issuing has expired. Please ask the service desk.",
            "The approval has passed its last day; the CA must vet again. (Domain: {0}, last day: {1})",
            "Please ask the service desk.",
        ),
    },
    (922, None): {
        "ja": Says(
            "WHOISサーバへの接続に失敗しました。時間をおいて再度申請してください。"
            "再度申請しても接続に失敗するようでしたら、サービス窓口にお問い合わせください。",
            "証明書発行時にWhoisサーバにドメイン所有者の変更がないか確認しますが、その際、"
            "何らかの原因でWhoisサーバ接続に失敗しています。",
            "時間をおいて再度申請してください。"
            "再度申請しても接続に失敗するようでしたら、サービス窓口にお問い合わせください。",
        ),
        "en": Says(
            "The WHOIS server could not be reached. Please apply again later; "
            "if it fails again, ask the service desk.",
            "Before issuing, WHOIS is asked whether the domain's owner has changed; that connection failed.",
            "Please apply again later; if it fails again, ask the service desk.",
        ),
    },
    (923, None): {
        "ja": Says(
            "WHOISサーバに登録されている情報と一致しません。サービス窓口にお問い合わせください。",
            "Whoisサーバに登録されている組織名、登録者名が変更された場合に表示されます。"
            "例として「申請大学」を「学校法人申請学園 申請大学」に変更されますと表示されます。"
            "この場合、認証局でWhoisサーバ情報の審査、更新が必要となります。",
            "サービス窓口にお問い合わせください。",
        ),
        "en": Says(
            "WHOIS shows other data than registered. Please ask the service desk.",
            "The organisation or registrant in WHOIS has changed. The CA must vet the new data first.",
            "Please ask the service desk.",
        ),
    },
}

STANDING = {**_CERTIFICATES, **_VETTING}
