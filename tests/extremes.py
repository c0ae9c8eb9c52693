"""The sample letters with the longest values that the rules let through, and with as many rows as a person may send."""

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from handlers.letters.views import ApplicationView, EntryView, RowOutcome
from handlers.rules.row_errors import RowError

_FQDN = "shib-idp-test-host.information-technology-center.cs.example.ac.jp"[:64]
_MAIL = f"{'kenkyu-kyoiku-joho-kiban.server-kanri.'}{'h' * 26}@example.ac.jp"
_DN = (
    f"CN={_FQDN}",
    "OU=Information Technology Center, Academic Information Infrastructure Division"[:67],
    "O=National University Corporation Examplegakuen University",
    "L=Kawaguchiko-machi Minamitsuru-gun",
    "ST=Yamanashi",
    "C=JP",
)
_NAMES = tuple(f"node{n:02}.information-technology-center.example.ac.jp" for n in range(1, 6))
_DEPARTMENT = (
    "学術情報メディアセンター　情報基盤部　情報推進課　認証基盤・サーバ証明書担当"
    "（「共同利用」計算機室、本館３階）付き技術専門職員"
)[:64]
_SOFTWARE = (
    "Apache HTTP Server 2.4.62（Debian 12、OpenSSL 3.0.19）／nginx 1.26.2「前段の振り分け」／"
    "Apache Tomcat 10.1.34・Shibboleth IdP 5.1.3（学内ポータル用）"
)[:128]
_COMMENT = (
    "申請者の所属が名簿と一致しませんでした（「情報基盤センター」は本年４月に「学術情報メディアセンター」へ改組されています）。"
    "部局の登録担当者に電話で確かめ、TSVファイルの９列目を新しい名称に直してから、もう一度お送りください。"
    "https://www.example.ac.jp/information-technology-center/certificates/how-to-apply.html#department も参照のこと。"
)
_SENTENCES = {
    "contact_name": "アレクサンドラ・マリア・フォン＝ホーエンツォレルン（情報基盤課）",
    "contact_department": _DEPARTMENT,
    "contact_mail": _MAIL,
    "old_mail": _MAIL,
    "new_mail": _MAIL,
    "address": _MAIL,
    "sender": _MAIL,
    "software": _SOFTWARE,
    "comment": _COMMENT[:128],
    "fqdn": _FQDN,
    "file_name": "【至急】サーバ証明書新規発行申請TSVファイル（学術情報メディアセンター・2026年度下期）最終版（2）.tsv",
    "institution": "国立大学法人例示学園大学（大学院工学研究科・附属図書館・学術情報メディアセンターを含む）",
    "other_institution": "学校法人例示学園　例示学園女子短期大学部（例示大学・例示高等学校）",
    "officer_name": "勅使河原　右京之介（学術情報メディアセンター長補佐）",
    "colleague": "勅使河原　右京之介（学術情報メディアセンター長補佐）",
    "subject": "Re: Re: 【至急】サーバ証明書の更新について（情報基盤センター）　お世話になっております、" * 3,
    "about": _FQDN,
    "why": "550 5.7.1 Our system has detected that this message is likely suspicious; please visit "
    "https://support.example.jp/mail/answer/188131?hl=ja to review our guidelines (in reply to DATA)",
    "authentication": "mx.example.ac.jp; dmarc=fail (p=quarantine sp=none) header.from=example.ac.jp; "
    "spf=softfail smtp.mailfrom=bounce+1234567890@relay.information-technology-center.example.ac.jp",
}
_ROWS = 12


def stretch(value: Any) -> Any:
    """The letter, or anything in one, with every value as long as it may be; what only we write stays as it is."""
    if isinstance(value, Enum) or not is_dataclass(value) or isinstance(value, type):
        return value
    if isinstance(value, RowError):
        return replace(value, values=tuple(_COMMENT[:90] for _ in value.values))
    changed = {f.name: _stretched(value, f.name, getattr(value, f.name)) for f in fields(value)}
    return replace(value, **changed)


def _stretched(owner: Any, name: str, value: Any) -> Any:
    if name == "reason" and type(value) is str and value:
        return _COMMENT
    if type(value) is str and value and name in _SENTENCES:
        return _SENTENCES[name]
    if name == "dn" and value:
        return _DN
    if name in ("dns_names", "names", "unicode_names") and value:
        return _NAMES
    if name == "changes" and value:
        return tuple((field, _COMMENT[:60], _NAMES[0] + " " + _NAMES[1]) for field, _, _ in value)
    if name == "row_line":
        return f"Row-{owner.seq if isinstance(owner, EntryView) else owner.index} 0123456789abcdef CN={_FQDN}"
    if isinstance(value, tuple):
        return tuple(stretch(one) for one in _more(owner, name, value))
    return stretch(value)


def _more(owner: Any, name: str, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """As many rows of an application, or of its result, as fill a screen."""
    if isinstance(owner, ApplicationView) and name == "entries":
        return tuple(replace(value[n % len(value)], seq=n + 1) for n in range(_ROWS))
    if value and isinstance(value[0], RowOutcome):
        return tuple(replace(value[n % len(value)], seq=n + 1) for n in range(_ROWS))
    return value
