"""The institution's certificates as one file: the layout of 証明書情報一括ダウンロード (manual 1-4-1).

Programs written for the real service's file find DN, 状態, serial, expiry and the URL's deadline in the columns they
know: 4, 12, 24, 27, 28.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509

from handlers.rules.subject_dn import subject_of
from store.states import ApplicationState, EntryState, Kind

FILE_NAME = "serverAll.tsv"
COLUMNS = (
    "発行・更新申請-申請ID",
    "発行・更新申請-種別",
    "発行・更新申請-日時",
    "主体者DN",
    "証明書プロファイルID",
    "ダウンロード方法",
    "失効対象証明書シリアル番号",
    "CSR",
    "dNSName",
    "登録担当者",
    "処理結果",
    "状態",
    "利用管理者氏名",
    "利用管理者所属",
    "利用管理者mail",
    "利用管理者FQDN",
    "利用管理者ソフトウェア名等",
    "予約",
    "予約",
    "予約",
    "承認日時",
    "発行日時",
    "ダウンロード日時",
    "証明書シリアル番号",
    "発行者DN",
    "有効期間開始",
    "有効期限",
    "URL有効期限",
    "証明書(PEM形式)",
    "失効申請-申請ID",
    "失効申請-日時",
    "失効理由",
    "失効理由コメント",
    "失効日時",
    "エラーコード",
    "備考",
)
_KINDS = {Kind.ISSUE: "1", Kind.RENEW: "2"}
_STATES = {
    EntryState.WAITING: "2",
    EntryState.APPROVED: "3",
    EntryState.SIGNING: "3",
    EntryState.ISSUED: "4",
    EntryState.DOWNLOADED: "5",
}
_RENEWED, _REVOKED, _ENDED = "6", "7", "9"
_REMARKS = {
    EntryState.DECLINED: "却下",
    EntryState.LAPSED: "審査期限切れ",
    EntryState.FAILED: "発行エラー",
    EntryState.WITHDRAWN: "取下げ",
}
_DIED = frozenset(_REMARKS)
# the em dash, which CP932 knows as the horizontal bar only
_DASH, _BAR = "—", "―"
# Unicode's categories Cc, Zl and Zp
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Issued:
    """The certificate of a row. `der` None: signing was begun. `url_until`: of the newest one-time URL."""

    serial: str
    not_before: datetime
    not_after: datetime
    der: bytes | None
    issued_at: datetime | None
    downloaded_at: datetime | None
    revoked_at: datetime | None
    is_renewed: bool
    url_until: datetime | None


@dataclass(frozen=True)
class Revocation:
    """The newest application to revoke a certificate that was not refused. `reason`: RFC 5280 5.3.1."""

    number: str
    received_at: datetime
    reason: int | None
    comment: str


@dataclass(frozen=True)
class InventoryRow:
    """One row of an application for a new certificate or a renewal, and what became of it. Times: aware UTC.

    `officers`: who approved it, by id. `failure`: the JSON list of error codes of a row that failed, or None.
    """

    number: str
    kind: Kind
    received_at: datetime
    subject_dn: str
    profile_id: int | None
    old_serial: str | None
    csr: bytes | None
    fqdn: str
    dns_names: tuple[str, ...]
    officers: str
    application_state: ApplicationState
    state: EntryState
    contact_name: str
    contact_department: str
    contact_mail: str
    software: str
    approved_at: datetime | None
    failure: str | None
    certificate: Issued | None
    revocation: Revocation | None


def state_of(row: InventoryRow) -> str:
    """Column 12 (状態): 2 waits for approval, 3 being issued, 4 waits for download, 5 issued, 6 renewed, 7 revoked,
    9 came to nothing. Expiry is read from column 27."""
    if row.certificate and row.certificate.revoked_at:
        return _REVOKED
    if row.certificate and row.certificate.is_renewed:
        return _RENEWED
    return _STATES.get(row.state, _ENDED)


def render_inventory(rows: Iterable[InventoryRow], utc_offset_hours: int) -> Iterator[bytes]:
    """The file's lines, header first, one by one: CP932, CRLF."""
    zone = timezone(timedelta(hours=utc_offset_hours))
    yield encode_line(COLUMNS)
    for row in rows:
        yield encode_line(_cells(row, zone))


def encode_line(cells: Iterable[str]) -> bytes:
    """One line of a file for download. What would break a line or a cell becomes a space, what CP932 lacks `?`."""
    return ("\t".join(map(_clean, cells)) + "\r\n").encode("cp932", "replace")


def _clean(cell: str) -> str:
    return _BREAKS.sub(" ", cell).replace(_DASH, _BAR)


def _cells(row: InventoryRow, zone: timezone) -> tuple[str, ...]:
    return (
        row.number,
        _KINDS.get(row.kind, ""),
        _moment(row.received_at, zone),
        row.subject_dn,
        "" if row.profile_id is None else str(row.profile_id),
        "",
        row.old_serial or "",
        one_line_pem("CERTIFICATE REQUEST", row.csr),
        ",".join(f"dNSName={name}" for name in row.dns_names if name != row.fqdn),
        row.officers,
        "NG" if row.state in _DIED else "OK",
        state_of(row),
        row.contact_name,
        row.contact_department,
        row.contact_mail,
        row.fqdn,
        row.software,
        *("", "", ""),
        _moment(row.approved_at, zone),
        *_certificate_cells(row.certificate, zone),
        *_revocation_cells(row.revocation, row.certificate, zone),
        ",".join(str(code) for code in json.loads(row.failure)) if row.failure else "",
        _remark(row),
    )


def _certificate_cells(certificate: Issued | None, zone: timezone) -> tuple[str, ...]:
    if certificate is None or certificate.der is None:
        return ("",) * 8
    return (
        _moment(certificate.issued_at, zone),
        _moment(certificate.downloaded_at, zone),
        certificate.serial,
        subject_of(x509.load_der_x509_certificate(certificate.der).issuer).text(),
        _moment(certificate.not_before, zone),
        _moment(certificate.not_after, zone),
        _moment(certificate.url_until, zone),
        one_line_pem("CERTIFICATE", certificate.der),
    )


def _revocation_cells(
    revocation: Revocation | None, certificate: Issued | None, zone: timezone
) -> tuple[str, ...]:
    revoked_at = _moment(certificate.revoked_at if certificate else None, zone)
    if revocation is None:
        return ("", "", "", "", revoked_at)
    return (
        revocation.number,
        _moment(revocation.received_at, zone),
        "" if revocation.reason is None else str(revocation.reason),
        revocation.comment,
        revoked_at,
    )


def _remark(row: InventoryRow) -> str:
    if row.state is EntryState.WAITING and row.application_state is ApplicationState.HELD:
        return "保留中"
    return _REMARKS.get(row.state, "")


def one_line_pem(label: str, der: bytes | None) -> str:
    """PEM without newlines, as the application TSV carries a CSR; empty for no bytes."""
    if not der:
        return ""
    return f"-----BEGIN {label}-----{base64.b64encode(der).decode('ascii')}-----END {label}-----"


def _moment(value: datetime | None, zone: timezone) -> str:
    return "" if value is None else value.astimezone(zone).strftime("%Y/%m/%d %H:%M:%S")
