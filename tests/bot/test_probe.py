"""`ringi check --probe` on real servers, and behind gateways that do what gateways do to signed mail."""

import imaplib
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from bot.bench.servers.running import free_ports
from bot.demo.keys import stop_agent
from bot.doctor.finding import Finding
from bot.doctor.probe import first_difference, probe
from bot.mime.automatic import find_automatic
from bot.mime.tree import Entity, read_entity
from bot.openpgp.keys import make_bot_key
from bot.setup.answers import Answers, InstitutionAnswers, NewCa, ServerAnswers
from bot.setup.text import config_text
from tests.servers.people import BOT

if TYPE_CHECKING:
    from bot.bench.servers.dovecot import Dovecot
    from tests.servers.fixtures import MailServers

pytest_plugins = ("tests.servers.fixtures",)

Change = Callable[[bytes], bytes | None]


@pytest.fixture(scope="module")
def bot_key(need: Callable[[str], str]) -> Iterator[tuple[Path, str]]:
    need("gpg")
    with tempfile.TemporaryDirectory(prefix="ringi-") as folder:
        home = Path(folder) / "gnupg"
        yield home, make_bot_key(home, "Ringi", BOT, None)
        stop_agent(home)


def write_config(folder: Path, dovecot: "Dovecot", smtp: ServerAnswers, bot_key: tuple[Path, str]) -> Path:
    imap = dovecot.imap(BOT)
    answers = Answers(
        instance="testkikan-1",
        address=BOT,
        imap=ServerAnswers(imap.host, imap.port, "tls", BOT, imap.password_file, None, imap.ca_file),
        smtp=smtp,
        public_url="http://127.0.0.1:1",
        institution=InstitutionAnswers("testkikan", "x", "x", "x", "x", ("example.jp",), ("example.jp",)),
        officers=(),
        ca=NewCa("unused"),
    )
    home, fingerprint = bot_key
    text = config_text(answers, fingerprint, datetime.now(UTC).date())
    path = folder / "config.toml"
    path.write_text(text.replace("[openpgp]\n", f'[openpgp]\nhome = "{home}"\n'), encoding="utf-8")
    return path


@pytest.fixture
def gateway(
    tmp_path: Path, dovecot: "Dovecot", bot_key: tuple[Path, str]
) -> Iterator[Callable[[Change], Path]]:
    """A mail server that changes each mail (None: loses it) before it lies in the bot's INBOX."""
    started: list[Controller] = []

    def start(change: Change) -> Path:
        class Gateway:
            async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
                raw = change(bytes(envelope.content or b""))
                if raw is not None:
                    dovecot.deliver(BOT, raw)
                return "250 OK"

        [port] = free_ports(1)
        controller = Controller(Gateway(), hostname="127.0.0.1", port=port)
        controller.start()
        started.append(controller)
        return write_config(tmp_path, dovecot, ServerAnswers("127.0.0.1", port, "none"), bot_key)

    yield start
    for controller in started:
        controller.stop()


def only(findings: list[Finding]) -> Finding:
    [finding] = findings
    return finding


def test_a_signed_mail_passes_real_servers_unharmed_and_is_filed(
    mail_servers: "MailServers", tmp_path: Path, bot_key: tuple[Path, str]
) -> None:
    smtp = mail_servers.postfix.smtp(BOT)
    server = ServerAnswers(smtp.host, smtp.port, "tls", BOT, smtp.password_file, None, smtp.ca_file)
    finding = only(probe(write_config(tmp_path, mail_servers.dovecot, server, bot_key), seconds=20))
    assert (finding.part, finding.ok, finding.mend) == ("probe", True, "")
    assert mail_servers.dovecot.mails(BOT) == []
    assert len(mail_servers.dovecot.mails(BOT, "Done")) == 1


def test_the_probe_is_automatic_mail_for_a_running_service(
    gateway: Callable[[Change], Path], dovecot: "Dovecot"
) -> None:
    assert only(probe(gateway(lambda raw: raw))).ok
    root = read_entity(dovecot.mails(BOT, "Done")[0])
    assert isinstance(root, Entity)
    assert find_automatic(root.headers, BOT) == "X-Ringi-Loop"


def test_a_service_that_files_the_probe_first_is_no_fault(
    gateway: Callable[[Change], Path], dovecot: "Dovecot"
) -> None:
    def file_at_once(raw: bytes) -> None:
        append(dovecot, "Done", raw, datetime.now(UTC))

    assert only(probe(gateway(file_at_once))).ok


def test_a_rewritten_link_is_shown_with_its_line_as_it_left_and_as_it_came(
    gateway: Callable[[Change], Path],
) -> None:
    path = gateway(lambda raw: raw.replace(b"https://www.", b"https://safe.example.jp/?u=www."))
    finding = only(probe(path))
    assert not finding.ok
    assert "line 13 of the signed part left as 'https://www." in finding.what
    assert "came as 'https://safe.example.jp" in finding.what
    assert "link rewriting" in finding.mend


def wrap(raw: bytes) -> bytes:
    """As Exchange adds a disclaimer: the signed mail becomes a part of another."""
    headers, _, body = raw.partition(b"\r\n\r\n")
    inner = re.search(rb"Content-Type: multipart/signed.*?(?=\r\n\S|\Z)", headers, re.DOTALL)[0]
    headers = headers.replace(inner, b'Content-Type: multipart/mixed; boundary="w"')
    footer = b"\r\n--w\r\nContent-Type: text/plain\r\n\r\nThis mail is confidential.\r\n--w--\r\n"
    return headers + b"\r\n\r\n--w\r\n" + inner + b"\r\n\r\n" + body + footer


def test_a_disclaimer_put_around_the_mail_is_recognised(gateway: Callable[[Change], Path]) -> None:
    finding = only(probe(gateway(wrap)))
    assert not finding.ok
    assert "partial_signature" in finding.what
    assert "multipart/mixed" in finding.what
    assert "disclaimers" in finding.mend


def test_a_signature_that_was_cut_off_is_recognised(gateway: Callable[[Change], Path]) -> None:
    def cut(raw: bytes) -> bytes:
        headers = re.sub(rb"Content-Type: .*", b"", raw.partition(b"\r\n\r\n")[0], flags=re.DOTALL)
        return headers + b"Content-Type: text/plain\r\n\r\nonly text is allowed here\r\n"

    finding = only(probe(gateway(cut)))
    assert not finding.ok
    assert "text/plain" in finding.what


def test_a_changed_signature_part_is_recognised(gateway: Callable[[Change], Path]) -> None:
    def touch(raw: bytes) -> bytes:
        return re.sub(rb"(BEGIN PGP SIGNATURE-----\r\n\r\n.{20})(.)", rb"\1/", raw)

    assert "signature itself" in only(probe(gateway(touch))).what


def test_a_mark_in_the_subject_is_told_and_harms_nothing(gateway: Callable[[Change], Path]) -> None:
    good, note = probe(gateway(lambda raw: raw.replace(b"Subject: ", b"Subject: [EXTERNAL] ", 1)))
    assert good.ok
    assert note.ok
    assert "[EXTERNAL] [Ringi] probe" in note.what


def test_a_replaced_message_id_is_a_warning(gateway: Callable[[Change], Path]) -> None:
    path = gateway(lambda raw: re.sub(rb"Message-ID: .*", b"Message-ID: <other@example.jp>\r", raw, count=1))
    good, warning = probe(path)
    assert good.ok
    assert warning.ok
    assert "threaded" in warning.mend


def test_a_mail_that_never_comes_is_not_waited_for_for_ever(gateway: Callable[[Change], Path]) -> None:
    finding = only(probe(gateway(lambda raw: None), seconds=1))
    assert not finding.ok
    assert BOT in finding.what
    assert "INBOX" in finding.mend


def append(dovecot: "Dovecot", folder: str, raw: bytes, at: datetime) -> None:
    context = ssl.create_default_context(cafile=dovecot.tls.ca_file)
    with imaplib.IMAP4_SSL("127.0.0.1", dovecot.imaps_port, ssl_context=context, timeout=10) as client:
        client.login(BOT, dovecot.users[BOT])
        assert client.append(folder, None, imaplib.Time2Internaldate(at), raw)[0] == "OK"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_mail_servers_clock_that_differs_is_a_finding_of_its_own(
    hours: int, gateway: Callable[[Change], Path], dovecot: "Dovecot"
) -> None:
    def arrive(raw: bytes) -> None:
        append(dovecot, "INBOX", raw, datetime.now(UTC) + timedelta(hours=hours))

    good, clock = probe(gateway(arrive))
    assert good.ok
    assert (clock.part, clock.ok) == ("clock", False)


def test_an_smtp_server_that_refuses_is_a_finding(
    gateway: Callable[[Change], Path], dovecot: "Dovecot"
) -> None:
    path = gateway(lambda raw: raw)
    path.write_text(re.sub(r"(\[smtp\][^\[]*?\nport = )\d+", r"\g<1>1", path.read_text()))
    finding = only(probe(path))
    assert not finding.ok
    assert "could not be sent: 127.0.0.1:1" in finding.what
    assert dovecot.mails(BOT) == []


def test_an_imap_server_that_is_down_and_a_key_that_is_gone_are_findings(
    gateway: Callable[[Change], Path],
) -> None:
    path = gateway(lambda raw: raw)
    text = path.read_text()
    path.write_text(re.sub(r'fingerprint = "\w+"', f'fingerprint = "{"A" * 40}"', text))
    assert "signing key" in only(probe(path)).mend
    path.write_text(re.sub(r"(\[imap\][^\[]*?\nport = )\d+", r"\g<1>1", text))
    assert "IMAP" in only(probe(path)).mend


def test_the_first_difference_may_be_a_line_that_is_only_on_one_side() -> None:
    assert (
        first_difference(b"a\r\nb", b"a\r\nb\r\nc")
        == "line 3 of the signed part left as nothing and came as 'c'"
    )
    assert first_difference(b"a\r\n ", b"a\r\n") == "line 2 of the signed part left as ' ' and came as ''"
