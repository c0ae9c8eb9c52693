"""What the desk and the signer say to each other: strict JSON, bytes in base64, nothing unknown."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from handlers.rules.row_errors import RowError

# 10,000 rows are the most an application has; serials are below 10**32
_Seq = Annotated[int, Field(ge=1, le=10_000)]
_Serial = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,31}$")]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_LedgerId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_MOST_ROWS = 10_000


class _Message(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, ser_json_bytes="base64", val_json_bytes="base64"
    )


class SignedMail(_Message):
    """A decision as it came. `received_at`: when, as the desk says; the signer never takes it for later than now."""

    raw: Annotated[bytes, Field(max_length=6 << 20)]
    received_at: AwareDatetime


class Evidence(_Message):
    """What officers were shown and what they signed; `register`: hex SHA-256 of the register the desk works by.

    `mails`: in the order in which they came. `batches`: the sheets of the batches they name.
    """

    sheet: Annotated[bytes, Field(max_length=4 << 20)]
    file: Annotated[bytes, Field(max_length=5 << 20)]
    mails: Annotated[tuple[SignedMail, ...], Field(max_length=100)]
    batches: Annotated[tuple[Annotated[bytes, Field(max_length=8 << 20)], ...], Field(max_length=100)] = ()
    register_sha256: _Digest


class AskWho(_Message):
    ask: Literal["who"] = "who"


class _Order(_Message):
    """`ledger`: the id of the one that it is meant for; a signer with another one does nothing."""

    ledger: _LedgerId


class AskSerials(_Order):
    ask: Literal["serials"] = "serials"
    count: Annotated[int, Field(ge=1, le=_MOST_ROWS)]


class RowToIssue(_Message):
    seq: _Seq
    serial: _Serial


class AskIssue(_Order):
    ask: Literal["issue"] = "issue"
    evidence: Evidence
    rows: Annotated[tuple[RowToIssue, ...], Field(min_length=1, max_length=_MOST_ROWS)]


class AskRevoke(_Order):
    ask: Literal["revoke"] = "revoke"
    evidence: Evidence
    seqs: Annotated[tuple[_Seq, ...], Field(min_length=1, max_length=_MOST_ROWS)]


class AskList(_Order):
    """`known`: the number of the newest list that the desk has, 0 for none."""

    ask: Literal["list"] = "list"
    known: Annotated[int, Field(ge=0)]


class Who(_Message):
    """`issuer`: hex SHA-256 of the CA key's SPKI. `chain`: DER, nearest first. `not_after`: of the first of them.
    `ledger`: the id of the signer's."""

    issuer: _Digest
    chain: Annotated[tuple[bytes, ...], Field(min_length=1)]
    not_after: AwareDatetime
    ledger: _LedgerId


class Serials(_Message):
    """`given_at`: where the certificates that are signed with them begin."""

    serials: tuple[_Serial, ...]
    given_at: AwareDatetime


class IssuedRow(_Message):
    """Either `der` or `errors`; both empty: the row is sound, but another of its application stops it."""

    seq: _Seq
    der: bytes = b""
    errors: tuple[RowError, ...] = ()


class Issued(_Message):
    rows: tuple[IssuedRow, ...]


class RevokedSerial(_Message):
    """`reason`: the number of RFC 5280 5.3.1."""

    serial: _Serial
    reason: int
    revoked_at: AwareDatetime


class RevokedRow(_Message):
    """Either `revoked` or `errors`; neither: as in IssuedRow."""

    seq: _Seq
    revoked: RevokedSerial | None = None
    errors: tuple[RowError, ...] = ()


class Revocations(_Message):
    rows: tuple[RevokedRow, ...]


class RevocationList(_Message):
    """Empty `der`: the list that the desk knows is the newest, and fresh enough."""

    number: int
    der: bytes = b""


class OtherLedger(_Message):
    """Nothing was done: the signer's ledger is this one, and another was meant."""

    other_ledger: _LedgerId


class Fault(_Message):
    """The signer could not do it: the world's fault, or its own."""

    fault: str
    temporary: bool


Ask = Annotated[AskWho | AskSerials | AskIssue | AskRevoke | AskList, Field(discriminator="ask")]
Answer = Who | Serials | Issued | Revocations | RevocationList | OtherLedger | Fault
read_ask = TypeAdapter[Ask](Ask).validate_json
