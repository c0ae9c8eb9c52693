"""The words for faults of names: subject DN and host names (codes 241, 371, 901, 908, 913, 924-926, 929)."""

from handlers.rules.error_words.says import Says, Words

NAMES: dict[tuple[int, int | None], Words] = {
    (241, None): {
        "ja": Says(
            "主体者DNの機関名が申請者の所属機関名ではありません。",
            "主体者DNのOが「{1}」になっていますが、登録されている機関名(英語表記)は「{0}」です。",
            "主体者DNに「O={0}」と書いてください。CSRの主体者DNも同じように誤っている場合は、CSRも作り直してください。",
        ),
        "en": Says(
            "The organisation in the subject DN is not the applicant's institution.",
            'O in the subject DN is "{1}", but the registered name is "{0}".',
            'Write "O={0}" in the subject DN, and make the CSR anew if its subject has the same fault.',
        ),
    },
    (371, None): {
        "ja": Says(
            "主体者DNのOUが許可リストとして登録された値と一致しません。",
            "「OU={0}」は機関の許可リストに登録されていません。",
            "OUを書かずに申請するか、登録されている値を書いてください。新しい値の登録は登録担当者にご相談ください。",
        ),
        "en": Says(
            "The OU in the subject DN is not in the allow-list.",
            '"OU={0}" is not in the institution\'s allow-list.',
            "Leave OU out, or use a registered value. Ask your officer to have a new value registered.",
        ),
    },
    (901, None): {
        "ja": Says(
            "主体者DNのCNと利用管理者FQDNが一致しません。",
            "CNは「{0}」、利用管理者FQDNは「{1}」です。",
            "1列目のCNと11列目に、同じFQDNを書いてください。",
        ),
        "en": Says(
            "The CN of the subject DN and the server FQDN differ.",
            'CN is "{0}", the FQDN is "{1}".',
            "Write the same FQDN as CN in column 1 and in column 11.",
        ),
    },
    (908, None): {
        "ja": Says(
            "登録された対象ドメインの名前ではありません。",
            "「{0}」は、機関に登録されたドメイン({1})の名前ではありません。",
            "登録されたドメインの名前で申請してください。ドメインの追加は登録担当者にご相談ください。",
        ),
        "en": Says(
            "The name is outside the registered domains.",
            '"{0}" is not under a domain registered for the institution ({1}).',
            "Apply for a name under a registered domain. Ask your officer to have a domain added.",
        ),
    },
    (913, None): {
        "ja": Says(
            "FQDNの形式ではありません。",
            "「{0}」は証明書に記載できる名前ではありません。",
            "「www.example.ac.jp」のように、半角の英数字・ハイフン・ドットで書いてください。IPアドレス、"
            "ドットのない名前、下線(_)、末尾のドットは使えません。ワイルドカード(*)は許可された機関だけが使えます。"
            "複数の名前はコンマ(,)で区切ります。",
        ),
        "en": Says(
            "Not an FQDN.",
            '"{0}" is not a name that a certificate may carry.',
            'Write letters, digits, hyphens and dots, such as "www.example.ac.jp". No IP address, '
            "no name without a dot, no underscore, no dot at the end. "
            "Wildcards (*) are for institutions that were allowed them. Separate several names by commas.",
        ),
    },
    (924, None): {
        "ja": Says(
            "主体者DNのLが登録された値と一致しません。",
            "利用機関ごとに指定されたLの値で申請がされていません。(申請された値: {1})",
            "「UPKI証明書 主体者DNにおける ST および L の値一覧」をご参照のうえ、正しいLの値で"
            "申請してください。(「L={0}」と書いてください。CSRの主体者DNも同じように誤っている場合は、CSRも作り直してください)",
        ),
        "en": Says(
            "L in the subject DN differs from the registered value.",
            'The value of L set for the institution was not used. (It says "{1}".)',
            'Write "L={0}" in the subject DN, and make the CSR anew if its subject has the same fault.',
        ),
    },
    (925, None): {
        "ja": Says(
            "主体者DNのSTが登録された値と一致しません。",
            "利用機関ごとに指定されたSTの値で申請がされていません。(申請された値: {1})",
            "「UPKI証明書 主体者DNにおける ST および L の値一覧」をご参照のうえ、正しいSTの値で"
            "申請してください。(「ST={0}」と書いてください。CSRの主体者DNも同じように誤っている場合は、CSRも作り直してください)",
        ),
        "en": Says(
            "ST in the subject DN differs from the registered value.",
            'The value of ST set for the institution was not used. (It says "{1}".)',
            'Write "ST={0}" in the subject DN, and make the CSR anew if its subject has the same fault.',
        ),
    },
    (926, None): {
        "ja": Says(
            "主体者DNに{0}がありません。",
            "主体者DNにはSTとLの両方が必要です。",
            "主体者DNに「{0}={1}」を加えてください。CSRの主体者DNも同じように誤っている場合は、CSRも作り直してください。",
        ),
        "en": Says(
            "The subject DN has no {0}.",
            "The subject DN needs both ST and L.",
            'Add "{0}={1}" to the subject DN, and make the CSR anew if its subject has the same fault.',
        ),
    },
    (929, None): {
        "ja": Says(
            "主体者DNのOUは使用できません。",
            "OUの使用は終了しています。(「OU={0}」)",
            "主体者DNからOUを取り除いてください。CSRの主体者DNにもOUがある場合は、CSRも作り直してください。",
        ),
        "en": Says(
            "OU may not be used in the subject DN.",
            'OUs are no longer used. ("OU={0}")',
            "Remove OU from the subject DN, and make the CSR anew if its subject has it too.",
        ),
    },
}
