"""What a test does without: a skip with its reason, or a failure where RINGI_REQUIRE asks for it."""

import os
from typing import NoReturn

import pytest


def do_without(name: str, reason: str) -> NoReturn:
    required = os.environ.get("RINGI_REQUIRE", "")
    if required == "all" or name in required.split(","):
        pytest.fail(reason)
    pytest.skip(reason)
