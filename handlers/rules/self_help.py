"""The words an applicant may answer one of our mails with (manual 1-2-6; 取下げ is ours)."""

from enum import StrEnum

from handlers.rules.approval import own_lines


class Wish(StrEnum):
    REPLACED = "replaced"  # 置き換え完了
    WITHDRAW = "withdraw"  # 取下げ


_FORMS = {
    **dict.fromkeys(
        ("置き換え完了", "置き換え完了しました", "置換え完了", "置換完了", "REPLACED"), Wish.REPLACED
    ),
    **dict.fromkeys(("取下げ", "取り下げ", "取下げます", "取り下げます", "WITHDRAW"), Wish.WITHDRAW),
}


def read_wish(text: str) -> Wish | None:
    """The one wish among the sender's own lines; None if there is none, or two different ones."""
    found = {_FORMS[word] for line in own_lines(text) if (word := line.rstrip("。.").upper()) in _FORMS}
    return found.pop() if len(found) == 1 else None
