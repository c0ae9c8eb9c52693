"""Every reason a mail is refused, answered with help, or met with silence: one code, one meaning.

The words a person reads for each code stand in `mail_templates/<language>/reasons.toml`.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A stable code: it stands in mails, in the journal and in what `ringi explain` prints."""

    # what went well
    TAKEN = "taken"
    CHECKED = "checked"  # dry run
    APPROVED = "approved"
    DECLINED = "declined"
    HELD = "held"
    RESUMED = "resumed"
    REPEATED = "repeated"  # the same decision again: the same answer, no second effect
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"
    STATUS_SENT = "status_sent"
    HELP = "help"
    ANSWERED = "answered"  # an officer's command
    RESENT = "resent"

    # met with silence
    AUTOMATIC = "automatic"
    STRANGER = "stranger"
    DUPLICATE = "duplicate"  # the same bytes were handled before
    HELPED_TODAY = "helped_today"
    ANSWERED_OFTEN = "answered_often"  # the breaker of loops: enough answers for one address
    MUTED = "muted"  # over the sender's quota of the day, which was told already

    # the mail as a whole
    TOO_LARGE = "too_large"
    TOO_COMPLEX = "too_complex"
    HEADER_TOO_LARGE = "header_too_large"
    UNREADABLE = "unreadable"
    DUPLICATE_HEADER = "duplicate_header"
    BAD_FROM = "bad_from"
    CRASHED = "crashed"
    TOO_MANY_MAILS = "too_many_mails"  # the first over the sender's quota of the day

    # applications
    NO_TSV = "no_tsv"
    SEVERAL_TSV = "several_tsv"
    ARCHIVE = "archive"
    PRIVATE_KEY = "private_key"
    FILE_FAULT = "file_fault"
    ROW_FAULT = "row_fault"
    INSTITUTION_UNKNOWN = "institution_unknown"
    INSTITUTION_SEVERAL = "institution_several"
    SENDER_OUTSIDE = "sender_outside"
    TOKEN_UNKNOWN = "token_unknown"
    NOTHING_OPEN = "nothing_open"

    # the structure of a signed mail (SM, PGP6, PGP7)
    UNSIGNED = "unsigned"
    PARTIAL_SIGNATURE = "partial_signature"
    BROKEN_SIGNED_MAIL = "broken_signed_mail"
    NESTED_SIGNATURE = "nested_signature"
    HTML_ONLY = "html_only"
    NO_TEXT = "no_text"
    BAD_CHARSET = "bad_charset"
    CONTROL_CHARACTER = "control_character"
    ENCRYPTED = "encrypted"
    INLINE_NOT_ALLOWED = "inline_not_allowed"
    SCHEME_NOT_SERVED = "scheme_not_served"
    SIGNATURE_BLOCK = "signature_block"

    # the signature itself (PGP1-PGP5)
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED_KEY = "expired_key"
    REVOKED_KEY = "revoked_key"
    EXPIRED_SIGNATURE = "expired_signature"
    WEAK_DIGEST = "weak_digest"
    SEVERAL_SIGNATURES = "several_signatures"
    SIGNATURE_CLASS = "signature_class"
    SIGNED_IN_FUTURE = "signed_in_future"
    UNVERIFIABLE = "unverifiable"
    KEY_RETIRED = "key_retired"  # the register's `until` is past
    KEY_NOT_YET = "key_not_yet"  # the register's `since` is to come

    # an S/MIME signature (CMS1-CMS8)
    CMS_MALFORMED = "cms_malformed"
    CMS_CONTENT = "cms_content"  # detached with a content, opaque without one
    SIGNED_ATTRIBUTES = "signed_attributes"
    WEAK_KEY = "weak_key"
    UNTRUSTED_CERTIFICATE = "untrusted_certificate"
    CERTIFICATE_PURPOSE = "certificate_purpose"
    EXPIRED_CERTIFICATE = "expired_certificate"
    REVOKED_CERTIFICATE = "revoked_certificate"
    CRL_STALE = "crl_stale"  # not refused: the mail waits until a fresh list is there

    # who (ID)
    FROM_MISMATCH = "from_mismatch"
    SIGNED_FROM_DIFFERS = "signed_from_differs"
    FOREIGN_INSTITUTION = "foreign_institution"
    OWN_APPLICATION = "own_application"

    # what (AP)
    NO_DECISION = "no_decision"
    TWO_DECISIONS = "two_decisions"
    NO_CODE = "no_code"
    TWO_CODES = "two_codes"
    UNKNOWN_CODE = "unknown_code"
    QUOTE_MISMATCH = "quote_mismatch"
    WRONG_VERB = "wrong_verb"
    REASON_MISSING = "reason_missing"
    ROWS_UNKNOWN = "rows_unknown"
    ALREADY_DECIDED = "already_decided"
    LAPSED = "lapsed"
    ON_HOLD = "on_hold"
    NOT_ON_HOLD = "not_on_hold"
    SIGNATURE_REUSED = "signature_reused"
    SHEET_VOID = "sheet_void"  # a newer sheet took its place
    ROLE_MISSING = "role_missing"  # the policy's steps ask for roles this officer does not have
    NOT_YOUR_STEP = "not_your_step"  # an earlier step of the policy is not done
    NO_POLICY = "no_policy"  # nothing in the register says who may approve this kind
    PARTLY = "partly"  # a batch: some rows were decided, some could not be
    HOLD_IN_BATCH = "hold_in_batch"  # 保留 and 再開 are for one application

    # officer commands
    TWO_COMMANDS = "two_commands"
    NOT_FOUND = "not_found"
    NOTHING_TO_RESEND = "nothing_to_resend"
