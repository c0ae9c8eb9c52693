"""DOS3: in which order waiting mails are served."""

from random import Random

from handlers.rules.turns import Standing, take_turns

FLOOD, OTHER, OFFICER, SPAM = "flood@x.jp", "other@x.jp", "officer@x.jp", "spam@y.jp"


def standing(sender: str | None) -> Standing:
    if sender == OFFICER:
        return Standing.OFFICER
    return Standing.APPLICANT if sender and sender.endswith("@x.jp") else Standing.STRANGER


def test_DOS3_one_mail_of_another_is_second_behind_ten_thousand() -> None:
    order = take_turns(dict.fromkeys(range(1, 10_001), FLOOD) | {10_001: OTHER}, standing)
    assert order[:3] == [1, 10_001, 2]
    assert sorted(order) == list(range(1, 10_002))


def test_DOS3_officers_come_first_in_each_turn_and_strangers_last_of_all() -> None:
    senders = {1: SPAM, 2: FLOOD, 3: FLOOD, 4: OFFICER, 5: OFFICER, 6: None, 7: SPAM}
    assert take_turns(senders, standing) == [4, 2, 5, 3, 1, 6, 7]


def test_DOS3_the_mails_of_one_sender_stay_in_their_order_and_none_is_left_out() -> None:
    rng = Random(3)
    people = [FLOOD, OTHER, OFFICER, SPAM, None, *(f"{n}@x.jp" for n in range(20))]
    for _ in range(50):
        senders = {uid: rng.choice(people) for uid in rng.sample(range(1, 1000), 200)}
        order = take_turns(senders, standing)
        assert sorted(order) == sorted(senders)
        for person in people:
            theirs = [uid for uid in order if senders[uid] == person]
            assert theirs == sorted(theirs)
        ours = [uid for uid in order if standing(senders[uid]) is not Standing.STRANGER]
        assert order[: len(ours)] == ours


def test_DOS3_nobody_waits_for_more_than_one_mail_of_each_other_sender_for_each_of_their_own() -> None:
    senders = {uid: f"{uid % 7}@x.jp" if uid % 5 else FLOOD for uid in range(1, 500)}
    order = take_turns(senders, standing)
    for place, uid in enumerate(order):
        before = [senders[other] for other in order[:place]]
        own = before.count(senders[uid])
        assert all(before.count(other) <= own + 1 for other in set(before))
