"""The words of warnings (codes from 950): the row is taken, and someone should know."""

from handlers.rules.error_words.says import Says, Words

WARNINGS: dict[tuple[int, int | None], Words] = {
    (950, None): {
        "ja": Says(
            "ファイルの文字コードはUTF-8です。",
            "申請TSVファイルはShift_JISと決められています。今回はUTF-8として読み取りました。",
            "文字化けがないことを確認してください。次回からはShift_JISで保存してください。",
        ),
        "en": Says(
            "The file is in UTF-8.",
            "Application TSVs are meant to be Shift_JIS. This one was read as UTF-8.",
            "Please check that the text is right, and save as Shift_JIS next time.",
        ),
    },
    (951, None): {
        "ja": Says(
            "機種依存文字が含まれています。",
            "環境によって正しく表示されない文字があります: {0}",
            "気になる場合は、別の文字に置き換えて申請し直してください(例: ㈱→(株))。",
        ),
        "en": Says(
            "There are platform-dependent characters.",
            "These characters do not show correctly everywhere: {0}",
            "If that matters, replace them and apply again.",
        ),
    },
    (952, None): {
        "ja": Says(
            "同じ名前が重複しています。",
            "「{0}」が2回以上書かれていたため、1つにまとめました。",
            "対応は不要です。",
        ),
        "en": Says(
            "A name is repeated.",
            '"{0}" stands there more than once and was merged into one.',
            "Nothing needs to be done.",
        ),
    },
    (953, None): {
        "ja": Says(
            "名前の大文字を小文字にしました。",
            "証明書には「{0}」と記載されます。",
            "対応は不要です。ホスト名の大文字と小文字は区別されません。",
        ),
        "en": Says(
            "Capitals in a name were made lower case.",
            'The certificate will say "{0}".',
            "Nothing needs to be done: host names do not distinguish case.",
        ),
    },
    (955, None): {
        "ja": Says(
            "主体者DNのOUは証明書に記載されません。",
            "OUの使用は終了しています。「OU={0}」を除いて発行します。",
            "対応は不要です。次回からはOUを書かないでください。",
        ),
        "en": Says(
            "The OU of the subject DN will not be in the certificate.",
            'OUs are no longer used. The certificate is issued without "OU={0}".',
            "Nothing needs to be done. Leave OU out next time.",
        ),
    },
    (956, None): {
        "ja": Says(
            "CSRに書かれた別名は証明書に記載されません。",
            "証明書の別名はdNSNameの列から決まります。CSRにだけある名前: {0}",
            "証明書に必要な名前であれば、13列目のdNSNameに書いて申請し直してください。",
        ),
        "en": Says(
            "Alternative names in the CSR will not be in the certificate.",
            "The names come from the dNSName column. Only in the CSR: {0}",
            "If the certificate needs them, write them in column 13 (dNSName) and apply again.",
        ),
    },
    (957, None): {
        "ja": Says(
            "利用管理者mailが機関のメールドメインの外にあります。",
            "証明書取得URLは「{0}」に送られます。",
            "アドレスが正しいこと、利用管理者が機関に属していることを確認してください。",
        ),
        "en": Says(
            "The contact mail is outside the institution's mail domains.",
            'The download URL will go to "{0}".',
            "Check that the address is right and that the contact belongs to the institution.",
        ),
    },
    (958, None): {
        "ja": Says(
            "利用管理者mailが発行時のものと異なります。",
            "申請に書かれたアドレスが、証明書の発行時に登録されたアドレスと異なります。",
            "利用管理者の交代などによるものか確認してください。完了通知は、発行時に登録されたアドレスに送られます。",
        ),
        "en": Says(
            "The contact mail differs from the one given at issue.",
            "The address in the row is not the one that was given when the certificate was issued.",
            "Check whether the contact has changed. Notices go to the address given at issue.",
        ),
    },
    (959, None): {
        "ja": Says(
            "証明書の利用管理者以外からの申請です。",
            "申請した人または申請に書かれた利用管理者が、その証明書に登録されている利用管理者と異なります。",
            "利用管理者の代理または後任による申請か、利用管理者に確認してください。",
        ),
        "en": Says(
            "Asked by somebody other than the certificate's contact.",
            "The sender, or the contact in the row, is not the registered contact of this certificate.",
            "Ask the contact whether someone applies on their behalf or has taken over.",
        ),
    },
}
