"""`ringi accept-ledger`: an operator's word that the signer's ledger is another one from now on."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli_faults import fail, faults_told, load_config_at, say

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="RINGI_CONFIG", help="The configuration file.")
]


def accept_ledger(
    id: Annotated[str, typer.Argument(help="The ledger's id, as `ringi check` shows it.")],
    config: ConfigPath = Path("config.toml"),
    forget: Annotated[
        bool, typer.Option("--forget", help="Also where certificates run that it knows nothing of.")
    ] = False,
) -> None:
    """Let this store belong to another ledger, because the one before is lost for good. The journal says by whom. A
    service that runs takes it up by itself."""
    import re

    from bot.quarantine import operator
    from bot.wiring import utc_now
    from store import known_ledger
    from store.transaction import open_store, upgrade, writing

    if not re.fullmatch("[0-9a-f]{32}", id):
        fail("a ledger's id has 32 digits of 0-9 and a-f; `ringi check` shows it")
    with faults_told():
        engine = open_store(load_config_at(config).store.url)
        upgrade(engine)
        with writing(engine) as session:
            before, now = known_ledger.known(session), utc_now()
            count = known_ledger.count_running(session, now)
            if before == id:
                fail("the store belongs to this ledger already", code=0)
            if count and not forget:
                fail(
                    f"{count} certificate(s) that run were signed with ledger {before}: this one can't renew or revoke "
                    "them, and its revocation lists do not name those that were revoked. Put the newest copy of the "
                    "old one back; if there is none, and somebody has decided what to do about them: --forget"
                )
            known_ledger.accept(session, id, operator(), now)
        engine.dispose()
    say(f"The store belongs to ledger {id} now; before: {before or 'none'}. Run `ringi check`.")
