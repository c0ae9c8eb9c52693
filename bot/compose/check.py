"""Whether the mail templates are whole: each there for every letter, in every language, and readable."""

from typing import get_args

from jinja2 import TemplateError

from bot.compose.words import LANGUAGES, OneLanguage, environment, load_alarms, load_reasons
from handlers.context import Desk
from handlers.letters.monitor import AlarmCode
from handlers.notices import Letter
from handlers.rules.reasons import Reason
from store.troubles import TroubleKind


def template_faults(desk: Desk) -> list[str]:
    """What is wrong, each with its file; [] if all is well."""
    return [fault for language in LANGUAGES for fault in _faults(language, desk)]


def _faults(language: OneLanguage, desk: Desk) -> list[str]:
    folder = f"mail_templates/{language}"
    try:
        reasons, alarms = load_reasons(language), load_alarms(language)
        made = environment(language, desk)
    except (OSError, ValueError) as error:
        return [f"{folder}: reasons.toml or alarms.toml: {error}"]
    faults = [
        f"{folder}/reasons.toml: {reason.value} lacks `{word}`"
        for reason in Reason
        for word in ("what", "todo")
        if word not in reasons.get(reason.value, {})
    ]
    faults += [
        f"{folder}/alarms.toml: {code.value} lacks `{word}`"
        for code in (*AlarmCode, *TroubleKind)
        for word in ("title", "what", "todo")
        if word not in alarms.get(code.value, {})
    ]
    for letter in get_args(Letter):
        try:
            made.get_template(f"{letter.template}.txt")
        except (TemplateError, OSError, UnicodeError) as error:
            faults.append(f"{folder}/{letter.template}.txt: {error}")
    return faults
