"""The sheet: what an officer decides on, frozen as a small text whose SHA-256 is the code they sign.

Anyone can check a code with `sha256sum` on the attachment alone: it is the first 32 hex digits.
"""

import hashlib
import json
from dataclasses import dataclass

from handlers.rules.register import Policy
from store.states import Kind

_VERSION = "1"


@dataclass(frozen=True)
class SheetRow:
    """`digest`: hex SHA-256 of the TSV line's raw bytes without its newline. `name`: `CN=test1.example.ac.jp`."""

    seq: int
    digest: str
    name: str

    def line(self) -> str:
        """How the row stands in the approval request, and so in the text an officer signs."""
        return f"Row-{self.seq} {self.digest[:16]} {self.name}"


@dataclass(frozen=True)
class Sheet:
    """Every field is part of what is signed. Digests are hex SHA-256; `nonce` is 32 hex digits."""

    instance: str
    number: str
    institution: str
    kind: Kind
    file_sha256: str
    rows: tuple[SheetRow, ...]
    policy: str
    policy_sha256: str
    register_sha256: str
    journal_head: str
    nonce: str

    def render(self) -> bytes:
        """UTF-8, LF, one `Name: value` a line, in fixed order."""
        lines = [
            f"Ringi-Sheet: {_VERSION}",
            f"Instance: {self.instance}",
            f"Application: {self.number}",
            f"Institution: {self.institution}",
            f"Kind: {self.kind}",
            f"File: sha256:{self.file_sha256}",
            f"Rows: {len(self.rows)}",
            *(f"Row-{row.seq}: sha256:{row.digest} {row.name}" for row in self.rows),
            f"Policy: {self.policy} sha256:{self.policy_sha256}",
            f"Register: sha256:{self.register_sha256}",
            f"Journal: {self.journal_head}",
            f"Nonce: {self.nonce}",
        ]
        return "".join(line + "\n" for line in lines).encode()


class SheetFault(ValueError):
    """Stored bytes that are not a sheet: ours to explain, never a sender's."""


def parse_sheet(data: bytes) -> Sheet:
    """Read what `render` wrote and nothing else: the result renders to the same bytes."""
    try:
        pairs = [line.split(": ", 1) for line in data.decode().splitlines()]
        fields = {name: value for name, value in pairs}
        rows = tuple(
            SheetRow(int(name.removeprefix("Row-")), *_split_row(value))
            for name, value in pairs
            if name.startswith("Row-")
        )
        policy, policy_digest = fields["Policy"].split(" sha256:")
        sheet = Sheet(
            instance=fields["Instance"],
            number=fields["Application"],
            institution=fields["Institution"],
            kind=Kind(fields["Kind"]),
            file_sha256=fields["File"].removeprefix("sha256:"),
            rows=rows,
            policy=policy,
            policy_sha256=policy_digest,
            register_sha256=fields["Register"].removeprefix("sha256:"),
            journal_head=fields["Journal"],
            nonce=fields["Nonce"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SheetFault(f"not a sheet: {error}") from error
    if sheet.render() != data:
        raise SheetFault("not a sheet: it does not render to the same bytes")
    return sheet


def _split_row(value: str) -> tuple[str, str]:
    digest, _, name = value.removeprefix("sha256:").partition(" ")
    return digest, name


def code_of(sheet: bytes) -> str:
    """The first 32 hex digits of the sheet's SHA-256."""
    return hashlib.sha256(sheet).hexdigest()[:32]


def show_code(code: str) -> str:
    """In groups of eight, as people read and copy it."""
    return "-".join(code[i : i + 8] for i in range(0, len(code), 8))


def policy_digest(policy: Policy) -> str:
    """Hex SHA-256 over the policy and its checklist: a changed policy makes another sheet."""
    text = json.dumps(
        policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode()).hexdigest()
