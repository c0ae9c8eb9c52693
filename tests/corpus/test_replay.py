"""A signed mail has one effect, ever: replayed, wrapped anew, aimed elsewhere or kept for later (threats AP1)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from handlers.rules.reasons import Reason
from store.states import Filed
from tests.corpus.attack_smime import ITO
from tests.corpus.court import Court, Sitting, Verdict
from tests.corpus.forging import SUZUKI, Forge, mail, opaque_cms, wrap, wrap_cms
from tests.corpus.mime import multipart, text_part
from tests.smime_people import Signing

_ITO = f"{ITO}@example.ac.jp"


def _openpgp(forge: Forge, own: str = "承認") -> bytes:
    return forge.good(own)


def _smime(forge: Forge, own: str = "承認") -> bytes:
    entity = forge.entity(own)
    return mail(wrap_cms(entity, forge.court.persons[ITO].sign_detached(entity)), _ITO)


def _opaque(forge: Forge, own: str = "承認") -> bytes:
    der = forge.court.persons[ITO].sign(forge.entity(own), Signing(content=True))
    return mail(opaque_cms(der), _ITO)


def _inline(forge: Forge, own: str = "承認") -> bytes:
    return forge.inline(forge.block(forge.text(own)))


Write = Callable[[Forge, str], bytes]
every_form = pytest.mark.parametrize("write", [_openpgp, _smime, _opaque, _inline])


def _see_one_effect(sitting: Sitting, first: bytes, *later: bytes, reason: Reason = Reason.REPEATED) -> None:
    assert sitting.receive(first).has_effect
    for raw in later:
        again = sitting.receive(raw)
        assert (again.has_effect, again.done, again.reason) == (False, (), reason)


def _by_colleague(sitting: Sitting, own: str) -> Verdict:
    verdict = sitting.receive(Forge(sitting.court).good(f"{own}\n\n田中", "tanaka"))
    assert verdict.has_effect, verdict
    return verdict


@every_form
def test_AP1_the_same_bytes_again_have_no_second_effect_and_the_same_answer(
    court: Court, write: Write
) -> None:
    raw = write(Forge(court), "承認")
    with court.sitting() as sitting:
        _see_one_effect(sitting, raw, raw, raw)
        assert sitting.receive(raw).filed is Filed.DONE
        assert sitting.receive(raw).answers == 1


@every_form
def test_AP1_the_same_signature_under_new_headers_has_no_second_effect(court: Court, write: Write) -> None:
    raw = write(Forge(court), "承認")
    anew = raw.replace(b"<2@example.ac.jp>", b"<99@example.ac.jp>").replace(b"22 Nov 2026", b"24 Nov 2026")
    anew = b"X-New: header\r\n" + anew.replace(b"Subject: ", b"Subject: [SPAM] ")
    assert anew != raw
    with court.sitting() as sitting:
        _see_one_effect(sitting, raw, anew)


def test_AP1_the_same_signed_part_in_a_new_multipart_has_no_second_effect(court: Court) -> None:
    forge = Forge(court)
    entity = forge.entity()
    armor = forge.armor(entity)
    later = forge.armor(entity, at=(court.now + timedelta(seconds=2)).strftime("%Y%m%dT%H%M%S"))
    assert armor != later
    first = mail(wrap(entity, armor))
    rewrapped = mail(wrap(entity, armor, boundary="=-another", preamble="x\r\n"))
    rearmored = mail(wrap(entity, armor.replace(b"\r\n\r\n", b"\r\nComment: x\r\n\r\n", 1)))
    with court.sitting() as sitting:
        _see_one_effect(sitting, first, rewrapped, rearmored, mail(wrap(entity, later)))


def test_AP1_a_detached_text_offered_as_opaque_has_no_second_effect(court: Court) -> None:
    forge, person = Forge(court), court.persons[ITO]
    entity = forge.entity()
    first = mail(wrap_cms(entity, person.sign_detached(entity)), _ITO)
    with court.sitting() as sitting:
        _see_one_effect(sitting, first, mail(opaque_cms(person.sign_opaque(entity)), _ITO))


def test_AP1_a_mail_wrapped_into_another_is_refused_and_the_first_stands(court: Court) -> None:
    forge = Forge(court)
    raw = forge.good()
    wrapped = mail(
        multipart("mixed", "=-w", [text_part("転送"), b"Content-Type: message/rfc822\r\n\r\n" + raw])
    )
    listed = mail(multipart("mixed", "=-l", [forge.sealed(forge.entity()), text_part("list")]))
    with court.sitting() as sitting:
        assert sitting.receive(raw).has_effect
        assert not sitting.receive(wrapped).has_effect
        assert not sitting.receive(listed).has_effect


@every_form
def test_AP1_one_mail_decides_one_application_only(court: Court, write: Write) -> None:
    raw = write(Forge(court), "承認")
    with court.sitting() as sitting:
        (done,) = sitting.receive(raw).done
        assert done.number == court.request("issue").number
        # the other application's code put in the place of the first
        other = court.request("second").code.encode()
        for octets in (raw.replace(court.request("issue").code.encode(), other), raw):
            assert not sitting.receive(octets).has_effect


def test_AP1_another_instance_knows_neither_code_nor_application(court: Court) -> None:
    """Each store freezes sheets with nonces of its own; a mail for one says nothing to another."""
    forge = Forge(court)
    foreign = forge.text().replace(court.request().code, "01234567-89abcdef-01234567-89abcdef")
    with court.sitting() as sitting:
        verdict = sitting.receive(forge.of_text(foreign))
        assert (verdict.reason, verdict.has_effect) == (Reason.UNKNOWN_CODE, False)


@every_form
def test_AP1_a_mail_refused_on_hold_does_not_count_once_the_hold_is_over(court: Court, write: Write) -> None:
    raw = write(Forge(court), "承認")
    with court.sitting() as sitting:
        _by_colleague(sitting, "保留: 確認中")
        assert sitting.receive(raw).reason is Reason.ON_HOLD
        _by_colleague(sitting, "再開")
        again = sitting.receive(raw)
        assert (again.reason, again.has_effect) == (Reason.SIGNATURE_REUSED, False)
        # what is signed anew counts
        assert sitting.receive(write(Forge(court), "承認します")).has_effect


def test_AP1_an_old_hold_does_not_hold_again(court: Court) -> None:
    hold, resume = Forge(court).good("保留: 確認中"), Forge(court).good("再開")
    with court.sitting() as sitting:
        assert sitting.receive(hold).has_effect
        assert sitting.receive(resume).has_effect
        _see_nothing(sitting, hold)
        _see_nothing(sitting, resume)


def _see_nothing(sitting: Sitting, raw: bytes) -> None:
    verdict = sitting.receive(raw)
    assert (verdict.has_effect, verdict.done) == (False, ()), verdict


@every_form
def test_AP1_nothing_counts_after_the_deadline(court: Court, write: Write) -> None:
    raw = write(Forge(court), "承認")
    with court.sitting() as sitting:
        arrived = sitting.now
        sitting.wait(days=40)
        verdict = sitting.receive(raw, arrived)
        assert (verdict.reason, verdict.has_effect) == (Reason.LAPSED, False)


@every_form
def test_AP1_an_approval_after_a_decline_changes_nothing(court: Court, write: Write) -> None:
    raw = write(Forge(court), "承認")
    with court.sitting() as sitting:
        _by_colleague(sitting, "却下: 違います")
        _see_one_refusal(sitting, raw, Reason.ALREADY_DECIDED)


def _see_one_refusal(sitting: Sitting, raw: bytes, reason: Reason) -> None:
    verdict = sitting.receive(raw)
    assert (verdict.reason, verdict.has_effect) == (reason, False)


@every_form
def test_AP1_a_mail_from_the_future_does_not_count_when_its_time_has_come(court: Court, write: Write) -> None:
    raw = write(Forge(court), "承認")
    with court.sitting() as sitting:
        early = sitting.now - timedelta(hours=2)
        verdict = sitting.receive(raw, early)
        assert (verdict.reason, verdict.has_effect) == (Reason.SIGNED_IN_FUTURE, False)


def test_AP1_half_an_approval_replayed_gives_no_other_half(court: Court) -> None:
    some = Forge(court).good("承認 1-2")
    with court.sitting() as sitting:
        assert sitting.receive(some).done[0].rows == (1, 2)
        _see_nothing(sitting, some)
        rest = sitting.receive(Forge(court).good("承認 3"))
        assert rest.done[0].rows == (3,)
        _see_nothing(sitting, some)


@every_form
def test_an_honest_resend_gets_the_same_answer_and_does_nothing(court: Court, write: Write) -> None:
    """Written and signed anew, and once more from the folder of sent mails."""
    first, anew = write(Forge(court), "承認"), write(Forge(court), "承認します。\n\n再送です。")
    with court.sitting() as sitting:
        _see_one_effect(sitting, first, anew, first, anew)
        assert sitting.receive(anew).filed is Filed.DONE


def test_an_honest_resend_after_a_wrong_mail_counts(court: Court) -> None:
    with court.sitting() as sitting:
        assert sitting.receive(Forge(court).good("承認しまsう")).reason is Reason.NO_DECISION
        assert sitting.receive(Forge(court).good("承認します")).has_effect


def test_a_mail_that_arrived_under_a_false_name_counts_once_it_is_sent_right(court: Court) -> None:
    """The sender's fault is not held against the text: the same signature from the registered address."""
    forge = Forge(court)
    sealed = forge.sealed(forge.entity())
    with court.sitting() as sitting:
        assert sitting.receive(mail(sealed, "private@example.jp")).reason is Reason.FROM_MISMATCH
        assert sitting.receive(mail(sealed, SUZUKI)).has_effect


def test_AP1_two_officers_may_sign_the_same_words(court: Court) -> None:
    """Nothing but the word and the code: another institution's officer must not use up what ours will sign."""
    words = f"承認\n\n{court.request().code}\n"
    with court.sitting() as sitting:
        assert not sitting.receive(Forge(court).of_text(words, "watanabe")).has_effect
        assert sitting.receive(Forge(court).of_text(words, "suzuki")).has_effect
