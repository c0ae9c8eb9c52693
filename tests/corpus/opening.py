"""Opens the court: keys, register, store, applications."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.openpgp.keys import OfficerKeys
from bot.reading import Reader
from bot.smime.keys import SmimeKeys
from tests.corpus.court import Court, this_second
from tests.corpus.people import as_signer, make_people, make_persons
from tests.keys import gpg_home
from tests.smime_people import make_pki
from tests.stores import make_store


@contextmanager
def open_court(directory: Path) -> Iterator[Court]:
    """Everything that the corpora need, in `directory`; the gpg home is gone afterwards."""
    now = this_second()
    register_dir = directory / "register"
    register_dir.mkdir()
    engine = make_store(directory)
    pki = make_pki(directory / "pki", now)
    persons = make_persons(pki)
    with gpg_home() as home:
        people = make_people(home, register_dir, {n: as_signer(p) for n, p in persons.items()}, now.date())
        openpgp = OfficerKeys.load(people.register, register_dir, directory / "rings")
        smime = SmimeKeys.load(people.register, register_dir, pki.settings())
        reader = Reader(people.register, openpgp, smime, "mx.example.ac.jp", 9)
        court = Court(engine, people, reader, now, pki, persons)
        court.open_all()
        yield court
    engine.dispose()
