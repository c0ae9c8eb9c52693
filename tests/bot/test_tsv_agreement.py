"""The TSV tool's script and the rules judge the same rows alike: codes, columns, values and words."""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.context import Desk
from handlers.rules.characters import standing
from handlers.rules.checks import IssueRules, check_issue_rows
from handlers.rules.contact_update import check_contact_rows
from handlers.rules.profile import DEFAULT_PROFILES, Profile
from handlers.rules.register import Institution
from handlers.rules.revocation import check_revoke_rows
from handlers.rules.row_errors import RowError
from handlers.rules.tsv import guess_kind, read_row, write_row
from handlers.rules.tsv_tables import LEFT_TO_SERVICE
from store.states import Kind
from tests.rules import test_checks, test_contact_update, test_revocation
from tests.rules.issue_rows import (
    DN,
    FQDN,
    TESTKIKAN,
    csr_der,
    ec_key,
    good_cells,
    good_csr,
    one_line,
    row_of,
    rsa_key,
    subject,
)
from tests.rules.weak_rsa import roca_key
from tests.tsv_judge import JsJudge, js_judge

Rows = Sequence[Sequence[str]]
INSTITUTIONS = (
    TESTKIKAN,
    TESTKIKAN.model_copy(update={"id": "forbids", "ou_policy": "forbid", "allow_wildcard": True}),
    TESTKIKAN.model_copy(update={"id": "drops", "ou_policy": "drop"}),
)
OLD_PROFILE = Profile(id=21, key="rsa2048", csr_digests=("sha1", "sha512"))
PROFILES = (*DEFAULT_PROFILES, OLD_PROFILE)
DESK = Desk(
    instance="ringi", address="ra@example.ac.jp", public_url="https://ra.example.ac.jp", profiles=PROFILES
)


@pytest.fixture(scope="module")
def judge(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsJudge]:
    with js_judge(need("node"), tmp_path_factory.mktemp("js"), DESK, INSTITUTIONS) as running:
        yield running


@pytest.fixture(scope="module")
def strict_judge(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[JsJudge]:
    desk = replace(DESK, strict_jisx0208=True)
    with js_judge(need("node"), tmp_path_factory.mktemp("js"), desk, INSTITUTIONS) as running:
        yield running


def by_rules(kind: str, rows: Rows, institution: Institution, *, strict: bool) -> list[list[RowError]]:
    read = tuple(row_of(list(cells), seq) for seq, cells in enumerate(rows, 1))
    if kind == "revoke":
        checked: Sequence[object] = check_revoke_rows(read, strict_jisx0208=strict)
    elif kind == "contact":
        checked = check_contact_rows(read, strict_jisx0208=strict)
    else:
        rules = IssueRules(institution, PROFILES, strict_jisx0208=strict, kind=Kind(kind))
        checked = check_issue_rows(read, rules)
    return [
        [e for e in (*row.errors, *row.warnings) if e.code not in LEFT_TO_SERVICE]  # type: ignore[attr-defined]
        for row in checked
    ]


def assert_agreed(
    judge: JsJudge, kind: str, rows: Rows, institution: Institution = TESTKIKAN, *, strict: bool = False
) -> None:
    expected = by_rules(kind, rows, institution, strict=strict)
    for language in ("ja", "en"):
        answer = judge.ask("judge", kind=kind, rows=rows, institution=institution.id, language=language)
        shown = [
            [
                (e["code"], e["column"], tuple(e["values"]), *e["said"].values())
                for e in row["errors"] + row["warnings"]
            ]
            for row in answer
        ]
        assert shown == [
            [
                (e.code, e.column, e.values, e.cell(language), e.cause(language), e.remedy(language))
                for e in row
            ]
            for row in expected
        ]


def corpus(faults: Sequence[object]) -> list[list[str]]:
    return [list(param.values[0]) for param in faults]  # type: ignore[attr-defined]


@pytest.mark.parametrize("institution", INSTITUTIONS, ids=lambda one: one.id)
@pytest.mark.parametrize("kind", ["issue", "renew"])
def test_requests_of_the_rules_own_cases(judge: JsJudge, kind: str, institution: Institution) -> None:
    for cells in corpus(test_checks.FAULTS):
        assert_agreed(judge, kind, [cells], institution)


@pytest.mark.parametrize(
    ("kind", "faults"), [("revoke", test_revocation.FAULTS), ("contact", test_contact_update.FAULTS)]
)
def test_rows_with_serials_of_the_rules_own_cases(
    judge: JsJudge, kind: str, faults: Sequence[object]
) -> None:
    for cells in corpus(faults):
        assert_agreed(judge, kind, [cells])


def test_strict_characters_of_the_rules_own_cases(strict_judge: JsJudge) -> None:
    for cells in corpus(test_checks.FAULTS):
        assert_agreed(strict_judge, "issue", [cells], strict=True)
    assert_agreed(strict_judge, "issue", [good_cells(c8="髙橋 花子", c9="㈱試験")], strict=True)


def test_rows_that_repeat_each_other(judge: JsJudge) -> None:
    other = good_cells(c1=DN.replace(FQDN, "b.example.ac.jp"), c11="b.example.ac.jp")
    assert_agreed(judge, "issue", [good_cells(), good_cells(), other, good_cells(c11=FQDN.upper())])
    rows = [test_revocation.cells_of(), test_revocation.cells_of(c4="0001911649278160095962"), ["x"]]
    assert_agreed(judge, "revoke", rows)


KEYS = {
    "rsa2048": lambda: rsa_key(),
    "rsa1024": lambda: rsa_key(bits=1024),
    "p256": lambda: ec_key(curve=ec.SECP256R1),
    "p384": lambda: ec_key(),
    "p521": lambda: ec_key(curve=ec.SECP521R1),
    "k1": lambda: ec_key(curve=ec.SECP256K1),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
DIGESTS = [hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()]


@pytest.mark.parametrize("digest", DIGESTS, ids=lambda digest: digest.name)
@pytest.mark.parametrize("key", KEYS)
def test_requests_of_every_key_and_digest(judge: JsJudge, key: str, digest: hashes.HashAlgorithm) -> None:
    name = subject(DN)
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.sign(KEYS[key](), None if key == "ed25519" else digest)
    text = one_line(request.public_bytes(Encoding.DER))
    assert_agreed(
        judge, "issue", [good_cells(c2=profile, c7=text) for profile in ("3", "11", "21", "5", "x")]
    )


@pytest.mark.parametrize("digest", DIGESTS, ids=lambda digest: digest.name)
def test_a_request_signed_by_rsa_pss(judge: JsJudge, digest: hashes.HashAlgorithm) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(DN))
    padding = PSS(MGF1(digest), PSS.DIGEST_LENGTH)
    request = builder.sign(rsa_key(), digest, rsa_padding=padding)  # type: ignore[arg-type]
    text = one_line(request.public_bytes(Encoding.DER))
    assert_agreed(judge, "issue", [good_cells(c2=profile, c7=text) for profile in ("3", "21")])


NAMES = {
    "C first, as openssl writes it": [(NameOID.COUNTRY_NAME, "JP"), (NameOID.COMMON_NAME, FQDN)],
    "a mail address": [*subject(DN), (NameOID.EMAIL_ADDRESS, "taro@example.ac.jp")],
    "a type we do not use": [*subject(DN), (NameOID.STREET_ADDRESS, "1-1")],
    "Japanese": [(NameOID.ORGANIZATION_NAME, "京都大学"), (NameOID.COMMON_NAME, FQDN)],
    "spaces around": [(NameOID.ORGANIZATION_NAME, " testkikan "), (NameOID.COMMON_NAME, FQDN)],
    "two units": [(NameOID.ORGANIZATIONAL_UNIT_NAME, "B"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "A")],
    "nothing": [],
}


@pytest.mark.parametrize("pairs", NAMES.values(), ids=NAMES)
def test_requests_of_other_subjects(judge: JsJudge, pairs: Sequence[object]) -> None:
    named = [one if isinstance(one, x509.NameAttribute) else x509.NameAttribute(*one) for one in pairs]  # type: ignore[misc]
    assert_agreed(judge, "issue", [good_cells(c7=one_line(csr_der(x509.Name(named))))])


def test_requests_with_names_of_their_own(judge: JsJudge) -> None:
    names = (x509.DNSName("A.example.ac.jp"), x509.DNSName(FQDN), x509.RFC822Name("x@example.jp"))
    assert_agreed(judge, "issue", [good_cells(c7=one_line(csr_der(names=names)), c13="a.example.ac.jp")])
    assert_agreed(judge, "issue", [good_cells(c7=one_line(csr_der(names=names[:2])))])


def test_the_forms_in_which_people_paste_a_request(judge: JsJudge) -> None:
    body = good_csr()
    for line in ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "CERTIFICATE"):
        for text in (
            f"-----BEGIN {line}-----{body}-----END {line}-----",
            f"-----BEGIN {line}-----{body}",
            body[:-4],
        ):
            assert_agreed(judge, "issue", [good_cells(c7=text)])
    for text in (
        "=" * 4,
        body + "=",
        body.rstrip("=") + "!",
        body[:100],
        body + body,
        f"{body[:64]} {body[64:]}",
    ):
        assert_agreed(judge, "issue", [good_cells(c7=text)])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), key=st.sampled_from(["rsa2048", "p384"]))
def test_a_request_with_one_byte_changed(judge: JsJudge, place: int, byte: int, key: str) -> None:
    """Whatever is broken is told by both. Only what must never differ is asked: faulty here, faulty there."""
    der = bytearray(csr_der(key=KEYS[key](), digest=hashes.SHA384()))
    der[place % len(der)] = byte
    cells = good_cells(c2="3" if key == "rsa2048" else "11", c7=one_line(bytes(der)))
    (expected,) = by_rules("issue", [cells], TESTKIKAN, strict=False)
    (answer,) = judge.ask("judge", kind="issue", rows=[cells], institution="testkikan")
    assert bool(answer["errors"]) == bool(expected), (place, byte)


# what people, spreadsheets and attackers leave in a cell
CELLS = st.one_of(
    st.sampled_from(
        [
            *good_cells(),
            "",
            " ",
            "\u3000x\u3000",
            '"x"',
            '"',
            "0",
            "1",
            "03",
            "11",
            "21",
            "9" * 40,
            "０",
            "=1+1",
            "＝1",
            "①㈱髙",
            "ｶﾅ",
            "〜～−－‖∥―—",
            "a\u202eb",
            "e\u0301",
            "𠮷野家",
            "taro@example.ac.jp",
            "taro@example.com",
            "a..b@example.jp",
            "*.example.ac.jp",
            "A.EXAMPLE.AC.JP",
            "dNSName=a.example.ac.jp, DNSNAME = b.example.jp,,c",
            "1.2.3.0x7f",
            "a--b.example.ac.jp",
            "ab--c.example.ac.jp",
            DN.replace(",O=", ",ou=Library,OU=Desk,O="),
            DN.replace("ST=Tokyo,", ""),
            DN.replace("C=JP", "C=US"),
            f"CN={'a' * 65}.example.ac.jp,O=x=y,OU=z,L=a_b,ST=c,C=JP",
            DN.replace("CN=", "cn = "),
            DN + ",C=JP",
        ]
    ),
    st.text(max_size=30).filter(lambda text: "xn--" not in text.lower()),
    st.text("CNOULST=, .example.acjp-@0x", max_size=60).filter(lambda text: "xn--" not in text),
)


def is_one_line(rows: Rows) -> bool:
    return not any(char in cell for row in rows for cell in row for char in "\t\n\ud800") and all(
        not ("\ud800" <= char <= "\udfff") for row in rows for cell in row for char in cell
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["issue", "renew", "revoke", "contact"]),
    changes=st.lists(st.dictionaries(st.integers(0, 15), CELLS, max_size=4), min_size=1, max_size=3),
    institution=st.sampled_from(INSTITUTIONS),
)
def test_rows_that_nobody_thought_of(
    judge: JsJudge, kind: str, changes: list[dict[int, str]], institution: Institution
) -> None:
    good = {"revoke": test_revocation.cells_of(), "contact": test_contact_update.cells_of()}.get(
        kind, good_cells()
    )
    rows = []
    for change in changes:
        cells = [*good, *[""] * (max(change, default=0) + 1 - len(good))]
        for place, text in change.items():
            cells[place] = text
        rows.append(cells)
    if is_one_line(rows):
        assert_agreed(judge, kind, rows, institution)


def test_every_character_of_the_plane_stands_alike(judge: JsJudge) -> None:
    chars = [chr(code) for code in range(0x20, 0x10000) if not 0xD800 <= code < 0xE000]
    differ = [
        f"U+{ord(char):04X}"
        for char, found in zip(chars, judge.ask("standings", chars=chars), strict=True)
        if standing(char).value != found
    ]
    assert differ == []


def test_a_line_has_the_bytes_that_the_rules_write(judge: JsJudge) -> None:
    codes = (code for code in range(0xA0, 0x10000) if not 0xD800 <= code < 0xF900)
    text = "".join(chr(code) for code in codes if standing(chr(code)).value != "forbidden")
    cells = ("申請 太郎", "①㈱髙﨑~～−", text)
    assert base64.b64decode(judge.ask("encode", cells=cells)["bytes"]) == write_row(cells)
    assert judge.ask("encode", cells=["a\tb", "é", "𠮷"]) == {"bad": "\té𠮷"}


def test_the_kind_is_guessed_from_the_columns_as_the_service_does(judge: JsJudge) -> None:
    rows = {
        "issue": [good_cells()],
        "renew": [good_cells(c4="12"), good_cells(c4="13")],
        "revoke": [test_revocation.cells_of()],
        None: [good_cells(), test_revocation.cells_of()],
    }
    for kind, cells in rows.items():
        assert judge.ask("kind", rows=cells) == kind
        assert guess_kind(tuple(read_row(1, "\t".join(row).encode(), "UTF-8") for row in cells)) == kind
    assert judge.ask("kind", rows=[test_contact_update.cells_of()]) == "contact"


def test_a_known_weakness_is_left_to_the_service(judge: JsJudge) -> None:
    cells = good_cells(c7=one_line(csr_der(key=roca_key())))
    checked = check_issue_rows((row_of(cells),), IssueRules(TESTKIKAN, PROFILES))
    assert [error.code for error in checked[0].errors] == [919]
    assert 919 in LEFT_TO_SERVICE
    assert_agreed(judge, "issue", [cells])
