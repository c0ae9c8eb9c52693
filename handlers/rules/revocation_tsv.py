"""The TSV that asks for the revocation of a renewed certificate's predecessor (manual 1-2): ready to be sent in."""

from handlers.rules.tsv import write_row
from store.states import RevocationReason

COMMENT = "更新に伴う旧証明書の失効"


def revocation_tsv(subject_dn: str, serial: int, contact_mail: str, comment: str = COMMENT) -> bytes:
    """One row for the reason 0 (その他), in CP932 with CRLF, that `check_revoke_rows` takes as it is.

    Thirteen columns, the width of every server row, also those that stay empty. ValueError as in `write_row`.
    """
    reason = str(int(RevocationReason.UNSPECIFIED))
    return write_row((subject_dn, "", "", str(serial), reason, comment, "", "", "", contact_mail, "", "", ""))


def revocation_file_name(serial: int, cn: str) -> str:
    """`<old serial>-<CN>.tsv`. The star of a wildcard, which file systems refuse, becomes `_`."""
    return f"{serial}-{cn.replace('*', '_')}.tsv"
