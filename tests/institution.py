"""The one institution that most tests set up with the code of `ringi init`."""

from datetime import date

from bot.setup.answers import InstitutionAnswers


def an_institution(vetted_until: date, name: str = "試験機関") -> InstitutionAnswers:
    return InstitutionAnswers(
        id="testkikan",
        name=name,
        organization="testkikan",
        state="Tokyo",
        locality="Chiyoda-ku",
        domains=("example.ac.jp",),
        applicant_domains=("example.ac.jp",),
        vetted_until=vetted_until,
    )
