"""Fetching the officers' revocation lists: from servers and files, replaced whole, never by an older one (CMS6)."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bot.config import Smime, load_config
from bot.smime import fetch
from bot.smime.fetch import (
    EndingList,
    FetchFault,
    crl_path,
    ending_lists,
    fetch_crls,
    is_fetch_due,
    read_kept,
)
from bot.smime.renewal import CrlRenewal
from bot.verified import Verified
from tests.smime_people import DAY, ENTITY, Pki, make_key, make_pki, pinned_keys

HOUR = timedelta(hours=1)


@dataclass
class CrlServer:
    """Answers `/<name>` with what `answers` holds: bytes, a status, or where to look instead. `asked`: the paths."""

    port: int
    answers: dict[str, bytes | int | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@contextlib.contextmanager
def crl_server() -> Iterator[CrlServer]:
    running = CrlServer(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running.asked.append(self.path)
            answer = running.answers.get(self.path[1:], 404)
            if isinstance(answer, int):
                self.send_error(answer)
            elif isinstance(answer, str):
                self.send_response(302)
                self.send_header("Location", answer)
                self.end_headers()
            else:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield running
        server.shutdown()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CrlServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with crl_server() as running:
        yield running


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return make_pki(tmp_path)


def settings_of(pki: Pki, *sources: str) -> Smime:
    return pki.settings(crl_sources=sources)


def kept(settings: Smime, source: str) -> datetime | None:
    crl = read_kept(settings, source)
    return None if crl is None else crl.last_update_utc


def told(faults: list[FetchFault]) -> str:
    return "\n".join(str(fault) for fault in faults)


def test_CMS6_lists_are_fetched_from_servers_and_files(pki: Pki, server: CrlServer, tmp_path: Path) -> None:
    person = pki.issue("suzuki", "suzuki@example.ac.jp")
    server.answers["ca.crl"] = pki.crl()
    root = tmp_path / "root.pem"
    root.write_bytes(x509.load_der_x509_crl(pki.crl(pki.root)).public_bytes(Encoding.PEM))
    settings = settings_of(pki, server.url("ca.crl"), str(root))
    assert fetch_crls(settings, pki.now) == []
    verdict = pinned_keys(pki, person).verify_detached(ENTITY, person.sign_detached(ENTITY), pki.now)
    assert isinstance(verdict, Verified)
    assert crl_path(settings, server.url("ca.crl")).stat().st_mode & 0o777 == 0o644
    assert not list(pki.crl_dir.glob(".new-*"))


def test_CMS6_only_a_newer_list_replaces_the_one_we_have(pki: Pki, server: CrlServer) -> None:
    settings = settings_of(pki, server.url("ca.crl"))
    times = [pki.now - 2 * HOUR, pki.now - 3 * HOUR, pki.now - HOUR]
    seen = []
    for begin in times:
        server.answers["ca.crl"] = pki.crl(this_update=begin)
        assert fetch_crls(settings, pki.now) == []
        seen.append(kept(settings, server.url("ca.crl")))
    assert seen == [times[0], times[0], times[2]]


BAD: dict[str, tuple[Callable[[Pki], bytes | int | str], str]] = {
    "no such page": (lambda _: 404, "answered 404"),
    "a page instead": (lambda _: b"<html>hello</html>", "no revocation list that can be read"),
    "cut": (lambda pki: pki.crl()[:-5], "no revocation list that can be read"),
    "empty": (lambda _: b"", "no revocation list that can be read"),
    "to a file": (lambda pki: pki.ca_file.as_uri(), "answered 302"),
    "to ftp": (lambda _: "ftp://127.0.0.1/ca.crl", "cannot be fetched"),
    "signed by another": (lambda pki: pki.crl(key=make_key("p256")), "is not signed by"),
    "of the future": (
        lambda pki: pki.crl(this_update=pki.now + DAY, next_update=pki.now + 2 * DAY),
        "in the future",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_CMS6_a_bad_answer_leaves_the_list_we_have(pki: Pki, server: CrlServer, kind: str) -> None:
    source = server.url("ca.crl")
    settings = settings_of(pki, source)
    before = pki.now - 2 * HOUR
    server.answers["ca.crl"] = pki.crl(this_update=before)
    assert fetch_crls(settings, pki.now) == []
    answer, message = BAD[kind]
    server.answers["ca.crl"] = answer(pki)
    faults = fetch_crls(settings, pki.now, [pki.intermediate.certificate])
    assert message in told(faults)
    assert faults[0].source == source
    assert kept(settings, source) == before


def test_CMS6_one_bad_source_does_not_keep_the_others(pki: Pki, server: CrlServer) -> None:
    server.answers["ca.crl"] = pki.crl()
    settings = settings_of(
        pki, server.url("nothing"), "/nowhere/ca.crl", "http://127.0.0.1:1/", server.url("ca.crl")
    )
    faults = fetch_crls(settings, pki.now)
    assert [fault.source for fault in faults] == list(settings.crl_sources[:3])
    assert kept(settings, server.url("ca.crl")) is not None


def test_CMS6_a_redirect_to_another_page_is_followed(pki: Pki, server: CrlServer) -> None:
    server.answers |= {"old": server.url("new"), "new": pki.crl()}
    assert fetch_crls(settings_of(pki, server.url("old")), pki.now) == []
    assert server.asked == ["/old", "/new"]


def test_CMS6_a_list_that_is_too_large_is_not_taken(
    pki: Pki, server: CrlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_LARGEST", 1000)
    server.answers["ca.crl"] = b"0" * 5000
    (tmp_path / "large").write_bytes(b"0" * 5000)
    faults = fetch_crls(settings_of(pki, server.url("ca.crl"), str(tmp_path / "large")), pki.now)
    assert [fault.message for fault in faults] == ["is larger than 1000 bytes"] * 2


def test_CMS6_a_list_of_another_ca_does_not_push_out_one_of_a_ca_we_do_not_know(
    pki: Pki, tmp_path: Path
) -> None:
    source = tmp_path / "ca.crl"
    settings = settings_of(pki, str(source))
    source.write_bytes(pki.crl(this_update=pki.now - 2 * HOUR))
    assert fetch_crls(settings, pki.now) == []
    source.write_bytes(pki.crl(pki.make_ca("somebody")))
    assert "no longer of the same CA" in told(fetch_crls(settings, pki.now))
    assert kept(settings, str(source)) == pki.now - 2 * HOUR


def test_CMS6_a_stale_list_is_told_of_but_kept_if_it_is_newer(pki: Pki, tmp_path: Path) -> None:
    source = tmp_path / "ca.crl"
    settings = settings_of(pki, str(source))
    source.write_bytes(pki.crl(this_update=pki.now - 2 * DAY, next_update=pki.now - DAY))
    assert "the list is stale" in told(fetch_crls(settings, pki.now))
    assert kept(settings, str(source)) == pki.now - 2 * DAY


def test_CMS6_bad_roots_are_a_fault(pki: Pki) -> None:
    pki.ca_file.unlink()
    assert "cannot be read" in told(fetch_crls(settings_of(pki, "/x"), pki.now))


def test_CMS6_a_list_is_due_when_missing_or_past_half_of_its_time(pki: Pki, tmp_path: Path) -> None:
    source = tmp_path / "ca.crl"
    settings = settings_of(pki, str(source))
    assert is_fetch_due(settings, pki.now)
    source.write_bytes(pki.crl(this_update=pki.now, next_update=pki.now + 8 * DAY))
    fetch_crls(settings, pki.now)
    assert not is_fetch_due(settings, pki.now + 4 * DAY - HOUR)
    assert is_fetch_due(settings, pki.now + 4 * DAY)


@pytest.mark.parametrize(("days", "warned"), [(8, 2 * DAY), (40, 10 * DAY), (2, DAY), (1, DAY / 2)])
def test_CMS6_the_alarm_comes_well_before_the_end(
    pki: Pki, tmp_path: Path, days: int, warned: timedelta
) -> None:
    """A quarter of its time, at least a day, but never more than half of it."""
    source = tmp_path / "ca.crl"
    settings = settings_of(pki, str(source))
    assert ending_lists(settings, pki.now) == (EndingList(str(source), "no list"),)
    end = pki.now + days * DAY
    source.write_bytes(pki.crl(this_update=pki.now, next_update=end))
    fetch_crls(settings, pki.now)
    assert ending_lists(settings, end - warned) == ()
    (ending,) = ending_lists(settings, end - warned + HOUR)
    assert (ending.source, ending.state[:20]) == (str(source), "the list holds until")


def test_CMS6_lists_are_renewed_daily_and_soon_again_when_they_run_out(pki: Pki, server: CrlServer) -> None:
    server.answers["ca.crl"] = pki.crl(this_update=pki.now, next_update=pki.now + 8 * DAY)
    renewal = CrlRenewal(settings_of(pki, server.url("ca.crl")))

    def fetches(moment: datetime) -> int:
        before = len(server.asked)
        renewal.renew((), moment)
        return len(server.asked) - before

    midnight = (pki.now + DAY).replace(hour=0, minute=0, second=0)
    assert [fetches(midnight - HOUR), fetches(midnight - HOUR / 2), fetches(midnight)] == [1, 0, 1]
    half = midnight + 4 * DAY + HOUR
    minutes = timedelta(minutes=1)
    assert [fetches(half + wait * minutes) for wait in (0, 5, 10, 15, 20)] == [1, 0, 1, 0, 1]


def test_CMS6_a_list_that_is_not_there_is_named(pki: Pki) -> None:
    renewal = CrlRenewal(settings_of(pki, "/nowhere/ca.crl"))
    assert renewal.renew((), pki.now) == (EndingList("/nowhere/ca.crl", "no list"),)
    assert renewal.renew((), pki.now + timedelta(minutes=9)) is None, "it did not look"


CONFIG = """
instance = "desk.example.ac.jp"
address = "ringi@example.ac.jp"
imap = {host = "localhost", user = "ringi", password_file = "password"}
smtp = {host = "localhost"}
ca = {key = "ca.key", certificate = "ca.pem"}
web = {public_url = "https://ringi.example.ac.jp"}
[smime]
ca_file = "roots.pem"
crl_sources = ["http://crl.example.jp/ca.crl", "lists/ca.crl", "/lists/ca.crl"]
"""


def test_a_source_without_a_scheme_is_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ringi.toml").write_text(CONFIG)
    smime = load_config(tmp_path / "ringi.toml").smime
    assert smime is not None
    assert smime.crl_sources == (
        "http://crl.example.jp/ca.crl",
        str(tmp_path / "lists/ca.crl"),
        "/lists/ca.crl",
    )


def test_without_smime_nothing_is_renewed(pki: Pki) -> None:
    assert CrlRenewal(None).renew((), pki.now) is None
    assert CrlRenewal(settings_of(pki)).renew((), pki.now) == ()
