"""The register: who may apply, who may approve, and what names an institution may have certificates for.

The root of authority. Values only; `bot.register` reads the files. Keys not named here are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from store.states import ErrorMode

Address = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}$")
]
DomainName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")]
Fingerprint = Annotated[str, StringConstraints(to_upper=True, pattern=r"^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$")]
Language = Literal["ja", "en", "both"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Domain(_Strict):
    """A domain the CA has vetted for the institution (manual 1-1-4 step 5, the first two errors)."""

    name: DomainName
    registrant: str | None = None  # as WHOIS shows it
    vetted_until: date | None = None  # 証明書発行有効期限, the last good day; None: not vetted yet


class OpenPGPKey(_Strict):
    """A pinned key: the fingerprint of the primary key, and the file that holds it (relative to the register)."""

    fingerprint: Fingerprint
    file: str


class Officer(_Strict):
    """登録担当者. Authority is the key; an address may be shared by several officers, a key may not."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    notify: Address
    openpgp: tuple[OpenPGPKey, ...] = ()
    inline_openpgp: bool = False
    phone: str | None = None

    @model_validator(mode="after")
    def _notify_is_registered(self) -> "Officer":
        if self.notify not in self.addresses:
            raise ValueError("notify must be one of addresses")
        return self


class Policy(_Strict):
    """What an approval takes. `self_approval` must be said aloud where an institution has one officer."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")] = "one-officer"
    approvals: Annotated[int, Field(ge=1, le=9)] = 1
    self_approval: bool = False
    checklist: tuple[str, ...] = (
        "利用管理者の本人性・実在性を確認した",
        "申請内容(主体者DN、FQDN、利用管理者)が正しいことを確認した",
    )


class Institution(_Strict):
    """利用機関: one TOML file. `id` is the file's name without `.toml`; `digest` is the SHA-256 of its bytes."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]  # as people call it
    active: bool = True
    domains: Annotated[tuple[Domain, ...], Field(min_length=1)]
    organization: Annotated[str, StringConstraints(min_length=1, max_length=64)]  # O, 機関名(英語表記)
    state: Annotated[str, StringConstraints(min_length=1, max_length=64)]  # ST
    locality: Annotated[str, StringConstraints(min_length=1, max_length=64)]  # L
    organizational_units: tuple[str, ...] = ()  # OU allow-list
    ou_policy: Literal["allowlist", "forbid", "drop"] = "allowlist"
    allow_wildcard: bool = False
    applicant_domains: Annotated[tuple[DomainName, ...], Field(min_length=1)]
    officers: Annotated[tuple[Officer, ...], Field(min_length=1)]
    policy: Policy = Policy()
    language: Language = "ja"
    error_mode: ErrorMode = ErrorMode.STOP_ALL
    expiry_notices: bool = True  # false: nobody is told that a certificate is about to end

    @field_validator("officers")
    @classmethod
    def _ids_are_unique(cls, officers: tuple[Officer, ...]) -> tuple[Officer, ...]:
        if len({o.id for o in officers}) != len(officers):
            raise ValueError("two officers have the same id")
        return officers

    def officer(self, officer_id: str) -> Officer | None:
        return next((o for o in self.officers if o.id == officer_id), None)

    def domain_of(self, name: str) -> Domain | None:
        """The registered domain that covers `name` (a name in lower case, possibly `*.`), the longest first."""
        covering = [d for d in self.domains if name == d.name or name.endswith("." + d.name)]
        return max(covering, key=lambda d: len(d.name), default=None)

    def may_apply(self, address: str) -> bool:
        """Whether an application may come from, and answers go to, this address (lower case)."""
        host = address.rpartition("@")[2]
        return any(host == d or host.endswith("." + d) for d in self.applicant_domains)


@dataclass(frozen=True)
class Register:
    """All institutions by id, and the digest over all their files that goes into the journal at each load."""

    institutions: Mapping[str, Institution]
    digest: str

    def officer_with_key(self, fingerprint: str) -> tuple[Institution, Officer] | None:
        for institution in self.institutions.values():
            for officer in institution.officers:
                if any(key.fingerprint == fingerprint for key in officer.openpgp):
                    return institution, officer
        return None

    def officers_at(self, address: str) -> list[tuple[Institution, Officer]]:
        return [
            (institution, officer)
            for institution in self.institutions.values()
            for officer in institution.officers
            if address in officer.addresses
        ]

    def covering(self, names: tuple[str, ...]) -> list[Institution]:
        """The institutions whose domains cover every one of `names` (lower case)."""
        return [i for i in self.institutions.values() if names and all(i.domain_of(n) for n in names)]

    def may_be_answered(self, address: str | None) -> bool:
        """Whether the bot may write to this address at all before an approval."""
        if address is None:
            return False
        return any(i.may_apply(address) for i in self.institutions.values()) or bool(
            self.officers_at(address)
        )
