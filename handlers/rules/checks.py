"""Every rule for rows of a new or renewed server certificate: columns, names, CSR, the rows among themselves.

What needs the store (212, 906, 907) or the world (WHOIS) comes later and elsewhere.
"""

import re
from dataclasses import dataclass, replace
from datetime import date

from handlers.rules.column_checks import check_cells, faulty_columns, read_cells, trim_cells
from handlers.rules.columns import COLUMNS_OF
from handlers.rules.csr import Csr, check_csr
from handlers.rules.dns_names import find_name, split_dns_names
from handlers.rules.name_checks import Names, read_names
from handlers.rules.profile import Profile
from handlers.rules.register import Institution
from handlers.rules.row_errors import MOST_ERRORS_A_ROW, Code, RowError, name_columns, row_error
from handlers.rules.subject_dn import SubjectDN
from handlers.rules.tsv import Row
from store.states import Kind

_DN, _PROFILE, _OLD_SERIAL, _CSR, _MAIL, _FQDN, _DNS_NAMES = 1, 2, 4, 7, 10, 11, 13
_CN = re.compile(r"(?:^|,) *CN=([^,]*)", re.I)


@dataclass(frozen=True)
class IssueRules:
    """What the rules depend on. `blocked_keys`: an operator's list of SPKI SHA-256, in hex.

    `kind`: ISSUE or RENEW, which differ in column 4 only (manual 1-2-2). ValueError for any other.
    """

    institution: Institution
    profiles: tuple[Profile, ...]
    strict_jisx0208: bool = False
    blocked_keys: frozenset[str] = frozenset()
    kind: Kind = Kind.ISSUE

    def __post_init__(self) -> None:
        if self.kind not in (Kind.ISSUE, Kind.RENEW):
            raise ValueError(f"these are not the rules for {self.kind}")

    def __hash__(self) -> int:
        # all of a large register for each row would cost more than the row
        return hash((self.institution.id, self.institution.digest, self.kind))


@dataclass(frozen=True)
class ServerRequest:
    """A faultless row: everything that is issued, and to whom.

    `dns_names`: all names of the certificate, CN first, lower case. `public_key_sha256`: hex, over the SPKI
    in DER. `public_key`: e.g. `RSA 2048`. `contact_mail`: as written. `old_serial`: that of the certificate it
    replaces, None for a new one.
    """

    subject_dn: SubjectDN
    fqdn: str
    dns_names: tuple[str, ...]
    profile: Profile
    csr_der: bytes
    public_key_sha256: str
    public_key: str
    contact_name: str
    contact_department: str
    contact_mail: str
    software: str
    old_serial: int | None = None

    @property
    def contact_address(self) -> str:
        """The contact's mail in lower case, for comparing."""
        return self.contact_mail.lower()


@dataclass(frozen=True)
class CheckedRow:
    """A row after all checks; `request` is None iff there are errors. Codes in `warnings` begin at 950.

    `match_key`, `public_key_sha256` and `old_serial` are there as soon as they could be read, also in a faulty
    row: what the store says of them is told together with the rest.
    """

    row: Row
    request: ServerRequest | None
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]
    match_key: str | None = None
    public_key_sha256: str | None = None
    old_serial: int | None = None


@dataclass(frozen=True)
class _Draft:
    """What could be read of a row. `cells` is () where its columns cannot be told apart."""

    row: Row
    cells: tuple[str, ...] = ()
    names: Names | None = None
    profile: Profile | None = None
    csr: Csr | None = None
    old_serial: int | None = None
    errors: tuple[RowError, ...] = ()  # and warnings


def names_in(row: Row) -> tuple[str, ...]:
    """The host names of a row (FQDN, CN, dNSName) in lower case: what looks like one, good or not."""
    cells = trim_cells(row)
    found = [
        *cells[_FQDN - 1 : _FQDN],
        *(name for cell in cells[_DN - 1 : _DN] for name in _CN.findall(cell)),
        *(name for cell in cells[_DNS_NAMES - 1 : _DNS_NAMES] for name in split_dns_names(cell)),
    ]
    names = (find_name(text) for text in found)
    return tuple(dict.fromkeys(name for name in names if name))


def check_issue_rows(rows: tuple[Row, ...], rules: IssueRules) -> tuple[CheckedRow, ...]:
    """All errors of all rows, at most 20 a row. Of rows that repeat each other all but the first are 916."""
    drafts = [_read_row(row, rules) for row in rows]
    return tuple(_finish(draft, rules.kind) for draft in _find_duplicates(drafts))


def blocked_key(request: "ServerRequest", blocked_keys: frozenset[str]) -> tuple[RowError, ...]:
    """An error if its key stands on the operator's list, be it since the approval (threats CSR2)."""
    is_blocked = request.public_key_sha256 in blocked_keys
    return (row_error(Code.WEAK_KEY, _CSR, "blocked"),) if is_blocked else ()


def screen(institution: Institution, names: tuple[str, ...], today: date) -> tuple[RowError, ...]:
    """Whether the CA's vetting covers these names today (manual 1-1-4 step 5): 215, 920, 921, a domain once.

    `vetted_until` is the last good day, in the same calendar as `today`.
    """
    if not institution.active:
        return (row_error(Code.INSTITUTION_INACTIVE),)
    errors = []
    for name in names:
        domain = institution.domain_of(name)
        if domain is None or domain.vetted_until is None:
            errors.append(row_error(Code.NOT_VETTED, None, domain.name if domain else name))
        elif today > domain.vetted_until:
            last_day = domain.vetted_until.isoformat()
            errors.append(row_error(Code.APPROVAL_EXPIRED, None, domain.name, last_day))
    return tuple(dict.fromkeys(errors))


def _read_row(row: Row, rules: IssueRules) -> _Draft:
    if any(error.column is None for error in row.errors):
        return _Draft(row, errors=row.errors)
    columns = COLUMNS_OF[rules.kind]
    cells = read_cells(row, columns)
    if isinstance(cells, RowError):
        return _Draft(row, errors=(*row.errors, cells))
    errors = [*row.errors, *check_cells(cells, columns, strict_jisx0208=rules.strict_jisx0208)]
    faulty = faulty_columns(errors)
    profile = None
    if _PROFILE not in faulty:
        profile = next((p for p in rules.profiles if p.id == int(cells[_PROFILE - 1])), None)
        if profile is None:
            errors.append(row_error(Code.PROFILE, _PROFILE, ", ".join(str(p.id) for p in rules.profiles)))
    names, name_errors = read_names(cells, faulty, rules.institution)
    errors += name_errors
    csr = None
    if _CSR not in faulty:
        csr, csr_errors = check_csr(cells[_CSR - 1], profile, names.written, rules.blocked_keys)
        errors += csr_errors
    serial = int(cells[_OLD_SERIAL - 1]) if rules.kind is Kind.RENEW and _OLD_SERIAL not in faulty else None
    draft = _Draft(row, cells, names, profile, csr, serial, tuple(errors))
    return replace(draft, errors=draft.errors + _find_oddities(draft, faulty, rules.institution))


def _find_oddities(draft: _Draft, faulty: frozenset[int], institution: Institution) -> tuple[RowError, ...]:
    """What is no error, but what people often did not mean."""
    found = []
    contact = draft.cells[_MAIL - 1]
    if _MAIL not in faulty and not institution.may_apply(contact.lower()):
        found.append(row_error(Code.CONTACT_OUTSIDE, _MAIL, contact))
    if draft.csr and draft.names:
        ignored = [name for name in draft.csr.dns_names if name not in draft.names.dns_names]
        if ignored:
            found.append(row_error(Code.CSR_NAMES_IGNORED, _CSR, ", ".join(ignored)))
    return tuple(found)


def _find_duplicates(drafts: list[_Draft]) -> list[_Draft]:
    seen: dict[str, int] = {}
    found = []
    for draft in drafts:
        marks = []
        if draft.names and draft.names.dns_names[0]:
            marks.append((_FQDN, draft.names.dns_names[0]))
        if draft.csr:
            marks.append((_CSR, draft.csr.public_key_sha256))
        repeats = tuple(
            row_error(Code.DUPLICATE, column, str(seen[mark])) for column, mark in marks if mark in seen
        )
        for _, mark in marks:
            seen.setdefault(mark, draft.row.seq)
        found.append(replace(draft, errors=draft.errors + repeats) if repeats else draft)
    return found


def _finish(draft: _Draft, kind: Kind) -> CheckedRow:
    found = name_columns(draft.errors, COLUMNS_OF[kind])
    errors = tuple(error for error in found if not error.is_warning)[:MOST_ERRORS_A_ROW]
    warnings = tuple(error for error in found if error.is_warning)[:MOST_ERRORS_A_ROW]
    return CheckedRow(
        row=draft.row,
        request=None if errors else _request_of(draft),
        errors=errors,
        warnings=warnings,
        match_key=draft.names.issued.match_key() if draft.names and draft.names.issued else None,
        public_key_sha256=draft.csr.public_key_sha256 if draft.csr else None,
        old_serial=draft.old_serial,
    )


def _request_of(draft: _Draft) -> ServerRequest:
    names, csr, profile, cells = draft.names, draft.csr, draft.profile, draft.cells
    # a row without errors has all of them
    assert names is not None
    assert names.issued is not None
    assert csr is not None
    assert profile is not None
    return ServerRequest(
        subject_dn=names.issued,
        fqdn=names.fqdn,
        dns_names=names.dns_names,
        profile=profile,
        csr_der=csr.der,
        public_key_sha256=csr.public_key_sha256,
        public_key=csr.public_key,
        contact_name=cells[7],
        contact_department=cells[8],
        contact_mail=cells[_MAIL - 1],
        software=cells[11],
        old_serial=draft.old_serial,
    )
