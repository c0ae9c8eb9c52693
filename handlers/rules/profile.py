"""Certificate profiles (証明書プロファイルID): which key an applicant brings and what is signed for it."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

# CA/Browser Forum Baseline Requirements 6.3.2: the longest validity by day of issue
_PUBLIC_LIMITS = (
    (date(2029, 3, 15), 47),
    (date(2027, 3, 15), 100),
    (date(2026, 3, 15), 200),
    (date.min, 398),
)


class Profile(BaseModel):
    """One row of `[[profile]]` in the configuration. `days` is the validity in days of 24 hours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[int, Field(ge=1, le=99)]
    key: Literal["rsa2048", "rsa3072", "rsa4096", "p256", "p384"]
    digest: Literal["sha256", "sha384", "sha512"] = "sha256"
    days: Annotated[int, Field(ge=1, le=3650)] = 396
    public: bool = False
    client_auth: bool = False
    csr_digests: tuple[Literal["sha1", "sha256", "sha384", "sha512"], ...] = ("sha256", "sha384", "sha512")

    def not_after(self, not_before: datetime) -> datetime:
        """The last second of validity (RFC 5280 4.1.2.5 counts it in), cut to the baseline if `public`."""
        days = self.days
        if self.public:
            limit = next(limit for since, limit in _PUBLIC_LIMITS if not_before.date() >= since)
            days = min(days, limit)
        return not_before + timedelta(days=days) - timedelta(seconds=1)


# the real service's two server profiles
DEFAULT_PROFILES = (
    Profile(id=3, key="rsa2048", digest="sha256"),
    Profile(id=11, key="p384", digest="sha384"),
)
