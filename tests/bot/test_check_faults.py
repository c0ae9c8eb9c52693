"""Seeded faults on a desk that really works: `ringi check` tells each of them, alone, with what to do about it.

Each fault is put into a copy of the desk. `pytest --collect-only -q` on this file prints the list.
"""

import dataclasses
import http.server
import secrets
import shutil
import socket
import sqlite3
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bot.bench.servers.dovecot import Dovecot
from bot.bench.servers.tls import make_tls
from bot.ca.making import make_ca
from bot.demo.keys import stop_agent
from bot.doctor.check import Finding, check
from store import journal
from store.signer_ledger import id_of, open_ledger
from store.transaction import open_store, writing
from tests.servers.people import BOT
from tests.servers.postfix import Postfix
from tests.working_desk import DAY, HOUR, NOW, PASSPHRASE, Site, World, run, working_world

pytest_plugins = ("tests.servers.fixtures",)


@dataclasses.dataclass(frozen=True)
class Fault:
    """`seed` spoils the desk. `parts` must speak of it, the first by these words; `ok`: it is a warning."""

    seed: Callable[[Site], object]
    parts: tuple[str, ...]
    what: str
    mend: str
    ok: bool = False
    now: datetime = NOW


@pytest.fixture(scope="module")
def world(
    need: Callable[[str], str], _dovecot_process: Dovecot, _postfix_process: Postfix
) -> Iterator[World]:
    need("gpg")
    with working_world(_dovecot_process, _postfix_process) as made:
        yield made


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        path = Path(folder) / "d"
        shutil.copytree(world.copy, path)
        yield Site(path, world)
        stop_agent(path / "state/gnupg")


def troubles(site: Site, now: datetime = NOW) -> list[Finding]:
    return [one for one in check(site.path / "config.toml", now=now) if one.mend or not one.ok]


# the seeds that take more than a line


@contextmanager
def tls_server(folder: Path, **changes: object) -> Iterator[int]:
    """Shakes hands with everybody, with a certificate that is to be refused, and hangs up."""
    tls = make_tls(folder, **changes)  # type: ignore[arg-type]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=_shake_hands, args=(door, context))
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join()


def _shake_hands(door: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            with door.accept()[0] as connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue
        except OSError:
            return


@contextmanager
def bad_certificate(site: Site, **changes: object) -> Iterator[None]:
    with tls_server(site.path, **changes) as port:
        site.set("imap", "port", str(port))
        site.set("imap", "ca_file", '"ca.pem"')
        yield


@contextmanager
def no_right_to_make_folders(site: Site) -> Iterator[None]:
    mailbox = site.world.dovecot.directory / "mail" / BOT
    before = mailbox.stat().st_mode
    site.set("imap", "done", '"Archive"')
    mailbox.chmod(0o500)
    yield
    mailbox.chmod(before)


@contextmanager
def page_port_taken(site: Site) -> Iterator[None]:
    """By a program that knows no /health."""
    with http.server.HTTPServer(("127.0.0.1", 0), Nothing) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        site.set("web", "port", str(other.server_port))
        yield
        other.shutdown()
        thread.join()


class Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def full_disk(site: Site) -> Iterator[None]:
    real, usage = shutil.disk_usage, shutil.disk_usage(site.path)
    shutil.disk_usage = lambda _: usage._replace(free=100 * 2**20)  # type: ignore[assignment]
    try:
        yield
    finally:
        shutil.disk_usage = real


def overlapping_domain(site: Site) -> None:
    register = site.path / "register/testkikan.toml"
    head = register.read_text(encoding="utf-8").partition("[[officers]]")[0]
    own = next(
        line for line in (site.path / "config.toml").read_text().splitlines() if line.startswith("finger")
    )
    shutil.copy(site.path / "bot-key.asc", site.path / "register/keys/taro.asc")
    (site.path / "register/other.toml").write_text(
        head
        + '[[officers]]\nid = "taro"\nname = "T"\naddresses = ["t@example.ac.jp"]\nnotify = "t@example.ac.jp"\n'
        f'[[officers.openpgp]]\n{own}\nfile = "keys/taro.asc"\n',
        encoding="utf-8",
    )


def too_few_officers(site: Site) -> None:
    register = site.path / "register/testkikan.toml"
    site.edit(
        "[[officers.openpgp]]\n", "[[officers.openpgp]]\nuntil = 2020-01-01\n", "register/testkikan.toml"
    )
    with register.open("a", encoding="utf-8") as file:
        file.write('\n[[policies]]\nname = "two"\napprovals = 2\n')


def bot_key_ends_soon(site: Site) -> None:
    config = (site.path / "config.toml").read_text()
    own = next(line for line in config.splitlines() if line.startswith("fingerprint")).split('"')[1]
    home = str(site.path / "state/gnupg")
    run("gpg", "--homedir", home, "--batch", "--quick-set-expire", own, "20d")


def officers_certificate(site: Site, **changes: object) -> None:
    ichiro = site.world.pki.issue("ichiro", "ichiro@example.ac.jp", **changes)  # type: ignore[arg-type]
    (site.path / "register/keys/testkikan-ichiro.pem").write_bytes(
        ichiro.certificate.public_bytes(Encoding.PEM)
    )


def bots_certificate(site: Site, **changes: object) -> None:
    address = str(changes.pop("address", BOT))
    bot = site.world.pki.issue("bot", address, **changes)  # type: ignore[arg-type]
    (site.path / "bot.pem").write_bytes(bot.certificate.public_bytes(Encoding.PEM))
    site.set("smime", "certificate", '"bot.pem"')


def old_list(site: Site) -> None:
    pki = site.world.pki
    stale = pki.crl(this_update=NOW - 3 * DAY, next_update=NOW - DAY)
    (site.path / "old.crl").write_bytes(stale)
    for kept in (site.path / "state/crls").glob("*"):
        kept.unlink()
    site.set("smime", "crl_sources", f'["{pki.crl_dir}/root.crl", "old.crl"]')


def no_list(site: Site) -> None:
    for kept in (site.path / "state/crls").glob("*"):
        kept.unlink()
    site.set("smime", "crl_sources", f'["{site.world.pki.crl_dir}/root.crl"]')


def other_ca(site: Site, days: int, *, with_key: bool) -> None:
    key, certificate = make_ca("Other CA", key="p256", days=days, passphrase=PASSPHRASE, now=NOW)
    (site.path / "ca/ca.pem").write_bytes(certificate)
    if with_key:
        (site.path / "ca/ca.key").write_bytes(key)


def foreign_signer(site: Site, *, key_mode: int, sock: str) -> None:
    """The signer as a user of its own; the one of the running desk is there to answer."""
    (site.path / "ca/ca.key").chmod(key_mode)
    with (site.path / "config.toml").open("a") as file:
        file.write(f'[signer]\nstart = false\nsocket = "{sock}"\n')


def lost_ledger(site: Site) -> None:
    with closing(sqlite3.connect(site.path / "state/ringi.db")) as connection, connection:
        # a row that only has to be there
        connection.execute(
            "INSERT INTO certificates (entry_id, issuer, serial, not_before, not_after, der) "
            "VALUES (1, 'x', '1', '2026-01-01 00:00:00', '2027-01-01 00:00:00', x'00')"
        )
    (site.path / "state/signer.db").unlink()


def other_ledger(site: Site) -> None:
    """As on a second machine that has a signer of its own; the first round told the store which one it is."""
    (site.path / "state/signer.db").unlink()
    engine = open_ledger(site.path / "state/signer.db")
    id_of(engine, secrets.token_bytes)
    engine.dispose()


def other_ledger_that_answers(site: Site) -> None:
    """The signer of the running desk, and a store that belongs to another."""
    foreign_signer(site, key_mode=0o400, sock=f"{site.world.running}/state/signer.sock")
    site.sql(f"UPDATE meta SET value = '{'0' * 32}' WHERE name = 'signer_ledger'")


def dead_socket(site: Site) -> None:
    with socket.socket(socket.AF_UNIX) as left_by_a_crash:
        left_by_a_crash.bind(str(site.path / "state/signer.sock"))


def changed_journal(site: Site) -> None:
    engine = open_store(f"sqlite:///{site.path}/state/ringi.db")
    with writing(engine) as session:
        for n in range(3):
            journal.append(session, NOW, "event", {"n": n})
    engine.dispose()
    site.sql("UPDATE journal SET event = 'other' WHERE seq = (SELECT max(seq) - 1 FROM journal)")


def future_journal(site: Site) -> None:
    engine = open_store(f"sqlite:///{site.path}/state/ringi.db")
    with writing(engine) as session:
        journal.append(session, NOW + HOUR, "event", {})
    engine.dispose()


CONFIG, REGISTER = "config.toml", "register/testkikan.toml"
PINNED_OFFICERS = ("register", "officer keys", "S/MIME", "officers")

FAULTS = {
    # configuration and register
    "an unknown key in the configuration": Fault(
        lambda s: s.set("imap", "hosts", "1"), ("config",), "imap.hosts: unknown key", "config.example.toml"
    ),
    "a configuration that everybody may change": Fault(
        lambda s: (s.path / CONFIG).chmod(0o666), ("config",), "changed by everybody", "chmod o-w"
    ),
    "no monitors": Fault(
        lambda s: s.edit("monitors =", "# monitors ="), ("config",), "nobody gets", "monitors of", ok=True
    ),
    "holidays of another year": Fault(
        lambda s: s.edit(f"[{(NOW + 9 * HOUR).year}-01-01]", "[2020-01-01]"),
        ("config",),
        f"no holiday of {(NOW + 9 * HOUR).year}",
        "holidays of",
        ok=True,
    ),
    "a misspelt key in the register": Fault(
        lambda s: s.edit("organization", "organisation", REGISTER), PINNED_OFFICERS, "unknown key", REGISTER
    ),
    "a register that everybody may change": Fault(
        lambda s: (s.path / REGISTER).chmod(0o646), ("register",), "changed by everybody", "chmod o-w"
    ),
    "vetting that ended": Fault(
        lambda s: s.edit("vetted_until = ", "vetted_until = 2020-01-01 # ", REGISTER),
        ("register",),
        "was vetted until 2020-01-01",
        "vetted_until",
        ok=True,
    ),
    "a domain of two institutions": Fault(
        overlapping_domain, ("register",), "of other and of testkikan", "one of them", ok=True
    ),
    # store, journal, clock
    "a store that belongs to another user": Fault(
        lambda s: shutil.chown(s.path / "state", "nobody"), ("store",), "belongs to nobody", "sudo -u nobody"
    ),
    "a full disk": Fault(full_disk, ("store",), "100 MB left", "make room"),
    "a store of a newer version": Fault(
        lambda s: s.sql("CREATE TABLE later (x)"), ("store",), "newer Ringi", "install the newer"
    ),
    "a journal that was changed": Fault(changed_journal, ("journal",), "does not hold", "--against"),
    "a clock behind the journal": Fault(future_journal, ("clock",), "newest entry", "timedatectl"),
    # OpenPGP
    "no gpg": Fault(
        lambda s: s.set("openpgp", "gpg", '"no-such-gpg"'),
        ("gpg", "officer keys", "signing key", "officers"),
        "no GnuPG that runs",
        "apt-get install gnupg",
    ),
    "a bot's key that is not there": Fault(
        lambda s: s.set("openpgp", "fingerprint", f'"{"A" * 40}"'),
        ("signing key",),
        "does not sign",
        "openpgp.fingerprint",
    ),
    "a bot's key that ends soon": Fault(
        bot_key_ends_soon, ("signing key",), "signs only until", "--quick-set-expire", ok=True
    ),
    "an officer's key that expired": Fault(
        lambda s: s.pin(s.world.bad_keys / "expired.asc"), ("officer keys",), "expired", "ask hanako"
    ),
    "an officer's key that was revoked": Fault(
        lambda s: s.pin(s.world.bad_keys / "revoked.asc"), ("officer keys",), "revoked", "ask hanako"
    ),
    "an officer's file with another key": Fault(
        lambda s: s.overwrite("register/keys/testkikan-hanako.asc", "bot-key.asc"),
        ("officer keys", "officers"),
        "not only the pinned",
        "and it alone",
    ),
    "too few officers who can sign today": Fault(
        too_few_officers, ("officers",), "only ichiro can sign", "pin keys"
    ),
    # S/MIME
    "no roots": Fault(
        lambda s: (s.path / "smime-roots.pem").unlink(), ("S/MIME",), "smime-roots.pem", "smime.ca_file"
    ),
    "a revocation list that is not there": Fault(
        no_list, ("S/MIME",), "no fresh revocation list of CN=Test S/MIME CA", "smime.crl_sources"
    ),
    "a revocation list that is stale": Fault(old_list, ("S/MIME",), "", "smime.crl_sources"),
    "a bot's certificate of another address": Fault(
        lambda s: bots_certificate(s, address="other@example.ac.jp"),
        ("S/MIME",),
        "does not name",
        "issued for",
    ),
    "a bot's certificate that expired": Fault(
        lambda s: bots_certificate(s, end=NOW - DAY), ("S/MIME",), "is good from", "issued for"
    ),
    "an officer's certificate that expired": Fault(
        lambda s: officers_certificate(s, end=NOW - DAY), ("S/MIME",), "expired", "ask ichiro"
    ),
    # CA and signer
    "a wrong passphrase of the CA": Fault(
        lambda s: (s.path / "ca/passphrase").write_text("wrong"), ("CA",), "does not open", "[ca]"
    ),
    "a CA certificate of another key": Fault(
        lambda s: other_ca(s, 3650, with_key=False), ("CA",), "", "[ca]"
    ),
    "a CA that ends too soon": Fault(
        lambda s: other_ca(s, 300, with_key=True), ("CA",), "outlives the CA", "renew"
    ),
    "a CA key that everybody can read": Fault(
        lambda s: (s.path / "ca/ca.key").chmod(0o644), ("CA",), "read by everybody", "chmod 600"
    ),
    "a CA key that the desk can read": Fault(
        lambda s: foreign_signer(s, key_mode=0o644, sock=f"{s.world.running}/state/signer.sock"),
        ("CA",),
        "the desk's user",
        "chown ringi-signer:",
    ),
    "a signer that does not run": Fault(
        lambda s: foreign_signer(s, key_mode=0o400, sock="state/none.sock"),
        ("CA",),
        "none.sock",
        "ringi signer",
    ),
    "a socket without a signer": Fault(dead_socket, ("signer",), "nobody answers", "restart"),
    "a ledger that is gone": Fault(lost_ledger, ("signer",), "signer.db is missing", "newest copy"),
    "another ledger": Fault(other_ledger, ("signer",), "nothing is issued or revoked", "ringi accept-ledger"),
    "a signer with another ledger": Fault(
        other_ledger_that_answers, ("signer",), f"belongs to {'0' * 32}", "signer.start = false"
    ),
    # mail servers
    "a wrong IMAP host": Fault(
        lambda s: s.set("imap", "host", '"nowhere.invalid"'), ("IMAP",), "nowhere.invalid", "imap.host"
    ),
    "a wrong SMTP port": Fault(
        lambda s: s.set("smtp", "port", "1"), ("SMTP",), "127.0.0.1:1", "smtp.port (465"
    ),
    "a password that is wrong": Fault(
        lambda s: (s.path / "mail.password").write_text("wrong"),
        ("IMAP", "SMTP"),
        "login",
        "imap.password_file",
    ),
    "a password file that is not there": Fault(
        lambda s: (s.path / "mail.password").unlink(), ("IMAP", "SMTP"), "mail.password", "mode 600"
    ),
    "a password that everybody can read": Fault(
        lambda s: (s.path / "mail.password").chmod(0o644), ("IMAP", "SMTP"), "read by everybody", "mode 600"
    ),
    "a server whose CA is not trusted": Fault(
        lambda s: s.edit("ca_file = ", "# ca_file = "), ("IMAP",), "not trusted", "imap.ca_file"
    ),
    "a server with another name": Fault(
        lambda s: bad_certificate(s, names=("mail.example.ac.jp",)), ("IMAP",), "mismatch", "into imap.host"
    ),
    "a server whose certificate ended": Fault(
        lambda s: bad_certificate(s, around=-2 * DAY), ("IMAP",), "expired", "renewed"
    ),
    "TLS on a port that speaks none": Fault(
        lambda s: s.set("imap", "port", str(s.world.dovecot.imap_port)), ("IMAP",), "SSL", "imap.security"
    ),
    "no right to make the folders": Fault(
        no_right_to_make_folders, ("IMAP",), "folders failed", "imap.folder, done, refused"
    ),
    # page
    "a page without TLS": Fault(
        lambda s: s.set("web", "public_url", '"http://ringi.example.ac.jp"'),
        ("URL",),
        "not https",
        "TLS proxy",
    ),
    "a page that does not answer": Fault(
        lambda s: s.set("web", "public_url", '"http://127.0.0.1:1"'),
        ("URL",),
        "not answer",
        "ringi run",
        ok=True,
    ),
    "a page's port that is taken": Fault(page_port_taken, ("URL",), "another program", "web.port"),
    "every proxy believed": Fault(
        lambda s: s.set("web", "trusted_proxies", '["*"]'), ("URL",), "any visitor", "trusted_proxies"
    ),
}


def test_the_desk_without_a_fault_has_no_finding(site: Site) -> None:
    assert troubles(site) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_told_with_its_mend_and_nothing_else_is(name: str, site: Site) -> None:
    fault = FAULTS[name]
    seeded = fault.seed(site)
    with seeded if isinstance(seeded, AbstractContextManager) else nullcontext():
        found = troubles(site, fault.now)
    assert tuple(dict.fromkeys(one.part for one in found)) == fault.parts, found
    first = next(one for one in found if fault.what in one.what)
    assert first.part == fault.parts[0]
    assert first.ok is fault.ok
    assert fault.mend in first.mend
    assert all(one.mend for one in found)
