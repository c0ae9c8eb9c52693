"""Fetching a file that was too large for a mail by its one-time URL (manual 1-4-1; threats URL1, URL2)."""

from dataclasses import dataclass
from datetime import datetime

from handlers.context import Context
from handlers.download import Gone, answers_until, is_open
from store import file_urls, inventory, journal
from store.tables import FileUrl


@dataclass(frozen=True)
class WaitingFile:
    """What a URL would deliver. `count`: rows as of now. `until`: how long it answers, aware UTC; `used`: it delivered
    before."""

    name: str
    count: int
    until: datetime
    used: bool


@dataclass(frozen=True)
class DeliveredFile:
    """`handlers.listing.inventory_lines` makes what is in it, for this institution."""

    name: str
    institution: str


def look_at_file(ctx: Context, token: str) -> WaitingFile | Gone:
    """What stands behind a URL. Reads only: mail scanners open every link (threats URL1)."""
    url = _find_open(ctx, token)
    if url is None:
        return Gone()
    return WaitingFile(
        name=url.name,
        count=inventory.count_rows(ctx.session, url.institution),
        until=answers_until(url, ctx.desk),
        used=url.first_used_at is not None,
    )


def download_file(ctx: Context, token: str) -> DeliveredFile | Gone:
    """Say which file may be handed over. Only the first use is recorded; repeats for some minutes are not.

    Call it under the write lock, and answer only after the commit.
    """
    url = _find_open(ctx, token)
    if url is None:
        return Gone()
    if file_urls.mark_used(ctx.session, url, ctx.now):
        facts = {"institution": url.institution, "name": url.name}
        journal.append(ctx.session, ctx.now, "list_fetched", facts)
    return DeliveredFile(url.name, url.institution)


def _find_open(ctx: Context, token: str) -> FileUrl | None:
    url = file_urls.find_url(ctx.session, token)
    return url if url is not None and is_open(ctx, url) else None
