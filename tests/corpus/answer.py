"""One genuine answer: who writes it in which program, what is typed, and what it must do."""

from dataclasses import dataclass

from handlers.rules.register import Language
from handlers.rules.scheme import Scheme
from tests.corpus.court import Court, Done
from tests.corpus.programs import Draft, Program
from tests.keys import clearsign

ALL = (1, 2, 3)
SIGNATURE = "\n\n-- \n鈴木 一郎\n情報基盤センター\nsuzuki@example.ac.jp"
JAPANESE = (
    f"証明書受付 御中\n\nお世話になっております。情報基盤センターの鈴木です。\n\n承認します。{SIGNATURE}"
)
ENGLISH = (
    "Dear all,\n\nthe applicant was here in person, and the names are right.\n\nAPPROVE\n\n"
    "Kind regards,\nIchiro Suzuki"
)
LONG = (
    "○○様\n\n利用管理者の佐藤さんには本日電話で確認をとりました。所属と氏名に誤りはなく、サーバの移設に伴う"
    "新規の申請とのことですので、問題ないと判断しました。以上、どうぞよろしくお願いいたします。\n\n承認いたします。\n\n鈴木"
)
LONG_ENGLISH = (
    "Hello,\n\nI called Ms Sato this morning. She confirmed the three names, the department and that the server "
    "moves to the new machine room next week, so all is as it should be.\n\nApprove.\n\nBest,\nIchiro"
)


@dataclass(frozen=True)
class Genuine:
    """`own`: what is typed. `done`: verb, rows, and what else is expected. `before`: a colleague's earlier line.

    `has_bare_lf`: some server on the way stored the mail with its own line ends.
    """

    name: str
    program: Program
    own: str = JAPANESE
    verb: str = "approve"
    rows: tuple[int, ...] = ALL
    comment: str = ""
    faultless_only: bool = False
    officer: str = "suzuki"
    application: str = "issue"
    language: Language = "ja"
    below: bool = False
    subject: str = ""
    sender: str = ""
    display: str = "鈴木 一郎"
    opaque: bool = False
    inline: bool = False
    before: str = ""
    has_bare_lf: bool = False

    @property
    def scheme(self) -> Scheme:
        return Scheme.SMIME if self.officer.startswith("smime_") else Scheme.OPENPGP

    @property
    def style(self) -> str:
        if self.inline:
            return "inline"
        return "opaque" if self.opaque else "detached"

    def draft(self, court: Court) -> Draft:
        signer = court.people.signers[self.officer]
        request = court.request(self.application, self.language)
        sender = self.sender or signer.address
        return Draft(request, self.own, self.language, self.below, self.subject, sender, self.display)

    def mail(self, court: Court) -> bytes:
        signer = court.people.signers[self.officer]
        if self.inline:
            people = court.people
            return self.program.inline(
                self.draft(court),
                signer,
                lambda text: clearsign(people.home, people.openpgp(self.officer).pin, text),
            )
        raw = self.program.mail(self.draft(court), signer, opaque=self.opaque)
        return raw.replace(b"\r\n", b"\n") if self.has_bare_lf else raw

    def done(self, court: Court) -> Done:
        number = court.request(self.application).number
        return Done(self.officer, self.verb, number, self.rows, self.comment, self.faultless_only)
