"""What it costs to sign a mail of ours: by gpg and by S/MIME, which nothing else in the benchmark tells apart."""

import shutil
from contextlib import ExitStack

from bot.bench.desk import BOT, make_desk
from bot.bench.meter import seconds_each
from bot.bench.result import Figure, Result, Setting
from bot.config import OpenPGP
from bot.demo.keys import make_key, stop_agent
from bot.wiring import open_bot_key, open_signers, own_certificate
from handlers.rules.scheme import Scheme

_MAIL = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"0123456789abcdef" * 256


def measure(setting: Setting) -> Result:
    """Milliseconds a mail of 4 kB, wall time: gpg is a program of its own."""
    at_least = 0.5 if setting.is_quick else 3
    config = make_desk(setting.place / "k").config
    smime = open_signers(config, own_certificate(config))[Scheme.SMIME]
    figures = [
        Figure("signing_smime", 1000 * seconds_each(lambda: smime(_MAIL), at_least=at_least), "ms a mail")
    ]
    if shutil.which("gpg") is None:
        return Result("signing", tuple(figures), remarks=("OpenPGP: gpg is not here",))
    with ExitStack() as stack:
        home = setting.place / "g"
        stack.callback(stop_agent, home)
        key = open_bot_key(OpenPGP(fingerprint=make_key(home, f"Ringi <{BOT}>"), home=home))
        each = seconds_each(lambda: key.sign_detached(_MAIL), at_least=at_least)
    return Result("signing", (*figures, Figure("signing_openpgp", 1000 * each, "ms a mail")))
