"""The tables of the rules as plain values, for the TSV tool's page: what judges rows in a browser reads them, so that
it cannot drift from what judges them here (manual 1-1-2, 1-2-2, 1-3-1)."""

from collections.abc import Iterable

from handlers.rules import characters, column_checks, csr, dns_names, name_checks, row_errors, subject_dn
from handlers.rules.columns import COLUMNS_OF, CONTACT_COLUMNS, Column
from handlers.rules.error_words import coded_words
from handlers.rules.inventory_tsv import COLUMNS as INVENTORY_COLUMNS
from handlers.rules.profile import Profile
from handlers.rules.register import Institution
from handlers.rules.revocation import MOST_COLUMNS
from handlers.rules.row_errors import Code
from store.states import RevocationReason

Plain = dict[str, object]

# what the page cannot know: it needs the store, the calendar, WHOIS or the operator's list, or is too much for a page
# (known weaknesses of keys). A mail with 確認 in its subject judges all of it.
LEFT_TO_SERVICE = frozenset(
    {
        Code.DN_EXISTS,
        Code.INSTITUTION_INACTIVE,
        Code.NOT_REVOCABLE,
        Code.KEY_USED,
        Code.OLD_SERIAL,
        Code.WEAK_KEY,
        Code.NOT_VETTED,
        Code.APPROVAL_EXPIRED,
        Code.WHOIS_UNREACHABLE,
        Code.WHOIS_DIFFERS,
        Code.NOT_VALID,
        Code.CONTACT_DIFFERS,
        Code.OTHER_CONTACT,
    }
)


def tables(
    institutions: Iterable[Institution],
    profiles: tuple[Profile, ...],
    *,
    max_rows: int,
    strict_jisx0208: bool,
) -> Plain:
    """Everything, as JSON has it. Of the register only what stands in certificates, never a person."""
    return {
        "max_rows": max_rows,
        "most_errors": row_errors.MOST_ERRORS_A_ROW,
        "first_warning": row_errors.FIRST_WARNING,
        "longest_shown": row_errors.LONGEST_SHOWN,
        "most_shown": column_checks.MOST_SHOWN,
        "kinds": {
            **{kind.value: _columns(columns) for kind, columns in COLUMNS_OF.items()},
            "contact": _columns(CONTACT_COLUMNS),
        },
        "most_columns": {"revoke": MOST_COLUMNS},
        "characters": _characters(strict_jisx0208),
        "dn": {
            "order": subject_dn.ORDER,
            "types": {oid.dotted_string: kind for oid, kind in subject_dn.TYPES.items()},
            "separator": subject_dn.SEPARATOR.pattern,
            "country": subject_dn.COUNTRY,
            "longest": name_checks.LONGEST_VALUE,
        },
        "names": {
            "label": dns_names.LABEL.pattern,
            "number": dns_names.NUMBER.pattern,
            "prefix": dns_names.PREFIX.pattern,
            "longest": dns_names.LONGEST_NAME,
        },
        "csr": {"pem": csr.PEM.pattern, "keys": csr.KEYS, "curves": csr.CURVES},
        "reasons": [int(reason) for reason in RevocationReason],
        "unspecified": int(RevocationReason.UNSPECIFIED),
        "profiles": [
            {"id": profile.id, "key": profile.key, "digests": profile.csr_digests} for profile in profiles
        ],
        "institutions": [_institution(one) for one in institutions],
        "words": {_key(code, column): words for (code, column), words in coded_words()},
        "codes": {code.name: int(code) for code in Code},
        "inventory": INVENTORY_COLUMNS,
    }


def _columns(columns: tuple[Column, ...]) -> list[Plain]:
    return [
        {
            "number": column.number,
            "name": column.name,
            "english": column.english,
            "characters": column.characters.name,
            "classes": column.characters.value,
            "max_length": column.max_length,
            "required": column.required,
            "reserved": column.reserved,
        }
        for column in columns
    ]


def _characters(strict: bool) -> Plain:
    return {
        "padding": characters.PADDING,
        "not_ascii": characters.NOT_PRINTABLE_ASCII.pattern,
        "not_dn_value": characters.NOT_DN_VALUE.pattern,
        "not_mail": characters.NOT_MAIL.pattern,
        "mail_address": characters.MAIL_ADDRESS.pattern,
        "formula_starts": characters.FORMULA_STARTS,
        "jis_x_0208": sorted(characters.JIS_X_0208_LEADS),
        "extension": sorted(characters.EXTENSION_LEADS),
        "strict": strict,
    }


def _institution(institution: Institution) -> Plain:
    return {
        "id": institution.id,
        "name": institution.name,
        "organization": institution.organization,
        "state": institution.state,
        "locality": institution.locality,
        "domains": [domain.name for domain in institution.domains],
        "applicant_domains": institution.applicant_domains,
        "units": institution.organizational_units,
        "ou_policy": institution.ou_policy,
        "allow_wildcard": institution.allow_wildcard,
    }


def _key(code: int, column: int | None) -> str:
    return str(code) if column is None else f"{code}/{column}"
