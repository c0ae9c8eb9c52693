"""The checks of names: the subject DN against the register, host names by form and domain (codes 241, 371,
901, 908, 913, 924-926, 929)."""

from dataclasses import dataclass

from handlers.rules.characters import forbidden_in_dn_value
from handlers.rules.column_checks import characters_error
from handlers.rules.dns_names import is_dns_name, split_dns_names
from handlers.rules.register import Institution
from handlers.rules.row_errors import Code, RowError, row_error
from handlers.rules.subject_dn import SubjectDN, parse_subject_dn

_DN, _FQDN, _DNS_NAMES = 1, 11, 13
LONGEST_VALUE = 64  # X.520 upper bound of CN; the manual's bound of all OUs together


@dataclass(frozen=True)
class Names:
    """What a row names, as far as it could be read.

    `written`: column 1 as it stands. `issued`: as the certificate will have it (CN in lower case, no OU where
    the institution drops it). `fqdn`: in lower case. `dns_names`: CN first, in lower case, each once.
    """

    written: SubjectDN | None
    issued: SubjectDN | None
    fqdn: str
    dns_names: tuple[str, ...]


def read_names(
    cells: tuple[str, ...], faulty: frozenset[int], institution: Institution
) -> tuple[Names, list[RowError]]:
    """The names of a row, with errors and warnings. Columns in `faulty` were told already: left out."""
    errors: list[RowError] = []
    written = None
    if _DN not in faulty:
        parsed = parse_subject_dn(cells[_DN - 1])
        if isinstance(parsed, RowError):
            errors.append(parsed)
        else:
            written = parsed
            errors += _check_dn(written, institution)
    fqdn = "" if _FQDN in faulty else cells[_FQDN - 1]
    others = () if _DNS_NAMES in faulty else split_dns_names(cells[_DNS_NAMES - 1])
    errors += _check_names(written, fqdn, others, institution)
    issued = _as_issued(written, institution) if written else None
    own = issued.cn if issued else fqdn.lower()
    dns_names = tuple(dict.fromkeys([own, *(name.lower() for name in others)]))
    return Names(written, issued, fqdn.lower(), dns_names), errors


def _as_issued(written: SubjectDN, institution: Institution) -> SubjectDN:
    drops = institution.ou_policy == "drop"
    return SubjectDN(
        tuple(
            (kind, value.lower() if kind == "CN" else value)
            for kind, value in written.attributes
            if not (drops and kind == "OU")
        )
    )


def _check_dn(dn: SubjectDN, institution: Institution) -> list[RowError]:
    return [
        *_check_dn_values(dn),
        *_check_registered(dn, institution),
        *_check_units(dn, institution),
    ]


def _check_dn_values(dn: SubjectDN) -> list[RowError]:
    errors = []
    text = "".join(value for kind, value in dn.attributes if kind != "CN")
    if bad := forbidden_in_dn_value(text):
        errors.append(characters_error(_DN, bad))
    for length in (len(dn.cn), sum(len(unit) for unit in dn.values("OU"))):
        if length > LONGEST_VALUE:
            errors.append(row_error(Code.TOO_LONG, _DN, str(LONGEST_VALUE), str(length)))
    return errors


def _check_registered(dn: SubjectDN, institution: Institution) -> list[RowError]:
    """O, L and ST are the institution's, to the letter (manual 1-1-4 steps 5 and 7)."""
    errors = []
    (organization,) = dn.values("O")
    if organization != institution.organization:
        errors.append(row_error(Code.ORGANIZATION, _DN, institution.organization, organization))
    for kind, code, registered in (
        ("L", Code.LOCALITY, institution.locality),
        ("ST", Code.STATE, institution.state),
    ):
        found = dn.values(kind)
        if not found:
            errors.append(row_error(Code.STATE_OR_LOCALITY_MISSING, _DN, kind, registered))
        elif found[0] != registered:
            errors.append(row_error(code, _DN, registered, found[0]))
    return errors


def _check_units(dn: SubjectDN, institution: Institution) -> list[RowError]:
    units = dn.values("OU")
    match institution.ou_policy:
        case "allowlist":
            allowed = institution.organizational_units
            return [row_error(Code.OU_NOT_LISTED, _DN, unit) for unit in units if unit not in allowed]
        case "forbid":
            return [row_error(Code.OU_NOT_USED, _DN, unit) for unit in units]
        case "drop":
            return [row_error(Code.OU_DROPPED, _DN, unit) for unit in units]


def _check_names(
    dn: SubjectDN | None, fqdn: str, others: tuple[str, ...], institution: Institution
) -> list[RowError]:
    errors = []
    named = [(_FQDN, fqdn)] if fqdn else []
    if dn and dn.cn.lower() != fqdn.lower():
        if fqdn:
            errors.append(row_error(Code.CN_NOT_FQDN, _FQDN, dn.cn, fqdn))
        named.append((_DN, dn.cn))
    elif dn and dn.cn != dn.cn.lower():
        errors.append(row_error(Code.NAME_LOWERED, _DN, dn.cn.lower()))
    named += [(_DNS_NAMES, name) for name in dict.fromkeys(others)]
    for column, name in named:
        errors += _check_name(column, name, institution)
    folded = [name.lower() for name in others]
    repeated = dict.fromkeys(name for name in folded if folded.count(name) > 1)
    return errors + [row_error(Code.NAME_REPEATED, _DNS_NAMES, name) for name in repeated]


def _check_name(column: int, written: str, institution: Institution) -> list[RowError]:
    name = written.lower()
    if not is_dns_name(name, allow_wildcard=institution.allow_wildcard):
        return [row_error(Code.NAME_FORM, column, written)]
    errors = []
    if institution.domain_of(name) is None:
        domains = ", ".join(domain.name for domain in institution.domains)
        errors.append(row_error(Code.OUTSIDE_DOMAINS, column, name, domains))
    if name != written:
        errors.append(row_error(Code.NAME_LOWERED, column, name))
    return errors
