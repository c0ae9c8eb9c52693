"""The bot's S/MIME mails as they leave: openssl and our own verifier take them, byte for byte."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bot.compose.mail import Composer
from bot.demo.checks import cut_signed_mail
from bot.mime.signed import SignedEntity, find_signed
from bot.smime.keys import SmimeKeys
from bot.smime.sign import BotCertificate, SigningFault, open_bot_certificate
from bot.verified import Verified
from handlers.notices import Notice
from handlers.rules.reasons import Reason
from handlers.rules.scheme import Scheme
from tests.composed import HEAD, SHEET, TSV, compose, read
from tests.letters import DESK, NOW, NUMBER, SAMPLES
from tests.signers import SmimeSigner, register_of
from tests.smime_people import Person, Pki, make_pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = make_pki(tmp_path_factory.mktemp("pki"))
    made.publish_crls()
    return made


@pytest.fixture(scope="module", params=["rsa2048", "p256"])
def bot(request: pytest.FixtureRequest, pki: Pki) -> Person:
    return pki.issue(f"bot-{request.param}", DESK.address, request.param)


def write_files(bot: Person, folder: Path) -> dict[str, Path]:
    files = {name: folder / f"bot.{name}" for name in ("certificate", "key", "chain")}
    files["certificate"].write_bytes(bot.certificate.public_bytes(Encoding.PEM))
    files["key"].write_bytes(bot.key_pem())
    files["chain"].write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in bot.chain))
    return files


def opened(pki: Pki, bot: Person, folder: Path) -> BotCertificate:
    found = open_bot_certificate(pki.settings(**write_files(bot, folder)))
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["request", "answer_no_code", "downloaded"])
def test_openssl_and_our_verifier_take_what_is_sent(
    pki: Pki, bot: Person, name: str, tmp_path: Path, need: Callable[[str], str]
) -> None:
    openssl = need("openssl")
    sign = opened(pki, bot, tmp_path).sign_detached
    attachments = (SHEET, TSV) if name == "request" else ()
    raw = compose(SAMPLES[name], "both", sign=sign, scheme=Scheme.SMIME, attachments=attachments)
    (tmp_path / "mail").write_bytes(raw)
    command = [openssl, "cms", "-verify", "-in", tmp_path / "mail", "-CAfile", pki.ca_file, "-no-CApath"]
    command += ["-purpose", "smimesign", "-verify_email", DESK.address, "-out", tmp_path / "out"]
    subprocess.run(command, check=True, capture_output=True)
    entity = find_signed(raw)
    assert isinstance(entity, SignedEntity)
    assert (tmp_path / "out").read_bytes() == entity.signed_bytes == cut_signed_mail(raw)[0]
    signer = SmimeSigner("bot", DESK.address, bot.certificate, bot.key)
    keys = SmimeKeys.load(register_of([signer], tmp_path), tmp_path, pki.settings())
    verified = keys.verify_detached(entity.signed_bytes, entity.signature, datetime.now(UTC))
    assert isinstance(verified, Verified)
    assert (verified.fingerprint, verified.digest) == (bot.pin, 8)
    changed = entity.signed_bytes.replace(b"=", b"-", 1)
    assert keys.verify_detached(changed, entity.signature, datetime.now(UTC)) is Reason.BAD_SIGNATURE


def test_the_form_is_the_one_of_rfc_8551(pki: Pki, bot: Person, tmp_path: Path) -> None:
    mail = read(compose(sign=opened(pki, bot, tmp_path).sign_detached, scheme=Scheme.SMIME))
    assert mail.get_content_type() == "multipart/signed"
    assert mail.get_param("protocol") == "application/pkcs7-signature"
    assert mail.get_param("micalg") == "sha-256"
    _, seal = mail.iter_parts()
    assert (seal.get_content_type(), seal.get_filename()) == ("application/pkcs7-signature", "smime.p7s")


def test_each_reader_gets_the_own_system_and_nobody_a_foreign_one() -> None:
    def marker(word: bytes) -> Callable[[bytes], bytes]:
        return lambda data: word

    every = {Scheme.OPENPGP: marker(b"PGP"), Scheme.SMIME: marker(b"CMS")}

    def kind(signers: dict[Scheme, Callable[[bytes], bytes]], scheme: Scheme | None) -> object:
        notice = Notice("hanako@example.ac.jp", "ja", SAMPLES["received"], scheme, NUMBER)
        raw = Composer(DESK, "Ringi", signers).compose(notice, now=NOW, message_id="<1@x>", journal_head=HEAD)
        return read(raw).get_param("protocol")

    openpgp, smime = "application/pgp-signature", "application/pkcs7-signature"
    assert [kind(every, s) for s in (Scheme.OPENPGP, Scheme.SMIME, None)] == [openpgp, smime, smime]
    only_openpgp = {Scheme.OPENPGP: every[Scheme.OPENPGP]}
    assert [kind(only_openpgp, s) for s in (Scheme.OPENPGP, Scheme.SMIME, None)] == [openpgp, None, None]
    only_smime = {Scheme.SMIME: every[Scheme.SMIME]}
    assert [kind(only_smime, s) for s in (Scheme.OPENPGP, Scheme.SMIME, None)] == [None, smime, smime]


def test_a_key_that_does_not_fit_and_files_that_are_missing_are_named(
    pki: Pki, bot: Person, tmp_path: Path
) -> None:
    files = write_files(bot, tmp_path)
    files["key"].write_bytes(pki.issue("other", "other@example.ac.jp").key_pem())
    with pytest.raises(SigningFault, match=r"bot\.key is not the key of .*bot\.certificate"):
        open_bot_certificate(pki.settings(**files))
    for name, file in files.items():
        with pytest.raises(SigningFault, match="nowhere"):
            open_bot_certificate(pki.settings(**{**files, name: tmp_path / "nowhere"}))
        assert file.exists()
    files["key"].write_bytes(b"no key")
    with pytest.raises(SigningFault, match=r"bot\.key"):
        open_bot_certificate(pki.settings(**files))


def test_without_a_certificate_there_is_nothing_to_sign_with(pki: Pki) -> None:
    assert open_bot_certificate(pki.settings()) is None


def test_the_signature_is_over_exactly_the_bytes_whatever_their_line_ends(
    pki: Pki, bot: Person, tmp_path: Path
) -> None:
    signature = opened(pki, bot, tmp_path).sign_detached(b"one\ntwo\r\n")
    signer = SmimeSigner("bot", DESK.address, bot.certificate, bot.key)
    keys = SmimeKeys.load(register_of([signer], tmp_path), tmp_path, pki.settings())
    assert isinstance(keys.verify_detached(b"one\ntwo\r\n", signature, datetime.now(UTC)), Verified)
