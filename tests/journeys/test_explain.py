"""`ringi explain`, `tsv check` and the register's reload: the service's own code, by the command."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bot.demo.replies import plain_mail, signed_reply
from bot.demo.seals import Seal
from tests.applications import tsv, tsv_line
from tests.journeys.desk import BOT, Desk
from tests.servers.people import APPLICANT, OFFICER

pytest_plugins = ("tests.servers.fixtures",)


def test_mails_are_explained_with_no_effect(desk: Desk, tmp_path: Path) -> None:
    desk.apply("test1.example.ac.jp")
    _wait_and_take(desk)
    request = desk.officer.mailbox.wait_for("承認のお願い")
    officer = desk.officer

    def reply(text: str, seal: Seal = officer.seal, sender: str = OFFICER) -> bytes:
        return signed_reply(request, sender, text, quote=True, style="mutt", seal=seal)

    stranger = desk.stranger.seal
    mails = {
        "approve.eml": reply("承認"),
        "decline.eml": reply("却下: 所属が違います"),
        "stranger.eml": reply("承認", stranger),
        "other-from.eml": reply("承認", sender=APPLICANT),
        "changed.eml": reply("承認").replace(b"Content-Type: text/plain", b"Content-Type: text/Plain", 1),
        "application.eml": plain_mail(
            APPLICANT, BOT, "発行申請", "お願いします\n", {"a.tsv": tsv(tsv_line("test9.example.ac.jp"))}
        ),
        "vacation.eml": b"Auto-Submitted: auto-replied\r\n"
        + plain_mail(APPLICANT, BOT, "不在", "不在です\n", {}),
    }
    for name, raw in mails.items():
        (tmp_path / name).write_bytes(raw)
    before = desk.states()
    found = {Path(str(e["file"])).name: e for e in desk.explain(*(tmp_path / name for name in mails))}

    def verdict(name: str) -> tuple[object, ...]:
        entry = found[name]
        signature = entry["signature"]
        assert isinstance(signature, dict)
        return entry["kind"], signature["state"], signature["reason"], entry["decision"], entry["reason"]

    assert verdict("approve.eml") == ("decision", "good", None, "approve", "approved")
    assert verdict("decline.eml") == ("decision", "good", None, "decline", "declined")
    assert verdict("stranger.eml")[1:3] == ("refused", "unknown_key")
    assert verdict("other-from.eml")[1:3] == ("refused", "from_mismatch")
    assert verdict("changed.eml")[1:3] == ("refused", "bad_signature")
    assert verdict("application.eml") == ("application", "none", None, None, "taken")
    assert found["vacation.eml"]["automatic"] is True
    assert found["approve.eml"]["signature"]["by"] == "testkikan/suzuki"  # type: ignore[index]
    assert desk.states() == before


def test_the_time_of_receipt_decides(desk: Desk, tmp_path: Path) -> None:
    desk.apply("test1.example.ac.jp")
    _wait_and_take(desk)
    request = desk.officer.mailbox.wait_for("承認のお願い")
    raw = signed_reply(request, OFFICER, "承認", quote=True, style="mutt", seal=desk.officer.seal)
    (tmp_path / "a.eml").write_bytes(raw)

    def reason(at: str) -> object:
        done = desk.ringi("explain", "--json", "--at", at, str(tmp_path / "a.eml"))
        return json.loads(done.stdout)["reason"]

    assert reason("2020-01-01T00:00:00+09:00") == "signed_in_future"
    assert reason("2040-01-01T00:00:00+09:00") == "lapsed"


def test_a_file_is_checked_with_no_effect(desk: Desk, tmp_path: Path) -> None:
    bad = tsv_line("test2.example.ac.jp", c1="CN=test2.example.ac.jp,O=other,L=Chiyoda-ku,ST=Tokyo,C=JP")
    (tmp_path / "a.tsv").write_bytes(tsv(tsv_line(), bad))
    arguments = ("tsv", "check", str(tmp_path / "a.tsv"), "--kind", "issue", "--institution", "testkikan")
    done = desk.ringi(*arguments, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["file"].endswith("a.tsv")
    assert [(row["seq"], row["result"]) for row in report["rows"]] == [(1, "OK"), (2, "NG")]
    assert (
        "241:1.主体者DN,主体者DNの機関名が申請者の所属機関名ではありません。" in report["rows"][1]["errors"]
    )
    assert "対処方法" in desk.ringi(*arguments).stdout
    assert not Path(desk.config.store.url.removeprefix("sqlite:///")).exists()
    unknown = desk.ringi(
        "tsv", "check", str(tmp_path / "a.tsv"), "--kind", "issue", "--institution", "nobody"
    )
    assert (unknown.returncode, "testkikan" in unknown.stderr) == (2, True)


def test_a_bad_register_keeps_the_old_one_in_force(desk: Desk) -> None:
    register = desk.directory / "register" / "testkikan.toml"
    good = register.read_text()
    log = desk.directory / "service.log"
    with desk.running() as service:
        pid = service._process.pid  # type: ignore[union-attr]
        register.write_text(good + "\n[surprise]\nx = 1\n")
        os.kill(pid, signal.SIGHUP)
        _wait_for(lambda: "register refused" in log.read_text())
        desk.apply("test1.example.ac.jp")
        desk.applicant.mailbox.wait_for("受け付けました")
        register.write_text(good.replace('locality = "Chiyoda-ku"', 'locality = "Minato-ku"'))
        os.kill(pid, signal.SIGHUP)
        _wait_for(lambda: log.read_text().count('"event": "register"') == 2)
        desk.apply("test2.example.ac.jp")
        desk.applicant.mailbox.wait_for("受け付けられませんでした")
    refused = next(line for line in log.read_text().splitlines() if "register refused" in line)
    assert "surprise" in refused
    assert "testkikan.toml:" in refused


def _wait_and_take(desk: Desk) -> None:
    _wait_for(lambda: bool(desk.bot.all()))
    desk.once()


def _wait_for(is_there: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_there():
        assert time.monotonic() < end
        time.sleep(0.1)
