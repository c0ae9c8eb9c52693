"""One letter of each kind and shape, and the same with hostile words in every place a person fills."""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from handlers.context import Desk
from handlers.letters.applicant import (
    ApplicantContactChanged,
    ApplicantDeclined,
    ApplicantDownload,
    ApplicantDownloaded,
    ApplicantExpiring,
    ApplicantHeld,
    ApplicantHelp,
    ApplicantLapsed,
    ApplicantNotDownloaded,
    ApplicantNotIssued,
    ApplicantReceived,
    ApplicantRefused,
    ApplicantReviewAnew,
    ApplicantRevoked,
    ApplicantStatus,
    ApplicantWithdrawn,
    AskedCertificate,
    AskedRow,
)
from handlers.letters.batch import (
    BatchDone,
    BatchNotDone,
    BatchPartView,
    BatchRowView,
    OfficerBatch,
    OfficerBatchAnswer,
)
from handlers.letters.lookup import (
    AllowedDomain,
    OfficerAllowlist,
    OfficerHelp,
    OfficerInventory,
    OfficerResent,
    OfficerStatistics,
    OfficerStatus,
    OfficerTimestamp,
    ResentRow,
    Standing,
    StatusApplication,
    StatusCertificate,
    StatusDecision,
    StatusRow,
)
from handlers.letters.monitor import (
    AlarmCode,
    MonitorAlarm,
    MonitorDigest,
    MonitorRecovered,
    MonitorTrouble,
    Need,
    NeedView,
    RefusedView,
    TroubleView,
    WaitingView,
)
from handlers.letters.officer import (
    OfficerAnswer,
    OfficerApprovalRequest,
    OfficerContactChanged,
    OfficerDecided,
    OfficerDownloaded,
    OfficerExpiring,
    OfficerForeignSerial,
    OfficerKeyEnding,
    OfficerLapsed,
    OfficerNotDelivered,
    OfficerNotDownloaded,
    OfficerNotIssued,
    OfficerReminder,
    OfficerRenewalDownloaded,
    OfficerReplaced,
    OfficerRevocationReminder,
    OfficerRevoked,
    OfficerWaiting,
    OfficerWithdrawn,
    UnreachedRow,
)
from handlers.letters.views import (
    ApplicationView,
    Download,
    EntryView,
    OldCertificate,
    RowOutcome,
    SenderEvidence,
    StepView,
)
from handlers.notices import Letter
from handlers.rules.reasons import Reason
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.scheme import Scheme
from handlers.rules.statistics import StatisticsLine
from store.counting import Ages, Expiring, Flow
from store.states import ApplicationState, EntryState, Kind, RevocationReason, Verb
from store.troubles import TroubleKind

DESK = Desk("testbot", "upki@example.ac.jp", "https://certs.example.ac.jp")
NOW = datetime(2026, 11, 22, 1, 15, tzinfo=UTC)
NUMBER = "A-20261122-0007"
CODE = "1a2b3c4d-5e6f7081-92a3b4c5-d6e7f809"
DN = ("CN=test1.example.ac.jp", "O=testkikan", "L=Chiyoda-ku", "ST=Tokyo", "C=JP")
TOKEN = "8FKQ-2M7T-XW4H-9RCE"
OLD_SERIAL = 1911649278160095962
NEW_SERIAL = 19116492781600959621911649278
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
STEPS = (StepView("reviewer", 1, True), StepView("", 1, False), StepView("manager", 1, False))
OLD = OldCertificate(
    serial=OLD_SERIAL,
    not_after=datetime(2026, 12, 20, 14, 59, 59, tzinfo=UTC),
    is_valid=True,
    contact_mail="hanako@example.ac.jp",
)
CHANGED = replace(
    OLD,
    is_valid=False,
    changes=(
        ("dNSName", "test2.example.ac.jp", "test2.example.ac.jp www.test2.example.ac.jp"),
        ("利用管理者氏名", "鈴木 一郎", "佐藤 花子"),
        ("利用管理者ソフトウェア名等", "", "Apache HTTP Server 2.4.62"),
    ),
)
RENEWAL = replace(
    APPLICATION,
    kind=Kind.RENEW,
    entries=(
        replace(FIRST, old=OLD),
        replace(APPLICATION.entries[1], old=CHANGED),
    ),
)


def revocation_entry(seq: int, fqdn: str, reason: RevocationReason, comment: str) -> EntryView:
    return replace(
        entry(seq, fqdn),
        dns_names=(fqdn,),
        profile_id=None,
        public_key="",
        public_key_sha256=None,
        contact_name="",
        contact_department="",
        software="",
        old=OLD,
        reason=reason,
        comment=comment,
    )


REVOCATION = replace(
    APPLICATION,
    kind=Kind.REVOKE,
    entries=(
        revocation_entry(1, "test1.example.ac.jp", RevocationReason.CESSATION_OF_OPERATION, ""),
        revocation_entry(2, "test2.example.ac.jp", RevocationReason.UNSPECIFIED, "サーバを廃止したため"),
    ),
)
COMPROMISE = replace(
    REVOCATION,
    entries=(
        revocation_entry(1, "test1.example.ac.jp", RevocationReason.KEY_COMPROMISE, "鍵が漏えいしました"),
    ),
)
REPLACED = replace(
    REVOCATION,
    entries=(
        revocation_entry(1, "test1.example.ac.jp", RevocationReason.UNSPECIFIED, "更新に伴う旧証明書の失効"),
    ),
)
EXPIRING = ("test1.example.ac.jp", "www.test1.example.ac.jp")
KINDS = {Kind.ISSUE: APPLICATION, Kind.RENEW: RENEWAL, Kind.REVOKE: REVOCATION}
WAITING = Download(1, DN, 19116492781600959621911649278, URL, datetime(2026, 12, 22, 14, 59, 59, tzinfo=UTC))

STATUS_APPLICATION = StatusApplication(
    number=NUMBER,
    kind=Kind.ISSUE,
    state=ApplicationState.OPEN,
    sender="hanako@example.ac.jp",
    received_at=NOW,
    deadline=date(2026, 12, 7),
    entries=(
        StatusRow(1, "test1.example.ac.jp", EntryState.ISSUED, 19116492781600959621911649278),
        StatusRow(2, "test2.example.ac.jp", EntryState.WAITING, None),
    ),
    decisions=(
        StatusDecision("suzuki", Verb.APPROVE, (1,), "", NOW),
        StatusDecision("tanaka", Verb.HOLD, (2,), "電話で確認しています", NOW),
    ),
)
STATUS_CERTIFICATE = StatusCertificate(
    serial=19116492781600959621911649278,
    dn=DN,
    number=NUMBER,
    seq=1,
    standing=Standing.REVOKED,
    profile_id=3,
    not_before=NOW,
    not_after=NOW,
    issued_at=NOW,
    downloaded_at=NOW,
    revoked_at=NOW,
    contact_name="佐藤 花子",
    contact_department="情報基盤センター 認証基盤係",
    contact_mail="hanako@example.ac.jp",
    software="Apache HTTP Server 2.4.62",
)


BATCH_NUMBER = "B-20261122-testkikan"


def batch_part(
    application: ApplicationView, first: int, number: str = NUMBER, **changes: Any
) -> BatchPartView:
    """Its rows numbered from `first`; all of them can be decided, unless `changes` say otherwise."""
    entries = tuple(
        replace(e, row_line=e.row_line.replace(f"Row-{e.seq}", f"Row-{first + at}"))
        for at, e in enumerate(application.entries)
    )
    indexes = tuple(range(first, first + len(entries)))
    part = BatchPartView(
        application=replace(application, number=number, entries=entries),
        first=first,
        last=indexes[-1],
        deadline=date(2026, 12, 7),
        is_urgent=False,
        sender_is_contact=True,
        mine=indexes,
        not_now=None,
    )
    return replace(part, **changes)


def batch_row(index: int, seq: int) -> BatchRowView:
    name = f"test{index}.example.ac.jp"
    return BatchRowView(index, seq, name, f"Row-{index} 0123456789abcdef CN={name}")


BATCH = OfficerBatch(
    officer_name="山田 太郎",
    number=BATCH_NUMBER,
    code=CODE,
    parts=(
        batch_part(COMPROMISE, 1, "A-20261122-0011", is_urgent=True),
        batch_part(REVOCATION, 2, "A-20261120-0002"),
        batch_part(APPLICATION, 4, deadline=date(2026, 12, 4)),
        batch_part(RENEWAL, 6, "A-20261122-0009", mine=(7,), not_now=Reason.REPEATED),
        batch_part(
            replace(APPLICATION, sender="taro@example.ac.jp"),
            8,
            "A-20261122-0010",
            sender_is_contact=False,
            mine=(),
            not_now=Reason.NOT_YOUR_STEP,
        ),
    ),
    approve=(4, 5, 7),
    revoke=(1, 2, 3),
    checklist=(),
    left_out=(),
)
BATCH_ANSWER = OfficerBatchAnswer(
    officer_name="山田 太郎",
    number=BATCH_NUMBER,
    reason=Reason.PARTLY,
    done=(
        BatchDone("A-20261122-0007", (batch_row(4, 1), batch_row(5, 2)), 0),
        BatchDone("A-20261122-0009", (batch_row(7, 2),), 1),
    ),
    not_done=(
        BatchNotDone("A-20261122-0010", (batch_row(8, 1),), Reason.NOT_YOUR_STEP),
        BatchNotDone("A-20261122-0012", (batch_row(9, 1),), Reason.ON_HOLD),
        BatchNotDone("A-20261122-0013", (batch_row(10, 1),), Reason.ON_HOLD),
    ),
    approve=(),
    revoke=(batch_row(1, 1), batch_row(2, 1), batch_row(3, 2)),
    code=CODE,
    subject=f"Re: [Ringi] {BATCH_NUMBER} 決定待ちの申請5件(9行)",
)


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


DIGEST = MonitorDigest(
    since=datetime(2026, 11, 20, 22, tzinfo=UTC),
    until=datetime(2026, 11, 21, 22, tzinfo=UTC),
    next_at=datetime(2026, 11, 22, 22, tzinfo=UTC),
    troubles=(
        TroubleView(
            TroubleKind.DISK,
            1,
            datetime(2026, 11, 20, 3, 20, tzinfo=UTC),
            ("/var/lib/ringi: 812 MB / 20480 MB (< 1024 MB)",),
        ),
        TroubleView(
            TroubleKind.NO_OFFICER,
            7,
            datetime(2026, 11, 1, 3, 20, tzinfo=UTC),
            tuple(f"kikan{n}: 0" for n in range(5)),
        ),
    ),
    needs=(
        NeedView(Need.UNISSUED, 1, (NUMBER,)),
        NeedView(Need.SET_ASIDE, 7, tuple(f"{id} (too_large)" for id in range(17, 22))),
        *(NeedView(kind, 1, (NUMBER,)) for kind in Need if kind not in (Need.UNISSUED, Need.SET_ASIDE)),
    ),
    flow=Flow(41, 40, 12, 27, 8, 5, 1, 9, 11, 1, 14, 1, 13, 2, 66, 2),
    refused=(
        RefusedView("row_fault", Reason.ROW_FAULT, 5),
        RefusedView("unsigned", Reason.UNSIGNED, 2),
        RefusedView("of_a_newer_version", None, 1),
    ),
    undecided=Ages(3, 2, 1),
    unfetched=Ages(4, 0, 2),
    waiting=(
        WaitingView("テスト機関", 5, 9, datetime(2026, 11, 24, 14, 59, 59, tzinfo=UTC), 2, 15),
        WaitingView("例示大学", 0, 0, None, 4, 0),
        WaitingView("見本研究所", 1, 3, None, 0, 0),
    ),
    others=2,
    expiring=(Expiring(7, 3, 1), Expiring(30, 21, 15)),
    received=(*(0, 31, 28, 35, 40, 22, 3) * 4, 38, 41),
    issued=(*(0, 10, 7, 12, 9, 8, 0) * 4, 11, 14),
    entries=1841,
    head="0f" * 32,
)
SAMPLES: dict[str, Letter] = {
    "received": ApplicantReceived(
        APPLICATION,
        (RowOutcome(1, (), (_IGNORED,)), RowOutcome(2, ())),
        date(2026, 12, 7),
        False,
        "cp932",
        TOKEN,
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
    "request_renew": replace(REQUEST, application=RENEWAL),
    "request_revoke": replace(REQUEST, application=REVOCATION),
    "request_urgent": replace(REQUEST, application=COMPROMISE, is_urgent=True),
    **{
        f"received_{kind}": ApplicantReceived(
            KINDS[kind], (RowOutcome(1, ()), RowOutcome(2, ())), date(2026, 12, 7), False, "cp932", TOKEN
        )
        for kind in (Kind.RENEW, Kind.REVOKE)
    },
    **{
        f"refused_{kind}": ApplicantRefused(kind, "申請.tsv", (), ROWS, False)
        for kind in (Kind.RENEW, Kind.REVOKE)
    },
    **{
        f"declined_{kind}": ApplicantDeclined(KINDS[kind], (1, 2), "連絡先が古いようです")
        for kind in (Kind.RENEW, Kind.REVOKE)
    },
    "resumed_revoke": ApplicantHeld(REVOCATION, Verb.RESUME, "", date(2026, 12, 22)),
    "lapsed_revoke": ApplicantLapsed(REVOCATION),
    "not_issued_revoke": ApplicantNotIssued(REVOCATION, ROWS),
    **{f"answer_{reason}": answer(reason) for reason in Reason},
    "answer_lost": answer(Reason.NO_CODE, None),
    "answer_held_renewal": answer(Reason.HELD, RENEWAL),
    "answer_approved_renewal": answer(Reason.APPROVED, RENEWAL),
    "answer_approved_revocation": answer(Reason.APPROVED, REVOCATION),
    "answer_wrong_verb_revocation": answer(Reason.WRONG_VERB, REVOCATION),
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
    **{
        f"decided_{verb}_revocation": OfficerDecided(
            REVOCATION, "鈴木 一郎", verb, (1, 2), "" if verb is Verb.APPROVE else "書類の不備"
        )
        for verb in (Verb.APPROVE, Verb.DECLINE)
    },
    "decided_by_time": OfficerDecided(APPLICATION, None, Verb.RESUME, (1, 2), "", date(2026, 12, 7)),
    "decided_first_of_two": OfficerDecided(
        APPLICATION, "鈴木 一郎", Verb.APPROVE, (1, 2), "", date(2026, 12, 7), 1
    ),
    "answer_first_of_two": replace(answer(Reason.APPROVED), still_needed=1),
    "decided_next_role": OfficerDecided(
        *(APPLICATION, "鈴木 一郎", Verb.APPROVE, (1, 2), "", date(2026, 12, 7), 1, "manager", True)
    ),
    "decided_not_my_turn": OfficerDecided(
        *(APPLICATION, "鈴木 一郎", Verb.APPROVE, (1, 2), "", date(2026, 12, 7), 1, "manager", False)
    ),
    "decided_resume_not_my_turn": OfficerDecided(
        *(APPLICATION, "鈴木 一郎", Verb.RESUME, (1, 2), "", date(2026, 12, 7), 1, "manager", False)
    ),
    "answer_next_role": replace(answer(Reason.APPROVED), still_needed=1, role="manager"),
    "request_steps": replace(REQUEST, steps=STEPS, approvals_needed=2),
    "request_anew": replace(REQUEST, is_anew=True),
    "request_anew_held": replace(REQUEST, is_anew=True, is_held=True, steps=STEPS, approvals_needed=2),
    "received_no_policy": ApplicantReceived(
        APPLICATION, (RowOutcome(1, ()), RowOutcome(2, ())), None, False, "cp932", TOKEN
    ),
    "received_dry_no_policy": ApplicantReceived(
        APPLICATION, (RowOutcome(1, ()), RowOutcome(2, ())), None, True, "cp932"
    ),
    "review_anew": ApplicantReviewAnew(APPLICATION, date(2026, 12, 7)),
    "review_stopped": ApplicantReviewAnew(APPLICATION, None),
    "waiting_no_policy": OfficerWaiting(APPLICATION, False, False),
    "waiting_policy_gone": OfficerWaiting(APPLICATION, True, False),
    "waiting_for_turn": OfficerWaiting(APPLICATION, True, True),
    "lapsed_officer": OfficerLapsed(APPLICATION),
    "lapsed_officer_revoke": OfficerLapsed(REVOCATION),
    "not_issued_officer": OfficerNotIssued(APPLICATION, ROWS),
    "not_issued_officer_revoke": OfficerNotIssued(REVOCATION, ROWS),
    "downloaded": OfficerDownloaded(NUMBER, DN, 1911649278160095962),
    "renewal_downloaded": OfficerRenewalDownloaded(NUMBER, DN, NEW_SERIAL, OLD_SERIAL, True),
    "renewal_downloaded_old_gone": OfficerRenewalDownloaded(NUMBER, DN, NEW_SERIAL, OLD_SERIAL, False),
    **{
        f"replace_day_{days}": ApplicantDownloaded(NUMBER, DN, NEW_SERIAL, OLD_SERIAL, TOKEN, days)
        for days in (0, 7, 13)
    },
    "replaced": OfficerReplaced(REPLACED, "山田 太郎", CODE, date(2026, 12, 7)),
    "revocation_reminder": OfficerRevocationReminder(NUMBER, DN, OLD_SERIAL),
    "revoked_officer": OfficerRevoked(NUMBER, DN, OLD_SERIAL, RevocationReason.UNSPECIFIED),
    **{
        f"revoked_{reason}": ApplicantRevoked(NUMBER, DN, OLD_SERIAL, reason.value)
        for reason in RevocationReason
    },
    **{
        f"reminder_{kind}": OfficerReminder(KINDS[kind], "山田 太郎", CODE, date(2026, 12, 7), False)
        for kind in Kind
    },
    "reminder_urgent": OfficerReminder(COMPROMISE, "山田 太郎", CODE, date(2026, 12, 7), True),
    "withdrawn": ApplicantWithdrawn(APPLICATION, None),
    "withdrawn_revoke": ApplicantWithdrawn(REVOCATION, None),
    "withdrawn_for_another": ApplicantWithdrawn(APPLICATION, "A-20261122-0008"),
    "withdrawn_officer": OfficerWithdrawn(APPLICATION, None),
    "withdrawn_officer_for_another": OfficerWithdrawn(APPLICATION, "A-20261122-0008"),
    "not_downloaded": ApplicantNotDownloaded(NUMBER, DN, NEW_SERIAL, WAITING.expires_at),
    "not_downloaded_officer": OfficerNotDownloaded(
        NUMBER, DN, NEW_SERIAL, "佐藤 花子", "hanako@example.ac.jp", WAITING.expires_at
    ),
    "not_delivered": OfficerNotDelivered(
        NUMBER,
        (UnreachedRow("test1.example.ac.jp", DN, NEW_SERIAL),),
        "佐藤 花子",
        "hanako@example.ac.jp",
        "550 5.1.1 <hanako@example.ac.jp>: user unknown",
        is_download=True,
        may_resend=True,
    ),
    "not_delivered_fetched": OfficerNotDelivered(
        NUMBER,
        (UnreachedRow("test1.example.ac.jp", DN, NEW_SERIAL),),
        "佐藤 花子",
        "hanako@example.ac.jp",
        "5.2.2 full",
        is_download=True,
        may_resend=False,
    ),
    "not_delivered_receipt": OfficerNotDelivered(
        NUMBER,
        (UnreachedRow("test1.example.ac.jp", DN, None), UnreachedRow("test2.example.ac.jp", DN, None)),
        "",
        "taro@example.jp",
        "5.2.2 full",
        is_download=False,
        may_resend=False,
    ),
    "foreign_serial": OfficerForeignSerial(DN, 1911649278160095962, "taro@example.jp", "別の機関"),
    "inventory": OfficerInventory("山田 太郎", "serverAll.tsv", 120, None, None),
    "inventory_url": OfficerInventory(
        "山田 太郎",
        "serverAll.tsv",
        4_800,
        f"https://ra.example.ac.jp/f/{'x' * 43}",
        WAITING.expires_at,
    ),
    "statistics": OfficerStatistics(
        "山田 太郎",
        "statistics.tsv",
        NOW,
        (
            StatisticsLine(3, date(2026, 10, 1), 12, 4, 1, 11),
            StatisticsLine(3, None, 12, 4, 1, 11),
            StatisticsLine(11, date(2026, 11, 1), 1, 0, 0, 1),
            StatisticsLine(11, None, 1, 0, 0, 1),
        ),
    ),
    "statistics_none": OfficerStatistics("山田 太郎", "statistics.tsv", NOW, ()),
    "allowlist": OfficerAllowlist(
        "山田 太郎",
        "allowlist.tsv",
        "testkikan",
        (
            AllowedDomain("example.ac.jp", date(2027, 3, 31), True),
            AllowedDomain("example.jp", None, False),
        ),
        ("Library", "Computing Center"),
    ),
    "allowlist_no_units": OfficerAllowlist(
        "山田 太郎", "allowlist.tsv", "testkikan", (AllowedDomain("example.ac.jp", None, False),), ()
    ),
    "status": OfficerStatus("山田 太郎", "", (STATUS_APPLICATION,), (), True, False),
    "status_none": OfficerStatus("山田 太郎", "", (), (), False, False),
    "status_certificate": OfficerStatus(
        "山田 太郎", str(WAITING.serial), (), (STATUS_CERTIFICATE,), False, True
    ),
    "status_name": OfficerStatus(
        "山田 太郎", "test1.example.ac.jp", (STATUS_APPLICATION,), (STATUS_CERTIFICATE,), False, False
    ),
    "resent": OfficerResent(
        "山田 太郎", NUMBER, (ResentRow(1, "test1.example.ac.jp", "hanako@example.ac.jp", NOW),)
    ),
    "timestamp": OfficerTimestamp("山田 太郎", "http://timestamp.example.jp/tsa"),
    "timestamp_none": OfficerTimestamp("山田 太郎", None),
    "help_officer": OfficerHelp("山田 太郎"),
    "status_applicant": ApplicantStatus(
        "test1.example.ac.jp",
        (AskedRow(NUMBER, Kind.ISSUE, EntryState.WAITING, NOW, date(2026, 12, 7)),),
        (AskedCertificate(1911649278160095962, Standing.VALID, NOW),),
    ),
    "contact_changed": ApplicantContactChanged(
        DN, 1911649278160095962, "old@example.ac.jp", "new@example.ac.jp"
    ),
    "contact_changed_officer": OfficerContactChanged("山田 太郎", (1911649278160095962,)),
    **{
        f"expiring_{days}": ApplicantExpiring(
            NUMBER, DN, EXPIRING, OLD_SERIAL, OLD.not_after, days, None, "1911-test1-renewal.tsv"
        )
        for days in (60, 1, 0)
    },
    "expiring_pending": ApplicantExpiring(
        NUMBER, DN, EXPIRING, OLD_SERIAL, OLD.not_after, 7, "A-20261122-0008", ""
    ),
    "expiring_bare": ApplicantExpiring(NUMBER, DN, EXPIRING, OLD_SERIAL, OLD.not_after, 7, None, ""),
    **{
        f"expiring_officer_{days}": OfficerExpiring(
            *(NUMBER, DN, EXPIRING, OLD_SERIAL, OLD.not_after, days),
            *("佐藤 花子", "hanako@example.ac.jp", None, "1911-test1-renewal.tsv"),
        )
        for days in (7, 1, 0)
    },
    "expiring_officer_pending": OfficerExpiring(
        *(NUMBER, DN, EXPIRING, OLD_SERIAL, OLD.not_after, 1),
        *("佐藤 花子", "hanako@example.ac.jp", "A-20261122-0008", ""),
    ),
    **{
        f"key_ending_{scheme.value}_{days}": OfficerKeyEnding(
            "登録 次郎", "テスト機関", scheme, pin, OLD.not_after, days
        )
        for scheme, pin in (
            (Scheme.OPENPGP, "0123456789ABCDEF" * 2 + "01234567"),
            (Scheme.SMIME, "0123456789ABCDEF" * 4),
        )
        for days in (30, 1, 0)
    },
    "batch": BATCH,
    "batch_daily": replace(
        BATCH, checklist=REQUEST.checklist, left_out=("A-20261122-0020", "A-20261122-0021")
    ),
    "batch_small": replace(BATCH, parts=BATCH.parts[2:3], approve=(4, 5), revoke=()),
    "batch_revocations": replace(BATCH, parts=BATCH.parts[1:2], approve=(), revoke=(2, 3)),
    "batch_answer": BATCH_ANSWER,
    "batch_answer_approved": replace(
        BATCH_ANSWER, reason=Reason.APPROVED, not_done=(), revoke=(), done=BATCH_ANSWER.done[:1]
    ),
    "batch_answer_declined": replace(
        BATCH_ANSWER, reason=Reason.DECLINED, not_done=(), done=(BatchDone(NUMBER, (batch_row(4, 1),), 0),)
    ),
    "batch_answer_none": replace(
        BATCH_ANSWER,
        reason=Reason.ON_HOLD,
        done=(),
        not_done=BATCH_ANSWER.not_done[1:2],
        approve=(batch_row(4, 1),),
        revoke=(),
    ),
    "batch_answer_none_mixed": replace(BATCH_ANSWER, reason=Reason.NOT_YOUR_STEP, done=()),
    "batch_answer_wrong_verb": replace(BATCH_ANSWER, reason=Reason.WRONG_VERB, done=(), not_done=()),
    "batch_answer_foreign": replace(
        BATCH_ANSWER,
        reason=Reason.FOREIGN_INSTITUTION,
        done=(),
        not_done=(),
        approve=(),
        revoke=(),
        code=None,
    ),
    "digest": DIGEST,
    "digest_well": replace(DIGEST, troubles=(), needs=(), refused=(), waiting=DIGEST.waiting[1:], others=0),
    **{
        f"alarm_{code}": MonitorAlarm(
            code, f"{NUMBER}, SEQ [3, 7]: 931 what officers signed is not what is stored"
        )
        for code in AlarmCode
    },
    **{
        f"trouble_{kind}": MonitorTrouble(
            kind, "/var/lib/ringi", "812 MB of 20480 MB are left", NOW, kind == "own_key"
        )
        for kind in TroubleKind
    },
    **{f"recovered_{kind}": MonitorRecovered(kind, "/var/lib/ringi", NOW, NOW) for kind in TroubleKind},
}

# what a value of ours looks like whatever a person wrote: a hostile test must keep its beginning
_OURS = {"number": NUMBER, "code": CODE, "url": URL, "token": TOKEN, "public_key_sha256": "0f" * 32}


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
