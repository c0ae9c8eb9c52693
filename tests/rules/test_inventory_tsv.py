"""The files an officer gets: byte for byte what programs for the real service's file read."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from handlers.rules.allowlist_tsv import render_allowlist
from handlers.rules.inventory_tsv import (
    COLUMNS,
    InventoryRow,
    Issued,
    Revocation,
    encode_line,
    render_inventory,
    state_of,
)
from handlers.rules.register import Domain
from handlers.rules.statistics import Counted, count_certificates, render_statistics
from store.states import ApplicationState, EntryState, Kind
from tests.applications import TESTKIKAN
from tests.issued import a_certificate

JST = 9
DER = a_certificate("test1.example.ac.jp", 19116492781600959621911649278)
CERTIFICATE = Issued(
    serial="19116492781600959621911649278",
    not_before=datetime(2026, 11, 22, 15, 0, 1, tzinfo=UTC),
    not_after=datetime(2027, 12, 23, 14, 59, 59, tzinfo=UTC),
    der=DER,
    issued_at=datetime(2026, 11, 22, 15, 0, 1, tzinfo=UTC),
    downloaded_at=datetime(2026, 11, 24, 0, 0, 0, tzinfo=UTC),
    revoked_at=None,
    is_renewed=False,
    url_until=datetime(2026, 12, 23, 14, 59, 59, tzinfo=UTC),
)
ROW = InventoryRow(
    number="A-20261122-0007",
    kind=Kind.RENEW,
    received_at=datetime(2026, 11, 22, 1, 15, 0, tzinfo=UTC),
    subject_dn="CN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP",
    profile_id=3,
    old_serial="1911649278160095962",
    csr=b"csr",
    fqdn="test1.example.ac.jp",
    dns_names=("test1.example.ac.jp", "www.example.ac.jp"),
    officers="suzuki",
    application_state=ApplicationState.CLOSED,
    state=EntryState.DOWNLOADED,
    contact_name="佐藤 花子",
    contact_department="情報基盤センター",
    contact_mail="hanako@example.ac.jp",
    software="Apache 2.4",
    approved_at=datetime(2026, 11, 22, 14, 0, 0, tzinfo=UTC),
    failure=None,
    certificate=CERTIFICATE,
    revocation=None,
)


def cells(row: InventoryRow) -> list[str]:
    _, line = render_inventory([row], JST)
    return line.decode("cp932").removesuffix("\r\n").split("\t")


def test_the_file_is_what_it_is_byte_for_byte() -> None:
    header, line = render_inventory([ROW], JST)
    assert header == "\t".join(COLUMNS).encode("cp932") + b"\r\n"
    pem = base64.b64encode(DER).decode()
    assert line == (
        "A-20261122-0007\t2\t2026/11/22 10:15:00\tCN=test1.example.ac.jp,O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP\t3\t"
        "\t1911649278160095962\t-----BEGIN CERTIFICATE REQUEST-----Y3Ny-----END CERTIFICATE REQUEST-----\t"
        "dNSName=www.example.ac.jp\tsuzuki\tOK\t5\t佐藤 花子\t情報基盤センター\thanako@example.ac.jp\t"
        "test1.example.ac.jp\tApache 2.4\t\t\t\t2026/11/22 23:00:00\t2026/11/23 00:00:01\t2026/11/24 09:00:00\t"
        "19116492781600959621911649278\tCN=Test Issuing CA\t2026/11/23 00:00:01\t2027/12/23 23:59:59\t"
        f"2026/12/23 23:59:59\t-----BEGIN CERTIFICATE-----{pem}-----END CERTIFICATE-----\t\t\t\t\t\t\t\r\n"
    ).encode("cp932")


def test_programs_for_the_real_file_find_their_columns() -> None:
    assert len(COLUMNS) == 36
    known = {4: "主体者DN", 12: "状態", 24: "証明書シリアル番号", 27: "有効期限", 28: "URL有効期限"}
    assert {number: COLUMNS[number - 1] for number in known} == known
    found = cells(ROW)
    assert [found[number - 1] for number in known] == [
        ROW.subject_dn,
        "5",
        CERTIFICATE.serial,
        "2027/12/23 23:59:59",
        "2026/12/23 23:59:59",
    ]


@pytest.mark.parametrize(
    ("state", "number"),
    [
        (EntryState.WAITING, "2"),
        (EntryState.APPROVED, "3"),
        (EntryState.SIGNING, "3"),
        (EntryState.ISSUED, "4"),
        (EntryState.DOWNLOADED, "5"),
        (EntryState.DECLINED, "9"),
        (EntryState.LAPSED, "9"),
        (EntryState.FAILED, "9"),
        (EntryState.WITHDRAWN, "9"),
    ],
)
def test_every_state_has_its_number(state: EntryState, number: str) -> None:
    assert state_of(replace(ROW, state=state)) == number


def test_a_renewed_certificate_is_6_and_a_revoked_one_7() -> None:
    renewed = replace(CERTIFICATE, is_renewed=True)
    assert state_of(replace(ROW, certificate=renewed)) == "6"
    assert state_of(replace(ROW, certificate=replace(renewed, revoked_at=ROW.received_at))) == "7"


def test_a_revocation_stands_in_its_certificate_s_row() -> None:
    revoked = replace(CERTIFICATE, revoked_at=datetime(2026, 11, 25, 0, 0, 0, tzinfo=UTC))
    asked = Revocation("A-20261124-0001", datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC), 0, "運用の終了")
    assert cells(replace(ROW, certificate=revoked, revocation=asked))[29:34] == [
        "A-20261124-0001",
        "2026/11/24 12:00:00",
        "0",
        "運用の終了",
        "2026/11/25 09:00:00",
    ]


def test_a_row_that_failed_says_why() -> None:
    failed = replace(ROW, state=EntryState.FAILED, certificate=None, failure="[920, 908]")
    found = cells(failed)
    assert (found[10], found[11], found[34], found[35]) == ("NG", "9", "920,908", "発行エラー")
    assert found[21:29] == [""] * 8


def test_INJ_no_value_breaks_a_line_or_a_cell() -> None:
    hostile = replace(ROW, contact_name="a\tb\r\nc\u2028d\u0085e\x0bf", software="x\ny")
    lines = list(render_inventory([hostile], JST))
    assert len(lines) == 2
    assert all(line.count(b"\n") == 1 and line.endswith(b"\r\n") for line in lines)
    assert len(cells(hostile)) == 36
    assert cells(hostile)[12] == "a b  c d e f"


def test_what_cp932_lacks_is_a_question_mark_and_nothing_else_is() -> None:
    assert encode_line(("髙﨑①㈱〜—", "𠮷é")).decode("cp932") == "髙﨑①㈱～―\t??\r\n"


def test_rows_are_written_as_they_come() -> None:
    taken = []

    def source() -> Iterator[InventoryRow]:
        for number in range(3):
            taken.append(number)
            yield ROW

    lines = render_inventory(source(), JST)
    next(lines)
    next(lines)
    assert taken == [0]


def test_statistics_count_by_profile_and_month_of_people_s_calendar() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    later, ended = datetime(2027, 12, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)
    october = datetime(2026, 10, 31, 14, 59, 59, tzinfo=UTC)
    november = datetime(2026, 10, 31, 15, 0, 0, tzinfo=UTC)
    lines = count_certificates(
        [
            Counted(11, Kind.ISSUE, november, later, None),
            Counted(3, Kind.ISSUE, november, later, ended),
            Counted(3, Kind.RENEW, november, later, None),
            Counted(3, Kind.ISSUE, october, ended, None),
        ],
        now,
        JST,
    )
    assert [(x.profile_id, x.month, x.issued, x.renewed, x.revoked, x.valid) for x in lines] == [
        (3, date(2026, 10, 1), 1, 0, 0, 0),
        (3, date(2026, 11, 1), 2, 1, 1, 1),
        (3, None, 3, 1, 1, 1),
        (11, date(2026, 11, 1), 1, 0, 0, 1),
        (11, None, 1, 0, 0, 1),
    ]
    assert render_statistics(lines[:3]).decode("cp932").split("\r\n") == [
        "証明書プロファイルID\t年月\t発行数\t更新数\t失効数\t有効数",
        "3\t2026/10\t1\t0\t0\t0",
        "3\t2026/11\t2\t1\t1\t1",
        "3\t合計\t3\t1\t1\t1",
        "",
    ]


def test_the_allow_list_has_every_domain_with_every_unit() -> None:
    institution = TESTKIKAN.model_copy(
        update={
            "domains": (
                Domain(name="example.ac.jp", vetted_until=date(2026, 11, 24)),
                Domain(name="example.jp", vetted_until=None),
            ),
            "organizational_units": ("Library", "Computing Center"),
        }
    )
    assert render_allowlist(institution, date(2026, 11, 24)).decode("cp932").split("\r\n") == [
        "機関名(英語表記)\tドメイン\tOU\t登録日\t状態",
        "testkikan\texample.ac.jp\tLibrary\t\t有効",
        "testkikan\texample.ac.jp\tComputing Center\t\t有効",
        "testkikan\texample.jp\tLibrary\t\t無効",
        "testkikan\texample.jp\tComputing Center\t\t無効",
        "",
    ]
    without = institution.model_copy(update={"ou_policy": "forbid"})
    assert render_allowlist(without, date(2026, 11, 25)).decode("cp932").split("\r\n")[1:] == [
        "testkikan\texample.ac.jp\t\t\t無効",
        "testkikan\texample.jp\t\t\t無効",
        "",
    ]
