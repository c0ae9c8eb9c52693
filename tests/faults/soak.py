"""`make soak`: thousands of mixed mails through one desk that is killed at random moments, and through one that is not.

Both get the same mails in the same order (decisions are written from each desk's own requests), and in the end both
must have the same on record and in people's hands. `--mails`, `--seed` and `--kills` (chance a round) set its size.
"""

import argparse
import multiprocessing as mp
import random
import re
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bot.demo import replies
from bot.demo.mailbox import subject_of, text_of
from tests.faults.journeys import DN, People, people_of, plain
from tests.faults.picture import Picture, check_journal, compare, hosts_by_number, is_sending
from tests.faults.rig import Rig, open_rig
from tests.faults.site import BOT, OFFICER, first_day

_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_NUMBER = re.compile(r"A-\d{8}-\d{4,}")
_HOST = re.compile(r"h\d+\.example\.ac\.jp")
_APPLICANTS = 40
_KINDS = {
    "application": 30,
    "faulty": 8,
    "decision": 27,
    "unsigned": 4,
    "command": 4,
    "question": 10,
    "automatic": 7,
    "again": 10,
}


@dataclass
class Crowd:
    """The people: what they mail is drawn from `chance`, and from what the desk has asked them by then."""

    people: People
    chance: random.Random
    requests: dict[str, bytes] = field(default_factory=dict)  # by host: what waits for the officer's word
    seen: int = 0
    sent: list[bytes] = field(default_factory=list)
    count: int = 0

    def read(self) -> None:
        """The officer looks at the new requests, each once."""
        mails = self.people.site.world.received()
        for mail in mails[self.seen :]:
            is_request = mail.recipient == OFFICER and "承認のお願い" in subject_of(mail.raw)
            if is_request and (host := _HOST.search(text_of(mail.raw))):
                self.requests[host[0]] = mail.raw
        self.seen = len(mails)

    def write(self) -> bytes:
        self.count += 1
        kind = self.chance.choices(list(_KINDS), list(_KINDS.values()))[0]
        mail = self._write(kind)
        self.sent.append(mail)
        return mail

    def _write(self, kind: str) -> bytes:
        words = f"{self.count} {self.chance.random()}\n"
        sender = f"user{self.chance.randrange(_APPLICANTS)}@example.ac.jp"
        if kind == "again" and self.sent:
            return self.chance.choice(self.sent[-500:])
        if kind in ("decision", "unsigned") and self.requests:
            host = self.chance.choice(sorted(self.requests))
            word = self.chance.choices(["承認", "却下", "保留"], [80, 15, 5])[0]
            if kind == "unsigned":
                return replies.plain_reply(self.requests[host], OFFICER, word, quote=True, style="mutt")
            return self.people.decide(word, self.requests.pop(host))
        if kind == "command":
            return replies.signed_mail(OFFICER, BOT, "一覧", "一覧\n", {}, seal=self.people.seal)
        if kind == "automatic":
            return plain(words, sender, **{"Auto-Submitted": "auto-replied"})
        if kind in ("application", "faulty"):
            return self._apply(sender, "testkikan" if kind == "application" else "tesutokikan")
        return plain(words, sender)

    def _apply(self, sender: str, organization: str) -> bytes:
        fqdn = f"h{self.count}.example.ac.jp"
        dn = DN.format(fqdn).replace("O=testkikan", f"O={organization}")
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string(dn))
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(fqdn)]), critical=False)
        csr = builder.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384())
        self.people.applicant.mailbox.user = sender
        tsv = self.people.applicant.tsv(fqdn, dn, csr, profile=11)
        return replies.plain_mail(sender, BOT, "申請", "お願いします。\n", {"shinsei.tsv": tsv})


@dataclass(frozen=True)
class Soaked:
    picture: Picture
    rounds: int
    killed: Counter[str]
    repeats: int
    strangers: tuple[str, ...]
    seconds: float


class _Fate:
    """Kills rounds, the desk's process or the signer's, at any moment that a round may last."""

    def __init__(self, rig: Rig, seed: int, kills: float) -> None:
        self._rig = rig
        self._chance = random.Random(f"fate {seed}")
        self._kills = kills
        self._usual = 2.0  # seconds that a round takes
        self.rounds = 0
        self.killed: Counter[str] = Counter()

    def work_off(self, now: datetime) -> None:
        """Rounds until one was left alone and nothing is left to do."""
        while True:
            begin, is_hit = time.monotonic(), self._chance.random() < self._kills
            self.rounds += 1
            if is_hit:
                role = self._chance.choice(("desk", "desk", "signer"))
                self.killed[role] += self._rig.once_killed(now, role, self._chance.uniform(0, self._usual))
                continue
            run = self._rig.once(now)
            self._usual = max(0.5, (self._usual + time.monotonic() - begin) / 2)
            if (
                run.status == 0
                and not self._rig.site.world.waiting()
                and not is_sending(self._rig.site.state)
            ):
                return


def soak(mails: int, seed: int, kills: float, batch: int) -> Soaked:
    """`kills` 0: the undisturbed run."""
    started, now = time.monotonic(), first_day()
    with open_rig(now) as rig:
        crowd = Crowd(people_of(rig.site), random.Random(seed))
        fate = _Fate(rig, seed, kills)
        for done in range(0, mails, batch):
            now += timedelta(minutes=10)
            rig.site.world.now = now
            rig.site.world.put([crowd.write() for _ in range(min(batch, mails - done))])
            fate.work_off(now)
            crowd.read()
            if done // batch % 10 == 0:
                _say(f"{'killed' if kills else 'undisturbed'}: {done + batch} mails, {fate.rounds} rounds")
        picture, repeats, strangers = rig.picture()
        check_journal(rig.site.state)
        picture = _without_chance(picture, hosts_by_number(rig.site.state))
    seconds = time.monotonic() - started
    return Soaked(picture, fate.rounds, fate.killed, len(repeats), tuple(strangers), seconds)


def _without_chance(picture: Picture, hosts: dict[str, str]) -> Picture:
    """Digests left out, and applications called by their host: after a kill all senders take turns from the first one
    on again, so the numbers may be given in another order."""
    whole: Picture = Counter()
    for words, count in picture.items():
        named = _NUMBER.sub(lambda found: f"<{hosts.get(found[0], found[0])}>", words)
        whole[_DIGEST.sub("<digest>", named)] += count
    return whole


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=float, default=0.6, help="the chance that a round is killed")
    parser.add_argument("--batch", type=int, default=50, help="mails that lie in the INBOX at once")
    options = parser.parse_args()
    with ProcessPoolExecutor(2, mp_context=mp.get_context("spawn")) as pool:
        rest = (options.mails, options.seed)
        calm, hit = (pool.submit(soak, *rest, kills, options.batch) for kills in (0.0, options.kills))
        return 0 if _tell(options.mails, calm.result(), hit.result()) else 1


def _tell(mails: int, calm: Soaked, hit: Soaked) -> bool:
    missing, extra = compare(hit.picture, calm.picture)
    kinds = Counter(
        words.split(",")[1].strip(' "') for words in calm.picture.elements() if words.startswith("mail ")
    )
    _say(f"{mails} mails: {', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}")
    _say(f"undisturbed: {calm.rounds} rounds in {calm.seconds:.0f} s, {calm.repeats} mails repeated")
    killed = ", ".join(f"{count} of the {role}" for role, count in sorted(hit.killed.items()))
    _say(f"killed: {hit.rounds} rounds in {hit.seconds:.0f} s, kills: {killed}; {hit.repeats} mails repeated")
    for name, found in (
        ("lost", missing),
        ("doubled", extra),
        ("from nowhere", [*calm.strangers, *hit.strangers]),
    ):
        _say(f"{name}: {len(found)}")
        for words in found[:20]:
            _say(f"  {words}")
    return not (missing or extra or calm.strangers or hit.strangers)


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
