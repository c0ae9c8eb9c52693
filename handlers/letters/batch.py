"""Letters about a batch: all that is open for an institution, to be decided by one reply."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from handlers.letters.views import ApplicationView
from handlers.rules.reasons import Reason


@dataclass(frozen=True)
class BatchPartView:
    """One application of a batch. `application` holds its rows that wait; their `row_line` has the batch's row number.

    `first`, `last`: those numbers. `not_now`: why this officer can not approve all of these rows today, None if all;
    `mine`: the numbers of those that can be. `sender_is_contact`: as in SenderEvidence.
    """

    application: ApplicationView
    first: int
    last: int
    deadline: date
    is_urgent: bool
    sender_is_contact: bool
    mine: tuple[int, ...]
    not_now: Reason | None


@dataclass(frozen=True)
class OfficerBatch:
    """Once a day, to each officer who can decide something. `approve`, `revoke`: the row numbers that this officer
    can decide by `承認` and by `失効承認`.

    `checklist` is empty where each application had a request of its own, which says it and all details; else the
    rows are shown in full here. `left_out`: numbers of applications that did not fit.
    """

    template: ClassVar = "officer.batch"
    officer_name: str
    number: str
    code: str
    parts: tuple[BatchPartView, ...]
    approve: tuple[int, ...]
    revoke: tuple[int, ...]
    checklist: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class BatchRowView:
    """One row: its number in the batch, its SEQ in the application, and its line as the sheet has it."""

    index: int
    seq: int
    name: str
    row_line: str


@dataclass(frozen=True)
class BatchDone:
    """The rows of one application that were decided. `still_needed`: as in OfficerAnswer."""

    number: str
    rows: tuple[BatchRowView, ...]
    still_needed: int


@dataclass(frozen=True)
class BatchNotDone:
    """The rows of one application that were not decided, for one reason."""

    number: str
    rows: tuple[BatchRowView, ...]
    reason: Reason


@dataclass(frozen=True)
class OfficerBatchAnswer:
    """The answer to a decision on a batch. `reason`: of the mail as a whole; `code` None: it is not this officer's.

    `approve`, `revoke`: the rows of the batch that this officer still can decide, each with its own word.
    """

    template: ClassVar = "officer.batch_answer"
    officer_name: str
    number: str
    reason: Reason
    done: tuple[BatchDone, ...]
    not_done: tuple[BatchNotDone, ...]
    approve: tuple[BatchRowView, ...]
    revoke: tuple[BatchRowView, ...]
    code: str | None
    subject: str
