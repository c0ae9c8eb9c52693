"""What a saved mail says about the journal: its head when the mail was written (mail-protocol 6)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.mime.text import decode_leniently
from bot.mime.tree import Entity, read_entity
from handlers.rules.approval import read_decision
from handlers.rules.sheet import code_of
from store.journal import Chain, walk
from store.tables import Blob

_SHEET = re.compile(rb"^(?:Ringi-Sheet|Ringi-Batch): ", re.MULTILINE)
_HEAD_IN_SHEET = re.compile(rb"^Journal: ([0-9a-f]{64})\r?$", re.MULTILINE)
_HEAD_IN_MAIL = re.compile(
    rb"^[> ]*X-Ringi-Journal:[ \t]+([0-9a-f]{64})[ \t]*\r?$", re.MULTILINE | re.IGNORECASE
)
_OUR_DATE = "%a, %d %b %Y %H:%M:%S %z"
_DATE = re.compile(rb"^Date:[ \t]+(.+?)\r?$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Witness:
    """What one saved file names. `heads`: hashes of journal entries; `codes`: of sheets that somebody signed or quoted.

    `at`: the date of the mail of ours that names a head in its header, None if there is none.
    """

    name: str
    heads: frozenset[str]
    codes: frozenset[str]
    at: datetime | None


def read_witness(name: str, data: bytes) -> Witness:
    """`data`: a mail, a mail in a mail, or a saved sheet."""
    heads = {found.decode() for part in _contents(data) for found in _heads_in(part)}
    texts = (decode_leniently(part) for part in _contents(data) if not _SHEET.search(part))
    codes = {code for text in texts for code in read_decision(text).codes}
    return Witness(name, frozenset(heads), frozenset(codes), _date_of(data))


def _contents(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, of a mail with parts its header, and the decoded content of every part, of forwarded mails
    too. Not of the applicant's TSV: whatever stands in there is not ours."""
    root = read_entity(data)
    if not isinstance(root, Entity) or depth > 5:
        yield data
        return
    yield data[: root.body_start] if root.children else data
    for leaf in root.leaves():
        content = leaf.decoded_leniently()
        if content and content != data and not _is_tsv(leaf):
            yield from _contents(content, depth + 1)


def _is_tsv(leaf: Entity) -> bool:
    return leaf.media_type == "text/tab-separated-values" or leaf.file_name.lower().endswith((".tsv", ".txt"))


def _heads_in(part: bytes) -> Iterator[bytes]:
    yield from _HEAD_IN_MAIL.findall(part)
    if _SHEET.search(part):
        yield from _HEAD_IN_SHEET.findall(part)


def _date_of(data: bytes) -> datetime | None:
    """Of the innermost mail that carries our header: a forwarded one keeps its own date."""
    for part in reversed(list(_contents(data))):
        head = part.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        date = _DATE.search(head)
        if date and _HEAD_IN_MAIL.search(head):
            try:
                return datetime.strptime(date[1].decode("ascii", "replace"), _OUR_DATE).astimezone(UTC)
            except ValueError:
                return None
    return None


@dataclass(frozen=True)
class Verdict:
    """`faults`: what does not hold, each a sentence; `agreed`: what does."""

    chain: Chain
    faults: tuple[str, ...]
    agreed: tuple[str, ...]


def judge_journal(session: Session, witnesses: list[Witness]) -> Verdict:
    """Walk the chain once and hold it against what was saved elsewhere."""
    sheets = {code: _sheet_heads(session, code) for one in witnesses for code in one.codes}
    heads = {head for one in witnesses for head in one.heads}
    heads |= {head for found in sheets.values() for head in found or ()}
    chain = walk(session, heads)
    faults = [chain.fault] if chain.fault else []
    agreed: list[str] = []
    for one in witnesses:
        missing_sheets = [code for code in one.codes if sheets[code] is None]
        named = one.heads | {head for code in one.codes for head in sheets[code] or ()}
        if not named and not missing_sheets:
            faults.append(
                f"{one.name} names no head of a journal: it is not a mail of ours, and holds no sheet"
            )
            continue
        faults += [
            f"{one.name} names a sheet with the code {code}, which is not in the store"
            for code in missing_sheets
        ]
        told = _compare(one, named, chain)
        (agreed if named and named <= chain.found.keys() else faults).extend(told)
    return Verdict(chain, tuple(faults), tuple(agreed))


def _sheet_heads(session: Session, code: str) -> frozenset[str] | None:
    """The heads in the stored sheets of this code; None if there is no such sheet."""
    query = select(Blob.data).where(Blob.sha256.startswith(code, autoescape=True))
    # somebody may have rewritten it in the store: only the text behind the code is the sheet
    found = [data for data in session.scalars(query) if _SHEET.search(data) and code_of(data) == code]
    return (
        frozenset(head.decode() for data in found for head in _HEAD_IN_SHEET.findall(data)) if found else None
    )


def _compare(one: Witness, named: frozenset[str] | set[str], chain: Chain) -> list[str]:
    if not named:
        return []
    known = [chain.found[head] for head in named if head in chain.found]
    last, at = max(known, key=lambda place: place[0], default=(0, None))
    agrees = (
        f"up to entry {last} of {_show(at)} it agrees" if last else "no entry of it is known to be the same"
    )
    if len(known) == len(named):
        return [f"{one.name}: entry {last}{f' of {_show(at)}' if at else ''} is what it names"]
    if one.at and (chain.newest is None or chain.newest <= one.at):
        newest = f"ends with entry {chain.length} of {_show(chain.newest)}" if chain.newest else "is empty"
        what = "truncated" if chain.newest != one.at else "truncated or rebuilt"
        return [
            f"the journal was {what}: it {newest}, and {one.name} of {_show(one.at)} names a later one; {agrees}"
        ]
    if last:
        return [f"the journal was forked: after entry {last} it is another than {one.name} names; {agrees}"]
    return [
        f"the journal was rebuilt, or forked early: {one.name} names a head that it does not hold; {agrees}"
    ]


def _show(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "its beginning"
