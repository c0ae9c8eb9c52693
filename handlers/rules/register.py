"""The register: who may apply, who may approve, and what names an institution may have certificates for.

The root of authority. Values only; `bot.register` reads the files. Keys not named here are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from handlers.rules.scheme import Scheme
from store.states import ErrorMode, Kind

Address = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}$")
]
DomainName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")]
Fingerprint = Annotated[str, StringConstraints(to_upper=True, pattern=r"^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$")]
Language = Literal["ja", "en", "both"]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Domain(_Strict):
    """A domain the CA has vetted for the institution (manual 1-1-4 step 5, the first two errors)."""

    name: DomainName
    registrant: str | None = None  # as WHOIS shows it
    vetted_until: date | None = None  # 証明書発行有効期限, the last good day; None: not vetted yet


class _Pin(_Strict):
    """`since` and `until`: the first and the last day, on people's calendars, on which the key may sign; None: open.

    Two keys of one officer may overlap, so that a new one is in force before the old one goes.
    """

    file: str  # relative to the register
    since: date | None = None
    until: date | None = None

    def serves_on(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


class OpenPGPKey(_Pin):
    """A pinned key: the fingerprint of the primary key, and the file that holds it."""

    fingerprint: Fingerprint


class SmimeKey(_Pin):
    """A pinned key: SHA-256 of the certificate's public key (SPKI, DER), and the file that holds the certificate.

    A renewed certificate of the same key needs no new pin.
    """

    public_key: Annotated[str, StringConstraints(to_upper=True, pattern=r"^[0-9A-Fa-f]{64}$")]


class Officer(_Strict):
    """登録担当者. Authority is the key; an address may be shared by several officers, a key may not."""

    id: Word
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    notify: Address
    openpgp: tuple[OpenPGPKey, ...] = ()
    smime: tuple[SmimeKey, ...] = ()
    inline_openpgp: bool = False
    roles: tuple[Word, ...] = ()  # for policies with steps
    phone: str | None = None

    def pin(self, scheme: Scheme, fingerprint: str) -> OpenPGPKey | SmimeKey | None:
        if scheme is Scheme.OPENPGP:
            return next((key for key in self.openpgp if key.fingerprint == fingerprint), None)
        return next((key for key in self.smime if key.public_key == fingerprint), None)

    @property
    def scheme(self) -> Scheme | None:
        """The signature system of the mails we send to this officer; None: no key at all."""
        if self.openpgp:
            return Scheme.OPENPGP
        return Scheme.SMIME if self.smime else None

    @model_validator(mode="after")
    def _notify_is_registered(self) -> "Officer":
        if self.notify not in self.addresses:
            raise ValueError("notify must be one of addresses")
        return self


class Step(_Strict):
    """One step of a policy: so many officers with this role (None: any officer)."""

    role: Word | None = None
    approvals: Annotated[int, Field(ge=1, le=9)] = 1


class Policy(_Strict):
    """What an approval takes, for which kinds of application.

    Either `approvals`, by any officers, or `steps`, which are done in their order; one person counts once in all of
    them. `self_approval` must be said aloud where an institution has one officer.
    """

    name: Word = "one-officer"
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = tuple(Kind)
    approvals: Annotated[int, Field(ge=1, le=9)] = 1
    steps: tuple[Step, ...] = ()
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
    policies: tuple[Policy, ...] = (Policy(),)  # the first that names the kind holds; none: nothing is issued
    requests: Literal["both", "at_once", "daily"] = (
        "both"  # a mail for each application, one a day for all, or both
    )
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

    def policy_for(self, kind: Kind) -> Policy | None:
        return next((policy for policy in self.policies if kind in policy.kinds), None)

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

    def officer_with_key(self, scheme: Scheme, fingerprint: str) -> tuple[Institution, Officer] | None:
        """`fingerprint`: of the OpenPGP primary key, or the SHA-256 of the S/MIME public key; hex, in capitals."""
        for institution in self.institutions.values():
            for officer in institution.officers:
                if officer.pin(scheme, fingerprint):
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
