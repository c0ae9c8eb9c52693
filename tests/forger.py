"""A folder of evidence that proves, and somebody who changes it: all sums and the journal's hashes made anew."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.evidence.gather import read_signed
from handlers.frozen import digest
from handlers.rules.sheet import code_of, show_code
from store.states import Filed
from tests.evidence_world import (
    EvidenceWorld,
    entity,
    forge,
    inline_mail,
    line,
    open_world,
    rewritten_journal,
    signed_mail,
    verify,
)
from tests.signers import MailSigner, OpenPGPSigner, SmimeSigner, openpgp_signer
from tests.smime_people import make_pki


class Forger:
    """A folder that proves, to be copied and changed; `world` and the officers, who may sign other things too."""

    def __init__(
        self, place: Path, world: EvidenceWorld, suzuki: OpenPGPSigner, stranger: OpenPGPSigner, folder: Path
    ) -> None:
        self.place, self.world, self.suzuki, self.stranger, self.original = (
            place,
            world,
            suzuki,
            stranger,
            folder,
        )
        self._copies = 0

    def copy(self) -> Path:
        self._copies += 1
        return shutil.copytree(self.original, self.place / f"copy-{self._copies}")

    def file(self, name: str) -> bytes:
        return (self.original / name).read_bytes()

    def says(self, changes: dict[str, bytes | None], journal: dict[str, str] | None = None) -> str:
        """What the script says of a copy with these files and with other words in the journal, all sums made anew."""
        folder = self.copy()
        forge(folder, changes)
        if journal:
            forge(folder, {"journal.tsv": rewritten_journal(folder, journal)})
        done = verify(folder)
        assert done.returncode == 1, done.stdout
        assert "PROVEN\n" not in done.stdout.replace("NOT PROVEN", "")
        last = done.stdout.rstrip().split("\n")
        return next(text for text in last if text.startswith("NOT PROVEN"))

    def with_mail(self, signer: MailSigner, part: bytes, name: str = "approval-1") -> str:
        """An approval's mail is another, with a journal that agrees."""
        return self.with_raw(signed_mail(signer, part), name)

    def with_raw(self, raw: bytes, name: str) -> str:
        files = self.raw_files(raw, name)
        return self.says(files, self.digests(files))

    def mail_files(self, signer: MailSigner, part: bytes) -> dict[str, bytes]:
        """The files of the first approval with another mail."""
        return self.raw_files(signed_mail(signer, part), "approval-1")

    def raw_files(self, raw: bytes, name: str) -> dict[str, bytes]:
        signed = read_signed(raw)
        return {
            f"{name}.eml": raw,
            f"{name}.signed": signed.signed_bytes,
            f"{name}.signature": signed.signature,
        }

    def reordered(self, one: str, other: str) -> bytes:
        """The journal with the first of both events in each other's places, and hashes made anew."""
        fields = [text.split("\t") for text in self.file("journal.tsv").decode().splitlines()]
        first, second = (next(f for f in fields if f[2] == event) for event in (one, other))
        for column in (2, 3, 6):
            first[column], second[column] = second[column], first[column]
        for index, f in enumerate(fields):
            if index:
                f[4] = fields[index - 1][5]
            f[5] = digest("\n".join(f[:5]).encode())
        return "".join("\t".join(f) + "\n" for f in fields).encode()

    def code(self, sheet: bytes) -> str:
        return show_code(code_of(sheet))

    def digests(self, files: dict[str, bytes]) -> dict[str, str]:
        return {digest(self.file(name)): digest(data) for name, data in files.items()}


@contextmanager
def open_forger(place: Path) -> Iterator[Forger]:
    """A certificate that two officers approved, OpenPGP and S/MIME, and its revocation, approved inline and opaque."""
    pki = make_pki(place / "pki")
    pki.publish_crls()
    person = pki.issue("tanaka", "tanaka@example.ac.jp")
    tanaka = SmimeSigner("tanaka", "tanaka@example.ac.jp", person.certificate, person.key, person.chain)
    policy = '[[policies]]\nname = "two"\napprovals = 2\n'
    with openpgp_signer() as suzuki, openpgp_signer() as stranger:  # noqa: SIM117
        with open_world(place / "w", suzuki, tanaka, pki=pki, register=policy) as world:
            number = world.apply(line(), line("test2.example.ac.jp"))
            world.approve(suzuki, number)
            world.approve(tanaka, number, encoding="quoted-printable")
            serial = world.serial_of(number)
            asked = world.ask_revocation(serial, c5="1")
            words = f"失効承認\n> {world.code(asked)}\n"
            assert world.receive(inline_mail(suzuki, words)) is Filed.DONE
            assert world.receive(signed_mail(tanaka, entity(words), opaque=True)) is Filed.DONE
            world.revoke()
            folder = world.evidence(serial)
            done = verify(folder)
            assert done.returncode == 0, done.stdout + done.stderr
            yield Forger(place, world, suzuki, stranger, folder)
