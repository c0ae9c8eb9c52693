"""The words for where a thing stands. The only part of `store` that the pure rules may know."""

from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """What an application asks for (manual 1, 手続きの種別)."""

    ISSUE = "issue"
    RENEW = "renew"
    REVOKE = "revoke"


class ErrorMode(StrEnum):
    """処理中にエラーが発生した場合 (manual 1-1-4 step 4)."""

    STOP_ALL = "stop_all"
    FAULTLESS_ONLY = "faultless_only"


class ApplicationState(StrEnum):
    """Where one mailed TSV stands."""

    OPEN = "open"
    HELD = "held"
    CLOSED = "closed"  # every row is decided
    LAPSED = "lapsed"


class EntryState(StrEnum):
    """Where one TSV row stands."""

    WAITING = "waiting"  # 承認待ち
    APPROVED = "approved"  # enough officers signed; the CA has not been asked
    SIGNING = "signing"  # the intent is committed, the certificate is not
    ISSUED = "issued"  # 取得待ち
    DOWNLOADED = "downloaded"  # 発行済み
    DECLINED = "declined"
    LAPSED = "lapsed"
    FAILED = "failed"  # the CA or a check right before issuing refused it
    REVOKED = "revoked"  # a row that asked for a revocation, and the CRL says so
    WITHDRAWN = "withdrawn"  # 取下げ by the applicant, or replaced by a corrected TSV


class RevocationReason(IntEnum):
    """失効理由 (RFC 5280 5.3.1): those that people may give."""

    UNSPECIFIED = 0  # その他
    KEY_COMPROMISE = 1  # 鍵の危殆化
    AFFILIATION_CHANGED = 3  # 内容の変更
    SUPERSEDED = 4  # 証明書の更新(取替)
    CESSATION_OF_OPERATION = 5  # 運用の停止


class Filed(StrEnum):
    """Which IMAP folder a mail ends in; the names in config say what each is called on the server."""

    DONE = "done"
    REFUSED = "refused"
    QUARANTINE = "quarantine"


class OutboxState(StrEnum):
    """Where one outgoing mail to one recipient stands."""

    QUEUED = "queued"
    SENDING = "sending"  # committed before the first byte goes out
    SENT = "sent"
    RETRY = "retry"  # surely not accepted
    UNKNOWN = "unknown"  # the answer to DATA was lost: send the same bytes again
    FAILED = "failed"


class Verb(StrEnum):
    """What an officer's decision line says."""

    APPROVE = "approve"
    DECLINE = "decline"
    HOLD = "hold"
    RESUME = "resume"


class CertificateState(StrEnum):
    """Where one certificate stands; derived from its row and the time (store.certificates.state_of)."""

    INTENDED = "intended"  # serial and dates are committed, the bytes are not
    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"


# What may follow what. Whoever changes a state is held to these tables (store.applications).
APPLICATION_NEXT: dict[ApplicationState, frozenset[ApplicationState]] = {
    ApplicationState.OPEN: frozenset(
        {ApplicationState.HELD, ApplicationState.CLOSED, ApplicationState.LAPSED}
    ),
    # lapses where no policy came for it in time
    ApplicationState.HELD: frozenset(
        {ApplicationState.OPEN, ApplicationState.CLOSED, ApplicationState.LAPSED}
    ),
    # opened again where its sheet is voided before what was approved is carried out
    ApplicationState.CLOSED: frozenset({ApplicationState.OPEN}),
    ApplicationState.LAPSED: frozenset({ApplicationState.OPEN}),
}
ENTRY_NEXT: dict[EntryState, frozenset[EntryState]] = {
    EntryState.WAITING: frozenset(
        {EntryState.APPROVED, EntryState.DECLINED, EntryState.LAPSED, EntryState.WITHDRAWN}
    ),
    # back to WAITING where its sheet is voided
    EntryState.APPROVED: frozenset({EntryState.SIGNING, EntryState.FAILED, EntryState.WAITING}),
    EntryState.SIGNING: frozenset({EntryState.ISSUED, EntryState.REVOKED, EntryState.FAILED}),
    EntryState.ISSUED: frozenset({EntryState.DOWNLOADED}),
    EntryState.DOWNLOADED: frozenset(),
    EntryState.DECLINED: frozenset(),
    EntryState.LAPSED: frozenset(),
    EntryState.FAILED: frozenset(),
    EntryState.REVOKED: frozenset(),
    EntryState.WITHDRAWN: frozenset(),
}
CERTIFICATE_NEXT: dict[CertificateState, frozenset[CertificateState]] = {
    CertificateState.INTENDED: frozenset({CertificateState.VALID}),
    CertificateState.VALID: frozenset({CertificateState.REVOKED, CertificateState.EXPIRED}),
    # a revoked one stays revoked after its end
    CertificateState.REVOKED: frozenset(),
    CertificateState.EXPIRED: frozenset(),
}

# Rows that came to nothing: their names and keys are free again.
ENTRY_DEAD = frozenset({EntryState.DECLINED, EntryState.LAPSED, EntryState.FAILED, EntryState.WITHDRAWN})
