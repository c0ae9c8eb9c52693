"""The words for faults of the profile, the CSR and its key (codes 900, 903-906, 919, 927, 928)."""

from handlers.rules.error_words.says import Says, Words

CSR: dict[tuple[int, int | None], Words] = {
    (900, None): {
        "ja": Says(
            "使用できない証明書プロファイルIDです。",
            "この窓口で発行できる証明書プロファイルIDは {0} です。",
            "2列目を {0} のいずれかにしてください。",
        ),
        "en": Says(
            "The certificate profile is not allowed.",
            "The certificate profile IDs served here are: {0}.",
            "Write one of {0} in column 2.",
        ),
    },
    (903, None): {
        "ja": Says(
            "CSRを読み取れません。",
            "CSRの全体が正しく貼り付けられていないか、CSRが壊れています({0})。",
            "CSRのファイルの全体を、改行を取り除いて1行にし、7列目だけに貼り付けてください。"
            "直らないときはCSRを作り直してください。",
        ),
        "en": Says(
            "The CSR cannot be read.",
            "The CSR was not pasted whole, or it is broken ({0}).",
            "Paste the whole CSR on one line, without line breaks, into column 7 only. "
            "If that does not help, make a new CSR.",
        ),
    },
    (904, None): {
        "ja": Says(
            "CSRの主体者DNが1列目の主体者DNと一致しません。",
            "CSRの主体者DNは「{0}」です(大文字と小文字も区別します)。",
            "CSRが正しければ1列目をこれと同じ値に直し、1列目が正しければCSRを作り直してください。",
        ),
        "en": Says(
            "The CSR's subject differs from the subject DN in column 1.",
            'The CSR\'s subject is "{0}" (case matters).',
            "If the CSR is right, correct column 1; if column 1 is right, make the CSR anew from it.",
        ),
    },
    (905, None): {
        "ja": Says(
            "CSRの鍵の種類または長さが証明書プロファイルと合いません。",
            "CSRの鍵は {0} です。この証明書プロファイルでは {1} が必要です。",
            "鍵ペアを {1} で作り直し、新しいCSRで申請してください。",
        ),
        "en": Says(
            "The CSR's key does not suit the certificate profile.",
            "The CSR's key is {0}; this profile needs {1}.",
            "Make a new key pair of {1} and apply with a new CSR.",
        ),
    },
    (906, None): {
        "ja": Says(
            "CSRの鍵はすでに使用されています。",
            "同じ鍵ペアが以前の申請で使われています。鍵ペアは申請のたびに新しく作る必要があります。",
            "鍵ペアを新しく作り、新しいCSRで申請してください。",
        ),
        "en": Says(
            "The CSR's key was used before.",
            "The same key pair was used in an earlier application. Each application needs a new key pair.",
            "Make a new key pair and apply with a new CSR.",
        ),
    },
    (919, None): {
        "ja": Says(
            "CSRの鍵に既知の弱点があります。",
            "この鍵は第三者に破られるおそれがあります({0})。",
            "この鍵は使わず、新しいOpenSSLなどで鍵ペアを作り直し、新しいCSRで申請してください。",
        ),
        "en": Says(
            "The CSR's key has a known weakness.",
            "Others could break this key ({0}).",
            "Do not use this key. Make a new key pair with an up-to-date tool, such as OpenSSL, "
            "and apply with a new CSR.",
        ),
    },
    (927, None): {
        "ja": Says(
            "CSRの署名アルゴリズムは使用できません。",
            "CSRの署名に使われたハッシュ関数は {0} です。",
            "SHA-256を指定してCSRを作り直してください(例: openssl req -new -sha256 …)。",
        ),
        "en": Says(
            "The CSR's signature algorithm is not allowed.",
            "The CSR was signed with the digest {0}.",
            "Make the CSR anew with SHA-256 (such as: openssl req -new -sha256 …).",
        ),
    },
    (928, None): {
        "ja": Says(
            "CSRにメールアドレスが含まれています。",
            "サーバ証明書にはメールアドレスを記載できません。",
            "Email Address(emailAddress)を空にして、CSRを作り直してください。",
        ),
        "en": Says(
            "The CSR holds a mail address.",
            "A server certificate cannot carry a mail address.",
            "Make the CSR anew and leave Email Address empty.",
        ),
    },
}
