"""What the commands open, what they answer, and how they say what keeps them from it: in a line, never by a
traceback."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from bot.config import Config
    from bot.wiring import Judge


def open_judge_for(path: Path) -> "Judge":
    from bot.explain import open_for_reading
    from bot.wiring import open_judge

    config = load_config_at(path)
    with faults_told():
        return open_judge(config, open_for_reading(config))


@contextmanager
def faults_told() -> Iterator[None]:
    """What keeps a command from its work is told in a line, and not by a traceback."""
    from sqlalchemy.exc import SQLAlchemyError

    from bot.ca.protocol import CaFault
    from bot.config import SecretFault
    from bot.smime.sign import SigningFault
    from bot.toml_file import TomlFault
    from bot.verified import VerifierFault

    try:
        yield
    except TomlFault as refused:
        fail("\n".join(str(fault) for fault in refused.faults))
    except (CaFault, SecretFault, VerifierFault, SigningFault) as fault:
        fail(f"{fault}\n`ringi check` examines every part.")
    except SQLAlchemyError as error:
        fail(f"the store can't be used: {str(error).splitlines()[0]}\n`ringi check` examines every part.")


def load_config_at(path: Path) -> "Config":
    from bot.config import load_config

    if not path.exists():
        fail(f"{path} does not exist; `ringi init` makes one, --config names another", code=2)
    with faults_told():
        return load_config(path)


def fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


@contextmanager
def answering() -> Iterator[None]:
    """Around what writes the command's answer to standard output. Where that can't be (a full disk) the command ends
    with 1: what it was asked to do is done, and told nowhere else."""
    try:
        yield
    except BrokenPipeError:
        # whoever reads has seen enough: the framework ends quietly
        raise
    except OSError as error:
        # Python would try again at its end, and fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"the answer can't be written: {error.strerror}")


def say(words: str) -> None:
    """A line of the command's answer."""
    with answering():
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


def say_json(value: object) -> None:
    say(json.dumps(value, ensure_ascii=False))
