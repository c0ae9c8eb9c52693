"""The words for faults of form: the file, its lines, its columns (codes 201-214, 909-918)."""

from handlers.rules.error_words.says import Says, Words

_FILE: dict[tuple[int, int | None], Words] = {
    (208, None): {
        "ja": Says(
            "指定されたファイルが存在しません。",
            "メールに申請TSVファイルが添付されていないか、中身のない添付ファイルです。",
            "申請TSVファイルを添付して、もう一度お送りください。",
        ),
        "en": Says(
            "The given file does not exist.",
            "The mail has no application TSV, or the attachment is empty and has no name.",
            "Attach the application TSV and send the mail again.",
        ),
    },
    (209, None): {
        "ja": Says(
            "ファイルの拡張子がTSVまたはTXTではありません。",
            "添付ファイル「{0}」は申請TSVファイルとして受け付けられません。",
            "TSVツールで作成した .tsv ファイルを添付してください。"
            "Excelのファイルは「テキスト(タブ区切り)」で保存すると .txt になります。",
        ),
        "en": Says(
            "The file's extension is not TSV or TXT.",
            'The attachment "{0}" cannot be taken as an application TSV.',
            "Attach the .tsv file made by the TSV tool. "
            'An Excel sheet becomes a .txt file when saved as "Text (tab delimited)".',
        ),
    },
    (213, None): {
        "ja": Says(
            "ファイルが空です。",
            "ファイルに申請が1件も入っていません。",
            "1行に1件ずつ申請を書いたTSVファイルを添付して、もう一度お送りください。",
        ),
        "en": Says(
            "The file is empty.",
            "The file holds no application at all.",
            "Attach a TSV with one application a line and send the mail again.",
        ),
    },
    (214, None): {
        "ja": Says(
            "申請件数が上限を超えています。",
            "1つのTSVファイルで申請できるのは{0}件までです(このファイルは{1}件)。",
            "{0}件以内のファイルに分けて、1通に1ファイルずつお送りください。",
        ),
        "en": Says(
            "Too many applications.",
            "One TSV may hold at most {0} applications; this one holds {1}.",
            "Split it into files of at most {0} applications and send each in a mail of its own.",
        ),
    },
    (912, None): {
        "ja": Says(
            "文字コードが正しくありません。",
            "ファイルがShift_JISでもUTF-8でもないか、UTF-16などの別の形式です。",
            "文字コードにShift_JIS(ANSI)を指定して保存し直してください。"
            "「Unicode テキスト」では保存しないでください。",
        ),
        "en": Says(
            "The character encoding is wrong.",
            "The file is neither Shift_JIS nor UTF-8, or it is of another form such as UTF-16.",
            'Save it again as Shift_JIS (ANSI). Do not save it as "Unicode Text".',
        ),
    },
    (917, None): {
        "ja": Says(
            "改行コードが正しくありません。",
            "行の区切りがCRだけになっています(古いMacの形式)。",
            "改行コードにCRLF(Windows)またはLFを指定して保存し直してください。",
        ),
        "en": Says(
            "The line ends are wrong.",
            "The lines end in CR alone (an old Mac form).",
            "Save the file again with CRLF (Windows) or LF line ends.",
        ),
    },
    (918, None): {
        "ja": Says(
            "ファイルが大きすぎます。",
            "1つのTSVファイルは{0}バイトまでです(このファイルは{1}バイト)。",
            "申請を複数のファイルに分けて、1通に1ファイルずつお送りください。",
        ),
        "en": Says(
            "The file is too large.",
            "One TSV may have at most {0} bytes; this one has {1}.",
            "Split the applications into several files and send each in a mail of its own.",
        ),
    },
}

_COLUMNS: dict[tuple[int, int | None], Words] = {
    (910, None): {
        "ja": Says(
            "列数が正しくありません。",
            "1行は{1}列で、タブで区切ります。この行は{0}列です(0列は空行)。",
            "空行は削除してください。CSRは改行を取り除いて1行にしてください。空の列もタブは残してください。",
        ),
        "en": Says(
            "Wrong number of columns.",
            "A line has {1} columns separated by TABs. This one has {0} (0 means a blank line).",
            "Delete blank lines. Put the CSR on one line, without line breaks. Keep empty columns' TABs.",
        ),
    },
    (911, None): {
        "ja": Says(
            "列が二重引用符で囲まれています。",
            '申請TSVファイルでは列を「"」で囲めません(Excelで保存すると付くことがあります)。',
            'テキストエディタで、この列の前後の「"」を取り除いてください。',
        ),
        "en": Says(
            "The column is wrapped in double quotes.",
            "Columns of an application TSV may not be quoted (saving from Excel often adds quotes).",
            "Remove the double quotes around this column in a text editor.",
        ),
    },
    (201, None): {
        "ja": Says(
            "入力必須項目です。",
            "必ず入力する項目が空です。",
            "この列に値を入力してください。",
        ),
        "en": Says("This is required.", "A required column is empty.", "Fill in this column."),
    },
    (202, None): {
        "ja": Says(
            "{0}桁以内で入力してください。",
            "入力できるのは{0}文字までです({1}文字入力されています)。",
            "{0}文字以内に短くしてください。",
        ),
        "en": Says(
            "Longer than {0} characters.",
            "At most {0} characters fit here; there are {1}.",
            "Shorten it to {0} characters or fewer.",
        ),
    },
    (204, None): {
        "ja": Says(
            "半角数字で入力してください。",
            "半角数字(0~9)以外の文字が入っています。",
            "半角数字だけで入力し直してください。",
        ),
        "en": Says(
            "Not half-width digits.",
            "There are characters other than 0-9.",
            "Enter half-width digits only.",
        ),
    },
    (204, 4): {
        "ja": Says(
            "半角数字で入力してください。",
            "半角数字(0~9)以外の文字が入っています。16進数(0xやコロン区切り)のシリアル番号は使えません。",
            "証明書のシリアル番号を10進数で、半角数字だけで入力してください。"
            "10進数の番号は、取得通知や更新通知のメールに書かれています。",
        ),
        "en": Says(
            "Not half-width digits.",
            "There are characters other than 0-9. Serial numbers in hexadecimal (0x, colons) are not taken.",
            "Enter the certificate's serial number in decimal, with half-width digits only. "
            "The notices of download and renewal show it in decimal.",
        ),
    },
    (205, None): {
        "ja": Says(
            "不正な文字が含まれています。",
            "この列では使えない文字があります: {0}",
            "その文字を取り除くか、別の文字に置き換えてください。半角カナは全角カナにしてください。"
            "氏名・所属・ソフトウェア名・コメントは = + - @ で始められません。",
        ),
        "en": Says(
            "Illegal characters.",
            "There are characters that this column may not hold: {0}",
            "Remove or replace them. Use full-width katakana instead of half-width. "
            "Names, departments, software and comments may not begin with = + - @.",
        ),
    },
    (206, None): {
        "ja": Says(
            "DN形式ではありません。",
            "主体者DNの書き方が正しくありません(問題の箇所: {0})。",
            "「CN=サーバのFQDN,O=機関名,L=市区町村,ST=都道府県,C=JP」の順に、1回ずつ書いてください。"
            "OU=がある場合はCNの次に書きます。「=」の前に空白は入れません。",
        ),
        "en": Says(
            "Not in DN form.",
            "The subject DN is not well formed (at: {0}).",
            'Write "CN=<FQDN>,O=<organisation>,L=<city>,ST=<prefecture>,C=JP" in this order, each once. '
            "OU=, if any, comes after CN. No space stands before the equals sign.",
        ),
    },
    (206, 10): {
        "ja": Says(
            "メール形式ではありません。",
            "メールアドレスの形になっていません: {0}",
            "「taro@example.ac.jp」のように、アドレスを1つだけ入力してください。",
        ),
        "en": Says(
            "Not in mail address form.",
            "This is not a mail address: {0}",
            'Enter exactly one address, such as "taro@example.ac.jp".',
        ),
    },
    (909, None): {
        "ja": Says(
            "入力できない項目です。",
            "この申請の種別では使わない列に値が入っています。",
            "この列を空にしてください(タブは残します)。申請の種別(発行・更新・失効)が違う場合は、"
            "件名に正しい種別を書いて送り直してください。",
        ),
        "en": Says(
            "This column must be empty.",
            "A column that this kind of application does not use holds a value.",
            "Empty this column but keep its TAB. If the kind (issue, renew, revoke) is wrong, "
            "send it again with the right one in the subject.",
        ),
    },
}

FORM = {**_FILE, **_COLUMNS}
