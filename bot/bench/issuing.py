"""Issuing: from the committed decision to certificates stored durably and the download mail queued, through the
signer's process. Beside it, on the same requests, a loop of `cryptography`, `openssl ca` and `cfssl serve`."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from sqlalchemy import func, select

from bot.bench import peers
from bot.bench.bare import BareCa
from bot.bench.data import RsaKeys, rsa_rows, tsv
from bot.bench.desk import BenchDesk, make_desk
from bot.bench.meter import metered
from bot.bench.office import SIGNER_APART, application_mail, open_bench_office
from bot.bench.result import BenchFault, Figure, Ratio, Result, Setting
from bot.ca.making import KeyKind
from store.states import EntryState
from store.tables import Certificate, Outgoing
from store.transaction import open_store, reading

# what is wanted of the desk, as a share of the bare loop; P-256 is told and not judged
REACH: dict[KeyKind, float | None] = {"rsa2048": 0.5, "rsa3072": 0.85, "rsa4096": 0.85, "p256": None}


class Issued(NamedTuple):
    """Seconds of wall time and of CPU for `rows` certificates; `signer`: CPU of its process."""

    rows: int
    wall: float
    cpu: float
    signer: float


def measure(setting: Setting) -> Result:
    """Certificates a second for each kind of CA key."""
    rows = 100 if setting.is_quick else 1000
    kinds: tuple[KeyKind, ...] = ("rsa2048", "rsa3072") if setting.is_quick else tuple(REACH)
    figures: list[Figure] = []
    ratios: list[Ratio] = []
    remarks: list[str] = []
    for kind in kinds:
        setting.tell(f"issuing {rows} certificates by {kind}")
        found = _measure_kind(setting, kind, rows)
        figures += found.figures
        ratios += found.ratios
        remarks += found.remarks
    return Result("issuing", tuple(figures), tuple(ratios), tuple(dict.fromkeys(remarks)))


def _measure_kind(setting: Setting, kind: KeyKind, rows: int) -> Result:
    pairs = list(rsa_rows(RsaKeys(setting.shared), 1, rows))
    requests = [request for request, _ in pairs]
    place = setting.place / kind
    desk = make_desk(place, ca=kind, more=SIGNER_APART)
    ca = BareCa.open(desk.config)
    # before and after, so that a machine that grows busy is no advantage to one of them
    before = _bare(ca, requests)
    issued = issue(desk, tsv([row for _, row in pairs]), rows)
    bare = (before + _bare(ca, requests)) / 2
    others = {
        "openssl_ca": peers.openssl_ca(place / "openssl", ca, requests),
        "cfssl_serve": peers.cfssl_serve(place / "cfssl", ca, requests),
    }
    return _told(kind, issued, bare, others)


def _told(kind: KeyKind, issued: Issued, bare: float, others: dict[str, float | None]) -> Result:
    rate = issued.rows / issued.wall
    figure = partial(Figure, unit="certificates/s")
    figures = [figure(f"issuing_{kind}", rate), figure(f"issuing_{kind}_bare", issued.rows / bare)]
    figures += [
        Figure(f"issuing_{kind}_cpu", 1000 * issued.cpu / issued.rows, "ms a certificate"),
        Figure(f"issuing_{kind}_cpu_signer", 1000 * issued.signer / issued.rows, "ms a certificate"),
        Figure(f"issuing_{kind}_cores", issued.cpu / issued.wall, "cores in use"),
    ]
    ratios = []
    if reach := REACH[kind]:
        ratios.append(Ratio(f"issuing_{kind}_of_bare_ratio", bare / issued.wall, reach, is_floor=True))
    remarks = []
    for name, seconds in others.items():
        if seconds is None:
            remarks.append(f"{name.replace('_', ' ')}: the program is not here")
            continue
        figures.append(figure(f"issuing_{kind}_{name}", issued.rows / seconds))
        if name == "openssl_ca" and REACH[kind]:
            ratios.append(Ratio(f"issuing_{kind}_of_{name}_ratio", seconds / issued.wall, 1, is_floor=True))
    return Result("issuing", tuple(figures), tuple(ratios), tuple(remarks))


def _bare(ca: BareCa, requests: list[x509.CertificateSigningRequest]) -> float:
    """Wall seconds on one core."""
    with metered() as spent:
        ca.sign_all(requests, datetime.now(UTC))
    return spent.wall


def issue(desk: BenchDesk, file: bytes, rows: int) -> Issued:
    """Apply, approve, and meter what follows the committed decision. BenchFault unless every row is issued."""
    with open_bench_office(desk) as bench:
        bench.receive(application_mail(file))
        bench.receive(bench.approve())
        if bench.count(EntryState.APPROVED) != rows:
            raise BenchFault(f"{bench.count(EntryState.APPROVED)} of {rows} rows were approved")
        with metered(bench.signer_pid) as spent:
            count = bench.office.certifier.certify_all(lambda: True)
    if count != rows:
        raise BenchFault(f"{count} of {rows} certificates were issued")
    return Issued(rows, spent.wall, spent.cpu, spent.by_pid[bench.signer_pid])


def stored(folder: Path) -> tuple[int, int]:
    """Signed certificates and download mails in the store of the desk in `folder`."""
    engine = open_store(f"sqlite:///{folder}/state/ringi.db")
    with reading(engine) as session:
        signed = select(func.count()).where(Certificate.der.is_not(None))
        mails = select(func.count()).where(Outgoing.template == "applicant.download")
        found = session.scalar(signed) or 0, session.scalar(mails) or 0
    engine.dispose()
    return found
