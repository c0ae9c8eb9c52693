"""What an institution may have certificates for, as a file (許可リスト一括ダウンロード, manual 1-4)."""

from datetime import date

from handlers.rules.inventory_tsv import encode_line
from handlers.rules.register import Domain, Institution

FILE_NAME = "allowlist.tsv"
COLUMNS = ("機関名(英語表記)", "ドメイン", "OU", "登録日", "状態")


def is_usable(institution: Institution, domain: Domain, today: date) -> bool:
    """Whether a certificate for this domain may be issued today (manual 1-1-4 step 5)."""
    return institution.active and domain.vetted_until is not None and today <= domain.vetted_until


def render_allowlist(institution: Institution, today: date) -> bytes:
    """A line for each domain with each OU (one without OU where none is listed): CP932, CRLF, header first.

    登録日 is empty: the register holds no such day.
    """
    units = institution.organizational_units if institution.ou_policy == "allowlist" else ()
    lines = [
        (
            institution.organization,
            domain.name,
            unit,
            "",
            "有効" if is_usable(institution, domain, today) else "無効",
        )
        for domain in institution.domains
        for unit in units or ("",)
    ]
    return b"".join(map(encode_line, (COLUMNS, *lines)))
