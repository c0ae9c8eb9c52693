"""SIG1 for S/MIME: the desk keeps the revocation lists and says when a mail came, and gains nothing by either."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.ca.protocol import CaFault
from bot.reading import Reader
from bot.signer.messages import SignedMail
from bot.smime.keys import SmimeKeys
from handlers.rules.register import Register, SmimeKey
from handlers.rules.row_errors import Code
from tests.applications import TESTKIKAN
from tests.hostile_desk import HostileDesk, open_hostile_desk
from tests.signers import wrap
from tests.smime_people import DAY, Person, Pki, make_pki, officer_of, pinned_keys

_KIND = b"application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64"


@dataclass
class SmimeDesk(HostileDesk):
    """Its one officer signs by S/MIME."""

    pki: Pki | None = None
    person: Person | None = None
    keys: SmimeKeys | None = None

    @property
    def register(self) -> Register:
        assert self.person
        pin = SmimeKey(public_key=self.person.pin, file="suzuki.pem")
        changes = {"officers": (officer_of(self.person, pin),)} | self.institution
        return Register({"testkikan": TESTKIKAN.model_copy(update=changes)}, "f" * 64)

    @property
    def reader(self) -> Reader:
        return Reader(self.register, None, self.keys, None, 9)

    def mail(  # type: ignore[override]
        self,
        text: str,
        officer: str = "suzuki",
        *,
        files: Mapping[str, bytes] | None = None,
        received_at: datetime | None = None,
    ) -> SignedMail:
        assert self.person
        came = received_at or self.now()
        entity = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()
        signature = base64.encodebytes(self.person.sign_detached(entity, came)).replace(b"\n", b"\r\n")
        head = f"From: {self.person.address}\r\nMIME-Version: 1.0\r\nMessage-ID: <{secrets.token_hex(8)}@x.jp>\r\n"
        return SignedMail(raw=head.encode() + wrap(entity, _KIND, signature, b"sha-256"), received_at=came)

    def approval(self, came: datetime | None = None) -> list[int]:
        """What the signer says to an approval that came then, as the desk says."""
        papers = self.papers()
        mail = self.reply(papers, received_at=came)
        return self.issue(papers.evidence(mails=(mail,)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[SmimeDesk]:
    pki = make_pki(tmp_path / "pki")
    with open_hostile_desk(None, tmp_path) as opened:  # type: ignore[arg-type]
        yield officer(SmimeDesk(None, opened.engine, opened.ca, pki=pki))  # type: ignore[arg-type]


def officer(desk: SmimeDesk, **certificate: object) -> SmimeDesk:
    assert desk.pki
    desk.person = desk.pki.issue("suzuki", "suzuki@example.ac.jp", **certificate)  # type: ignore[arg-type]
    desk.keys = pinned_keys(desk.pki, desk.person)
    return desk


@pytest.mark.parametrize("days", [0, 10])
def test_SIG1_an_approval_by_smime_is_signed_also_days_later(desk: SmimeDesk, days: int) -> None:
    assert desk.pki
    desk.pki.publish_crls()
    assert desk.approval(desk.now() - days * DAY) == []
    assert len(desk.memory()[0]) == 1


def test_SIG1_CMS6_an_old_list_and_an_old_date_do_not_hide_a_revocation(desk: SmimeDesk) -> None:
    """The key was stolen and its certificate revoked; the desk keeps the list from before, and says the mail is old."""
    assert desk.pki
    now = desk.now()
    desk.pki.publish_crls(this_update=now - 14 * DAY, next_update=now - 7 * DAY)
    with pytest.raises(CaFault, match="revocation list") as caught:
        desk.approval(now - 10 * DAY)
    assert caught.value.temporary
    assert desk.memory() == ([], [])


def test_SIG1_PGP5_an_expired_certificate_does_not_come_back_by_an_old_date(desk: SmimeDesk) -> None:
    assert desk.pki
    desk.pki.publish_crls()
    officer(desk, end=desk.now() - timedelta(hours=1))
    assert desk.approval(desk.now() - 10 * DAY) == [Code.UNPROVEN]
    assert desk.memory() == ([], [])
