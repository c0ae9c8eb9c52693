"""`ringi signer`: opens the key and serves until it is told to end."""

import json
import os
import secrets
import signal
import sys
from datetime import datetime
from types import FrameType

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot import wiring
from bot.authority import Authority
from bot.ca.protocol import Ca, CaFault
from bot.config import Config, SecretFault
from bot.signer.core import Signer
from bot.signer.server import Server, SignerFault, sole
from bot.toml_file import TomlFault
from bot.verified import VerifierFault
from store.signer_ledger import LedgerFault, open_ledger

log = structlog.get_logger()
FAULTS = (TomlFault, CaFault, SecretFault, VerifierFault, SignerFault, LedgerFault, SQLAlchemyError)


def run_signer(config: Config, *, is_child: bool) -> None:
    """Raises one of FAULTS where it can't start. As a child it says on standard output how that went."""
    parent = _parent() if is_child else None
    try:
        with sole(config.signer.ledger):
            signer, authority = open_signer(config, wiring.open_ca(config))
            server = Server(
                signer, config.signer.socket, authority.reload, is_shared=not is_child, parent=parent
            )
            _listen_to_signals(server, is_child=is_child)
            server.serve(lambda: _say_ready(config, is_child=is_child))
    except FAULTS as fault:
        if is_child:
            _tell({"fault": _words(fault)})
        if isinstance(fault, SignerFault | LedgerFault):
            raise CaFault(str(fault), temporary=False) from fault
        raise


def open_signer(config: Config, ca: Ca) -> tuple[Signer, Authority]:
    """The whole of it but for the socket. Its rings of officers' keys are its own: the desk's may be anybody's."""
    if config.openpgp:
        home = config.signer.ledger.with_name("signer-keys")
        openpgp = config.openpgp.model_copy(update={"officers_home": home})
        config = config.model_copy(update={"openpgp": openpgp})
    authority = Authority(config, _now)
    signer = Signer(
        engine=open_ledger(config.signer.ledger),
        ca=ca,
        desk=config.desk(),
        authority=authority,
        crl_days=config.ca.crl_days,
        now=_now,
        random=secrets.token_bytes,
        processes=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    )
    return signer, authority


def _now() -> datetime:
    # looked up at each call: the rehearsal moves the clock there
    return wiring.utc_now()


def _parent() -> int:
    """The pipe from the desk: it ends with the desk. Standard output is for one word only."""
    return sys.stdin.fileno()


def _listen_to_signals(server: Server, *, is_child: bool) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.stop()

    def reload(_signal: int, _frame: FrameType | None) -> None:
        server.reload()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, reload)
    # Ctrl-C reaches parent and child; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_child else stop)


def _say_ready(config: Config, *, is_child: bool) -> None:
    if is_child:
        _tell({"ready": True})
    log.info("signer ready", socket=str(config.signer.socket), pid=os.getpid())


def _tell(word: dict[str, object]) -> None:
    """To the desk that started us; from then on nobody reads there. Raises SignerFault."""
    try:
        # past Python's buffer, which would try again at the end of one who is not ready any more
        os.write(sys.stdout.fileno(), json.dumps(word).encode() + b"\n")
    except OSError as error:
        log.error("signer", untold=word, error=error.strerror)
        raise SignerFault(f"the desk can't be told: {error.strerror}") from error
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _words(fault: BaseException) -> str:
    if isinstance(fault, TomlFault):
        return "\n".join(str(found) for found in fault.faults)
    return str(fault).splitlines()[0] if isinstance(fault, SQLAlchemyError) else str(fault)
