"""No forged mail changes anything, and each is refused for its own reason."""

from collections import Counter
from datetime import timedelta
from functools import cache
from operator import itemgetter

import pytest

from bot.verified import VerifierFault
from store.states import Filed
from tests.corpus import (
    attack_bytes,
    attack_identity,
    attack_openpgp,
    attack_smime,
    attack_structure,
    attack_words,
)
from tests.corpus.court import Court, Verdict
from tests.corpus.forging import Attack, Forge
from tests.smime_people import Signing

ATTACKS: tuple[Attack, ...] = (
    *attack_structure.ATTACKS,
    *attack_bytes.ATTACKS,
    *attack_openpgp.ATTACKS,
    *attack_smime.ATTACKS,
    *attack_identity.ATTACKS,
    *attack_words.ATTACKS,
)


def _name(attack: Attack) -> str:
    return f"{attack.threat}: {attack.name}"


@cache
def _judge(court: Court, attack: Attack) -> Verdict:
    with court.sitting() as sitting:
        for step in attack.before:
            step(sitting)
        return sitting.receive(attack.make(Forge(court)), sitting.now + attack.later)


@pytest.mark.parametrize("attack", ATTACKS, ids=_name)
def test_a_forged_mail_changes_nothing_and_is_refused_for_its_reason(court: Court, attack: Attack) -> None:
    verdict = _judge(court, attack)
    assert not verdict.has_effect
    assert verdict.done == ()
    assert verdict.reason is attack.reason
    assert verdict.filed is not Filed.DONE


def test_what_the_attacks_start_from_is_carried_out(court: Court) -> None:
    forge = Forge(court)
    spoiled = attack_smime.Spoiled
    opaque = spoiled(Signing(content=True), opaque=True)
    for raw in (
        forge.good(),
        forge.inline(),
        spoiled()(forge),
        opaque(forge),
        forge.good("失効承認", "suzuki", "revoke"),
    ):
        with court.sitting() as sitting:
            assert sitting.receive(raw).has_effect


def test_CMS6_without_a_fresh_list_a_mail_waits(court: Court) -> None:
    raw = attack_smime.Spoiled()(Forge(court))
    with court.sitting() as sitting, pytest.raises(VerifierFault) as fault:
        sitting.receive(raw, sitting.now + timedelta(days=8))
    assert fault.value.temporary


def test_CMS7_a_signature_cut_off_anywhere_has_no_effect(court: Court) -> None:
    der = len(court.persons[attack_smime.ITO].sign_detached(b""))
    with court.sitting() as sitting:
        for length in range(1, der, 41):
            cut = attack_smime.Spoiled(change=itemgetter(slice(length)))
            assert not sitting.receive(cut(Forge(court))).has_effect


def test_the_corpus_covers_every_threat_and_nothing_of_it_is_accepted(court: Court) -> None:
    verdicts = {attack: _judge(court, attack) for attack in ATTACKS}
    table = Counter((attack.threat, verdict.reason.value) for attack, verdict in verdicts.items())
    print()  # noqa: T201
    for threat in sorted({threat for threat, _ in table}):
        reasons = ", ".join(f"{reason} {n}" for (t, reason), n in sorted(table.items()) if t == threat)
        print(f"{threat:<6}{sum(n for (t, _), n in table.items() if t == threat):>4}  {reasons}")  # noqa: T201
    accepted = [_name(attack) for attack, verdict in verdicts.items() if verdict.has_effect or verdict.done]
    print(f"{len(ATTACKS)} attacks, {len(accepted)} accepted")  # noqa: T201  # the table is asked for
    ids = {"SM": 9, "PGP": 7, "CMS": 8, "ID": 3, "AP": 3}
    # PGP1 is how gpg is called, and user ids: tests/bot/test_openpgp_call.py
    expected = {f"{kind}{n}" for kind, last in ids.items() for n in range(1, last + 1)} - {"PGP1"}
    assert {threat for threat, _ in table} == expected
    assert len({_name(attack) for attack in ATTACKS}) == len(ATTACKS) >= 130
    assert accepted == []
