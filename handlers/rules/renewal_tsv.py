"""The renewal's TSV, filled in as far as the old certificate tells, for notices of expiry."""

from handlers.rules.columns import RENEW_COLUMNS
from handlers.rules.tsv import write_row

_LONGEST_NAMES = RENEW_COLUMNS[12].max_length


# one argument a filled column
def renewal_row(  # noqa: PLR0913
    subject_dn: str,
    profile_id: int,
    old_serial: int,
    contact_name: str,
    contact_department: str,
    contact_mail: str,
    fqdn: str,
    software: str,
    dns_names: tuple[str, ...],
) -> bytes:
    """One line of thirteen columns, in CP932 with CRLF; only column 7 waits for the CSR of a new key pair.

    `dns_names`: all names of the old certificate; the CN among them need not be written. ValueError as in
    `write_row`.
    """
    return write_row(
        (
            subject_dn,
            str(profile_id),
            "",
            str(old_serial),
            "",
            "",
            "",
            contact_name,
            contact_department,
            contact_mail,
            fqdn,
            software,
            join_names(tuple(name for name in dns_names if name != fqdn)),
        )
    )


def renewal_file_name(serial: int, cn: str) -> str:
    """`<old serial>-<CN>-renewal.tsv`. The star of a wildcard, which file systems refuse, becomes `_`."""
    return f"{serial}-{cn.replace('*', '_')}-renewal.tsv"


def join_names(names: tuple[str, ...]) -> str:
    """The form with prefixes, unless only the bare one fits the column, as it did when it was applied for."""
    prefixed = ",".join(f"dNSName={name}" for name in names)
    return prefixed if len(prefixed) <= _LONGEST_NAMES else ",".join(names)
