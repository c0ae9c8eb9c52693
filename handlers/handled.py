"""What became of a mail: its verdict, its folder, and the mails that answer it."""

from dataclasses import dataclass

from handlers.notices import Notice
from handlers.rules.reasons import Reason
from store.states import Filed


@dataclass(frozen=True)
class Handled:
    """`kind` names what the mail was taken for (`application`, `decision`, …); `decision` its verb, for `explain`."""

    kind: str
    reason: Reason
    filed: Filed
    notices: tuple[Notice, ...] = ()
    decision: str | None = None
    number: str | None = None
    keep_raw: bool = True  # False: the mail holds a secret that must not enter the store
