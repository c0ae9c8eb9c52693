"""Application TSVs with real CSRs: what a good row is, and how to spoil one thing in it."""

import base64
from datetime import date
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from handlers.rules.checks import CheckedRow, IssueRules, check_issue_rows
from handlers.rules.profile import DEFAULT_PROFILES
from handlers.rules.register import Domain, Institution, Officer
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn
from handlers.rules.tsv import Row, read_row

FQDN = "test1.example.ac.jp"
DN = f"CN={FQDN},O=testkikan,L=Chiyoda-ku,ST=Tokyo,C=JP"
OFFICER = Officer(
    id="hanako", name="登録 花子", addresses=("hanako@example.ac.jp",), notify="hanako@example.ac.jp"
)
TESTKIKAN = Institution(
    id="testkikan",
    digest="0" * 64,
    name="テスト機関",
    domains=(
        Domain(name="example.ac.jp", vetted_until=date(2027, 3, 31)),
        Domain(name="example.jp"),
    ),
    organization="testkikan",
    state="Tokyo",
    locality="Chiyoda-ku",
    organizational_units=("Library",),
    applicant_domains=("example.ac.jp",),
    officers=(OFFICER,),
)
RULES = IssueRules(TESTKIKAN, DEFAULT_PROFILES)


def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same key for the same number, all through the session: making one takes long."""
    return _rsa_key(number, bits)


def ec_key(number: int = 0, curve: type[ec.EllipticCurve] = ec.SECP384R1) -> ec.EllipticCurvePrivateKey:
    """The same key for the same number and curve."""
    return _ec_key(number, curve)


# a cache tells f() from f(0): it stands behind functions whose arguments are always all given
@cache
def _rsa_key(number: int, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def _ec_key(number: int, curve: type[ec.EllipticCurve]) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def subject(text: str) -> x509.Name:
    """The X.509 name of a DN's text."""
    dn = parse_subject_dn(text)
    assert isinstance(dn, SubjectDN)
    return dn.to_x509()


def csr_der(
    name: str | x509.Name = DN,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    digest: hashes.HashAlgorithm | None = None,
    names: tuple[x509.GeneralName, ...] = (),
) -> bytes:
    """A request in DER, by default with the first RSA key and SHA-256."""
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(subject(name) if isinstance(name, str) else name)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    request = builder.sign(key or rsa_key(), digest or hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def one_line(der: bytes) -> str:
    """Bare base64 on one line, as column 7 holds it."""
    return base64.b64encode(der).decode()


@cache
def good_csr(name: str = DN, number: int = 0) -> str:
    """Column 7 of a good row."""
    return one_line(csr_der(name, rsa_key(number)))


def good_cells(**changes: str) -> list[str]:
    """The thirteen cells of a good row; `c8="…"` changes column 8."""
    cells = [
        DN,
        "3",
        "",
        "",
        "",
        "",
        "",
        "申請 太郎",
        "情報基盤センター",
        "taro@example.ac.jp",
        FQDN,
        "Apache 2.4",
        "",
    ]
    cells[6] = changes.pop("c7", None) or good_csr()
    for column, value in changes.items():
        cells[int(column.removeprefix("c")) - 1] = value
    return cells


def row_of(cells: list[str], seq: int = 1) -> Row:
    return read_row(seq, "\t".join(cells).encode(), "UTF-8")


def check(cells: list[str], rules: IssueRules = RULES) -> CheckedRow:
    """One row through all the rules."""
    (checked,) = check_issue_rows((row_of(cells),), rules)
    return checked


def institution_with(**changes: object) -> IssueRules:
    """The rules of an institution that differs in some fields."""
    return IssueRules(TESTKIKAN.model_copy(update=changes), DEFAULT_PROFILES)
