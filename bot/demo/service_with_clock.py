"""`python -m bot.demo.service_with_clock run …` is `ringi run …`, but for its clock, which the rehearsal can move."""

import os
from datetime import datetime
from pathlib import Path

from bot import cli, wiring
from bot.demo.clock import Clock

CLOCK_FILE = "RINGI_DEMO_CLOCK"  # the environment variable that names it


def main() -> None:
    clock = Clock(Path(os.environ[CLOCK_FILE]))

    def now() -> datetime:
        return clock.now().replace(microsecond=0)

    wiring.utc_now = now
    cli.main()


if __name__ == "__main__":
    main()
