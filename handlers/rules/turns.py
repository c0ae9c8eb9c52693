"""In which order waiting mails are served, so that nobody waits for somebody else's thousands (threats DOS3)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum


class Standing(IntEnum):
    """Who a sender says to be. A From address proves nothing: it decides the order, never what a mail may do."""

    OFFICER = 0
    APPLICANT = 1
    STRANGER = 2  # never answered: nobody waits for us


def take_turns(senders: Mapping[int, str | None], standing_of: Callable[[str | None], Standing]) -> list[int]:
    """UIDs in the order of service. `senders`: UID -> From address; None: none that can be read.

    Each sender's first mail, then each one's second, and so on; in each turn officers first, then by UID. Strangers
    come after all others, by turns too. The mails of one sender stay in their order.
    """
    queues: dict[str | None, list[int]] = defaultdict(list)
    for uid in sorted(senders):
        queues[senders[uid]].append(uid)
    return [uid for _, _, _, uid in sorted(_places(queues.items(), standing_of))]


def _places(
    queues: Iterable[tuple[str | None, list[int]]], standing_of: Callable[[str | None], Standing]
) -> Iterable[tuple[bool, int, Standing, int]]:
    for sender, uids in queues:
        standing = standing_of(sender)
        for turn, uid in enumerate(uids):
            yield standing is Standing.STRANGER, turn, standing, uid
