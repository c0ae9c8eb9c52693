"""A SoftHSM token in a folder, for tests of a CA key that no file holds."""

import subprocess
from pathlib import Path

PIN = "624510"
_PLACES = ("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm")


def find_module() -> Path:
    """The library that speaks PKCS#11 to it."""
    return next(path for place in _PLACES if (path := Path(place) / "libsofthsm2.so").exists())


def make_token(folder: Path, program: str) -> Path:
    """A token `ca` below `folder`; the file that the variable SOFTHSM2_CONF must name."""
    (folder / "tokens").mkdir(parents=True)
    conf = folder / "softhsm2.conf"
    conf.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    init = [program, "--init-token", "--free", "--label", "ca", "--pin", PIN, "--so-pin", "13579"]
    subprocess.run(init, check=True, capture_output=True, env={"SOFTHSM2_CONF": str(conf)})
    return conf
