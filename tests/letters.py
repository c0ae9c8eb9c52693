"""One letter of each kind and shape, and the same with hostile words in every place a person fills."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from handlers.context import Desk
from handlers.notices import (
    ApplicantDeclined,
    ApplicantDownload,
    ApplicantHeld,
    ApplicantHelp,
    ApplicantLapsed,
    ApplicantNotIssued,
    ApplicantReceived,
    ApplicantRefused,
    ApplicationView,
    Download,
    EntryView,
    Letter,
    MonitorAlarm,
    OfficerAnswer,
    OfficerApprovalRequest,
    OfficerDecided,
    OfficerDownloaded,
    OfficerForeignSerial,
    OfficerLapsed,
    OfficerNotIssued,
    RowOutcome,
    SenderEvidence,
)
from handlers.rules.reasons import Reason
from handlers.rules.row_errors import Code, RowError, row_error
from store.states import Kind, Verb

DESK = Desk("testbot", "upki@example.ac.jp", "https://certs.example.ac.jp")
NOW = datetime(2026, 11, 22, 1, 15, tzinfo=UTC)
NUMBER = "A-20261122-0007"
CODE = "1a2b3c4d-5e6f7081-92a3b4c5-d6e7f809"
DN = ("CN=test1.example.ac.jp", "O=testkikan", "L=Chiyoda-ku", "ST=Tokyo", "C=JP")
URL = "https://certs.example.ac.jp/d/q7Yk0e3ZrW8mB1tVxN5cJh2LpDgF4sAuQoRiTzKwE6M"

_WRONG_O = row_error(Code.ORGANIZATION, 1, "testkikan", "Test University")
_OUTSIDE = row_error(Code.OUTSIDE_DOMAINS, 13, "www.example.jp", "example.ac.jp")
_IGNORED = row_error(Code.CSR_NAMES_IGNORED, 7, "old.example.ac.jp")
ROWS = (RowOutcome(1, ()), RowOutcome(2, (_WRONG_O, _OUTSIDE)))


def entry(seq: int, fqdn: str) -> EntryView:
    return EntryView(
        seq=seq,
        dn=(f"CN={fqdn}", *DN[1:]),
        fqdn=fqdn,
        dns_names=(fqdn, f"www.{fqdn}"),
        unicode_names=(),
        profile_id=3,
        public_key="RSA 2048",
        public_key_sha256="0f" * 32,
        contact_name="佐藤 花子",
        contact_department="情報基盤センター 認証基盤係",
        contact_mail="hanako@example.ac.jp",
        software="Apache HTTP Server 2.4.62",
        warnings=(),
        row_line=f"Row-{seq} 0123456789abcdef CN={fqdn}",
    )


FIRST = replace(
    entry(1, "test1.example.ac.jp"),
    dns_names=("test1.example.ac.jp", "xn--r8jz45g.example.ac.jp"),
    unicode_names=("test1.example.ac.jp", "例え.example.ac.jp"),
    warnings=(_IGNORED,),
)
APPLICATION = ApplicationView(
    number=NUMBER,
    institution="試験機関",
    kind=Kind.ISSUE,
    sender="hanako@example.ac.jp",
    received_at=NOW,
    file_name="サーバ証明書申請.tsv",
    entries=(FIRST, entry(2, "test2.example.ac.jp")),
)
EVIDENCE = SenderEvidence(
    "hanako@example.ac.jp",
    "mx.example.ac.jp; dmarc=pass header.from=example.ac.jp; dkim=pass header.d=example.ac.jp",
    True,
)
REQUEST = OfficerApprovalRequest(
    application=APPLICATION,
    officer_name="山田 太郎",
    code=CODE,
    checklist=(
        "利用管理者の本人性・実在性を確認した",
        "申請内容(主体者DN、FQDN、利用管理者)が正しいことを確認した",
    ),
    deadline=date(2026, 12, 7),
    approvals_needed=1,
    evidence=EVIDENCE,
)
WAITING = Download(1, DN, 19116492781600959621911649278, URL, datetime(2026, 12, 22, 14, 59, 59, tzinfo=UTC))


def answer(reason: Reason, application: ApplicationView | None = APPLICATION) -> OfficerAnswer:
    seqs = (1, 2) if application and reason in (Reason.APPROVED, Reason.DECLINED) else ()
    code = CODE if application else None
    return OfficerAnswer(
        "山田 太郎",
        reason,
        application,
        code,
        seqs,
        "Re: 承認のお願い",
        date(2026, 12, 7) if application else None,
    )


SAMPLES: dict[str, Letter] = {
    "received": ApplicantReceived(
        APPLICATION, (RowOutcome(1, (), (_IGNORED,)), RowOutcome(2, ())), date(2026, 12, 7), False, "cp932"
    ),
    "received_one": ApplicantReceived(
        replace(APPLICATION, entries=(FIRST,)), (RowOutcome(1, ()),), date(2026, 12, 7), False, "cp932"
    ),
    "received_part": ApplicantReceived(
        replace(APPLICATION, entries=(FIRST,)), ROWS, date(2026, 12, 7), False, "utf-8"
    ),
    "received_dry": ApplicantReceived(
        APPLICATION, (RowOutcome(1, (), (_IGNORED,)), RowOutcome(2, ())), date(2026, 12, 7), True, "cp932"
    ),
    "refused": ApplicantRefused(Kind.ISSUE, "申請.tsv", (), ROWS, False),
    "refused_file": ApplicantRefused(
        Kind.ISSUE, "申請.xlsx", (row_error(Code.EXTENSION, None, "申請.xlsx"),), (), False
    ),
    "refused_dry": ApplicantRefused(Kind.ISSUE, "申請.tsv", (), ROWS, True),
    "refused_many": ApplicantRefused(
        Kind.ISSUE,
        "申請.tsv",
        (),
        tuple(
            RowOutcome(number, () if code.value >= 950 else (row_error(code, 1, "a", "b"),))
            for number, code in enumerate(Code, 1)
        ),
        False,
    ),
    "help": ApplicantHelp(Reason.PRIVATE_KEY, "証明書をお願いします"),
    "help_how": ApplicantHelp(Reason.HELP, "教えてください"),
    "declined": ApplicantDeclined(
        APPLICATION, (1, 2), "連絡先の電話番号が古いようです。確認して出し直してください。"
    ),
    "declined_part": ApplicantDeclined(APPLICATION, (2,), "不要なサーバです"),
    "held": ApplicantHeld(APPLICATION, Verb.HOLD, "本人確認の書類を待っています", date(2026, 12, 22)),
    "resumed": ApplicantHeld(APPLICATION, Verb.RESUME, "", date(2026, 12, 22)),
    "lapsed": ApplicantLapsed(APPLICATION),
    "download": ApplicantDownload(NUMBER, "佐藤 花子", (WAITING,)),
    "download_two": ApplicantDownload(NUMBER, "佐藤 花子", (WAITING, replace(WAITING, seq=2))),
    "not_issued": ApplicantNotIssued(APPLICATION, ROWS),
    "request": REQUEST,
    "request_doubtful": replace(
        REQUEST,
        approvals_needed=2,
        evidence=SenderEvidence("taro@example.ac.jp", "mx.example.ac.jp; dmarc=fail; spf=pass", False),
    ),
    "request_unknown": replace(REQUEST, evidence=SenderEvidence("taro@example.ac.jp", None, True)),
    "request_revoke": replace(REQUEST, application=replace(APPLICATION, kind=Kind.REVOKE)),
    **{f"answer_{reason}": answer(reason) for reason in Reason},
    "answer_lost": answer(Reason.NO_CODE, None),
    "answer_held_renewal": replace(answer(Reason.HELD), application=replace(APPLICATION, kind=Kind.RENEW)),
    **{
        f"decided_{verb}": OfficerDecided(
            APPLICATION,
            "鈴木 一郎",
            verb,
            (1, 2),
            "" if verb is Verb.APPROVE else "書類の不備",
            date(2026, 12, 7),
        )
        for verb in Verb
    },
    "decided_by_time": OfficerDecided(APPLICATION, None, Verb.RESUME, (1, 2), "", date(2026, 12, 7)),
    "decided_first_of_two": OfficerDecided(
        APPLICATION, "鈴木 一郎", Verb.APPROVE, (1, 2), "", date(2026, 12, 7), 1
    ),
    "answer_first_of_two": replace(answer(Reason.APPROVED), still_needed=1),
    "lapsed_officer": OfficerLapsed(APPLICATION),
    "not_issued_officer": OfficerNotIssued(APPLICATION, ROWS),
    "downloaded": OfficerDownloaded(NUMBER, DN, 1911649278160095962),
    "foreign_serial": OfficerForeignSerial(DN, 1911649278160095962, "taro@example.jp", "別の機関"),
    "alarm": MonitorAlarm("journal_broken", "entry 17 does not follow entry 16"),
}

# what a value of ours looks like whatever a person wrote: a hostile test must keep its beginning
_OURS = {"number": NUMBER, "code": CODE, "url": URL, "public_key_sha256": "0f" * 32}


def spoil(value: Any, words: str) -> Any:
    """The letter with `words` in every string a person may fill; what only we write keeps its own form."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return words
    if isinstance(value, tuple):
        return tuple(spoil(item, words) for item in value)
    if isinstance(value, RowError):
        return replace(value, values=tuple(words for _ in value.values))
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: spoil(getattr(value, f.name), words) for f in fields(value)}
        for name, ours in _OURS.items():
            if name in changed:
                changed[name] = ours
        if "dn" in changed:
            changed["dn"] = tuple(f"CN={words}" for _ in value.dn)
        if "row_line" in changed:
            changed["row_line"] = f"Row-1 0123456789abcdef CN={words}"
        return replace(value, **changed)
    return value
