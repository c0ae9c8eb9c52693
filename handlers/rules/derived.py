"""From an approved row's bytes to the order for the CA: derived here by the desk and by the signer, never copied."""

from datetime import datetime
from functools import lru_cache

from handlers.rules.checks import IssueRules, ServerRequest, check_issue_rows
from handlers.rules.order import IssueOrder, public_key_of
from handlers.rules.tsv import Row


@lru_cache(maxsize=2048)
def derive_request(row: Row, rules: IssueRules) -> ServerRequest | None:
    """What the row asks for, judged alone; None if it has an error now.

    Kept for a while: the desk asks for the same row three times, each time before it acts. What is kept belongs to
    these very bytes and rules.
    """
    return check_issue_rows((row,), rules)[0].request


def order_of(request: ServerRequest, serial: int, not_before: datetime, last_second: datetime) -> IssueOrder:
    """`last_second`: of the CA, which nothing outlives."""
    return IssueOrder(
        serial=serial,
        subject=request.subject_dn.attributes,
        dns_names=request.dns_names,
        public_key=public_key_of(request.csr_der),
        profile=request.profile,
        not_before=not_before,
        not_after=min(request.profile.not_after(not_before), last_second),
    )
