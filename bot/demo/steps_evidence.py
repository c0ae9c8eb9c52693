"""Somebody outside checks what was issued (threats AP5): the evidence folders, with standard programs alone."""

import shutil
import subprocess

from bot.demo.checks import NotHeld, require
from bot.demo.stage import Stage
from bot.evidence.folder import write_folder
from bot.evidence.gather import EvidenceFault, gather, read_issuers
from store.transaction import reading

_TOOLS = ("sh", "awk", "sed", "cat", "cmp", "mkdir", "rm", "sha256sum", "openssl")


def prove_certificates(stage: Stage) -> str:
    """Both: the first, renewed and then revoked, and the second, revoked by a TSV of its own."""
    issuers = read_issuers(stage.config.ca)
    folders = {}
    for name, certificate in (("evidence", stage.certificate), ("renewed-evidence", stage.renewed)):
        folders[name] = stage.folder / name
        try:
            with reading(stage.engine) as session:
                write_folder(folders[name], gather(session, str(certificate.serial_number), issuers))
        except EvidenceFault as fault:
            raise NotHeld(f"{name}: {fault}") from fault
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(folders)} are written; verify.sh was not run, for {missing[0]} is not here"
    for name, folder in folders.items():
        stage.say.act("Somebody outside", f"runs: cd {name} && sh verify.sh")
        done = subprocess.run(["sh", "verify.sh"], cwd=folder, capture_output=True, text=True, check=False)
        last = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()[-1]
        require(done.returncode == 0 and "\nPROVEN" in done.stdout, f"{name}: {last}")
    return "PROVEN, both: request, officer's signatures, certificate, journal; issued and revoked as approved"
