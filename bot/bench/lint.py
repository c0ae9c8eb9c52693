"""What pkilint costs: one certificate as the desk's CA signs it, looked at by both sets of rules."""

from datetime import UTC, datetime
from functools import partial

from bot.bench.bare import BareCa
from bot.bench.data import RsaKeys, make_csr
from bot.bench.desk import make_desk
from bot.bench.meter import seconds_each
from bot.bench.result import Figure, Result, Setting
from bot.ca.lint import lint_certificate, require_lint
from bot.ca.protocol import CaFault

_RULES = {"lint_rfc5280": False, "lint_baseline": True}


def measure(setting: Setting) -> Result:
    """Milliseconds a certificate; a remark where the extra `lint` is missing."""
    try:
        require_lint()
    except CaFault as fault:
        return Result("lint", remarks=(str(fault),))
    ca = BareCa.open(make_desk(setting.place, ca="rsa2048").config)
    der = ca.sign(make_csr("lint.example.ac.jp", RsaKeys(setting.shared).key(0)), datetime.now(UTC))
    figures = []
    for name, is_public in _RULES.items():
        look = partial(lint_certificate, der, public=is_public)
        # the first look imports and compiles
        look()
        figures.append(Figure(name, 1000 * seconds_each(look, at_least=0.5 if setting.is_quick else 3), "ms"))
    return Result("lint", tuple(figures))
