"""The register's files: taken whole, or refused with every fault."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from bot.register import RegisterFault, load_register
from store.states import Kind

KEY_A = "A" * 40
KEY_B = "B" * 40


def _officer(name: str, *keys: str) -> str:
    rows = ", ".join(f'{{ fingerprint = "{key}", file = "{name}.asc" }}' for key in keys)
    return f"""
[[officers]]
id = "{name}"
name = "登録 {name}"
addresses = ["{name}@example.ac.jp", "ra@example.ac.jp"]
notify = "{name}@example.ac.jp"
openpgp = [{rows}]
"""


HEAD = """\
name = "試験機関"
organization = "testkikan"
state = "Tokyo"
locality = "Chiyoda-ku"
applicant_domains = ["example.ac.jp"]

[[domains]]
name = "example.ac.jp"
registrant = "Testkikan"
vetted_until = 2027-03-31
"""


def _faults(directory: Path, **files: str) -> list[str]:
    for stem, text in files.items():
        (directory / f"{stem}.toml").write_text(text)
    with pytest.raises(RegisterFault) as caught:
        load_register(directory)
    assert not caught.value.temporary
    return [str(fault).replace(f"{directory}/", "") for fault in caught.value.faults]


def test_a_register_is_read_with_its_digests(tmp_path: Path) -> None:
    first = HEAD + _officer("hanako", KEY_A.lower())
    second = HEAD + _officer("taro", KEY_B)
    (tmp_path / "a-univ-b.toml").write_text(first)
    (tmp_path / "a-univ.toml").write_text(second)
    (tmp_path / ".#a-univ.toml").write_text("an editor's lock")
    (tmp_path / "hanako.asc").write_text("a key")
    register = load_register(tmp_path)
    assert list(register.institutions) == ["a-univ", "a-univ-b"]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (second, first)]
    assert [i.digest for i in register.institutions.values()] == digests
    lines = f"a-univ {digests[0]}\na-univ-b {digests[1]}\n"
    assert register.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert register.institutions["a-univ-b"].officers[0].openpgp[0].fingerprint == KEY_A
    assert register.institutions["a-univ-b"].domains[0].vetted_until == date(2027, 3, 31)


def test_an_unknown_key_is_refused_with_path_and_line(tmp_path: Path) -> None:
    text = HEAD + _officer("hanako", KEY_A) + "telephone = '03'\n"
    line = text.count("\n")
    assert _faults(tmp_path, kikan=text) == [f"kikan.toml:{line}: officers[0].telephone: unknown key"]


def test_the_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    faults = _faults(
        tmp_path,
        a=HEAD.replace('state = "Tokyo"\n', "") + _officer("hanako", "12"),
        b="name = ",
        c=HEAD + _officer("taro"),
    )
    assert [fault.split(": ")[:2] for fault in faults] == [
        ["a.toml", "state"],
        ["a.toml:16", "officers[0].openpgp[0].fingerprint"],
        ["b.toml:1", "is not TOML"],
        ["c.toml:12", "officers"],
    ]


def test_id_and_digest_may_not_be_given(tmp_path: Path) -> None:
    text = 'id = "other"\ndigest = "' + "0" * 64 + '"\n' + HEAD + _officer("hanako", KEY_A)
    assert _faults(tmp_path, kikan=text) == [
        "kikan.toml:1: id: may not be given here",
        "kikan.toml:2: digest: may not be given here",
    ]


def test_a_key_pinned_for_two_officers_is_refused(tmp_path: Path) -> None:
    text = HEAD + _officer("hanako", KEY_A) + _officer("taro", KEY_B, KEY_A)
    assert _faults(tmp_path, kikan=text) == [
        f"kikan.toml:24: officers[1].openpgp[1].fingerprint: {KEY_A} is pinned already, for hanako of kikan"
    ]


def test_a_key_pinned_in_two_institutions_is_refused(tmp_path: Path) -> None:
    text = HEAD + _officer("hanako", KEY_A)
    [fault] = _faults(tmp_path, a=text, b=text.replace(KEY_A, KEY_A.lower()))
    assert fault.startswith("b.toml:17: ")
    assert fault.endswith("for hanako of a")


def test_an_institution_that_nobody_could_approve_for_is_refused(tmp_path: Path) -> None:
    assert _faults(tmp_path, kikan=HEAD + _officer("hanako") + _officer("taro")) == [
        "kikan.toml:12: officers: none has a key: nobody could approve anything"
    ]


def test_more_approvals_than_officers_with_a_key_are_refused(tmp_path: Path) -> None:
    officers = _officer("hanako", KEY_A) + _officer("taro", KEY_B) + _officer("jiro")
    policy = "\n[[policies]]\nname = 'n'\napprovals = {}\n"
    (tmp_path / "kikan.toml").write_text(HEAD + officers + policy.format(2))
    assert load_register(tmp_path).institutions["kikan"].policies[0].approvals == 2
    [fault] = _faults(tmp_path, kikan=HEAD + officers + policy.format(3))
    assert fault == (
        "kikan.toml:33: policies[0]: asks for more officers, or for other roles, than there are officers with a key"
    )


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (
            "[[policies]]\nname = 'a'\n[[policies]]\nname = 'b'\nkinds = ['issue']\n",
            "policies[1]: never holds: issue has a already",
        ),
        (
            "[[policies]]\nname = 'a'\nkinds = ['issue']\n[[policies]]\nname = 'a'\n",
            "policies[1]: two policies are called a",
        ),
        (
            "[[policies]]\nname = 'a'\napprovals = 1\n[[policies.steps]]\napprovals = 1\n",
            "policies[0]: give approvals or steps, not both",
        ),
        (
            "[[policies]]\nname = 'a'\n[[policies.steps]]\nrole = 'manager'\n",
            "policies[0]: asks for more officers, or for other roles, than there are officers with a key",
        ),
    ],
)
def test_a_policy_that_nobody_can_have_meant_is_refused(tmp_path: Path, policies: str, message: str) -> None:
    [fault] = _faults(tmp_path, kikan=HEAD + _officer("hanako", KEY_A) + "\n" + policies)
    assert fault.endswith(message)


def test_policies_may_share_kinds_as_long_as_each_has_one_of_its_own(tmp_path: Path) -> None:
    text = "\n[[policies]]\nname = 'a'\nkinds = ['revoke']\n[[policies]]\nname = 'b'\n"
    (tmp_path / "kikan.toml").write_text(HEAD + _officer("hanako", KEY_A) + text)
    found = load_register(tmp_path).institutions["kikan"]
    assert [found.policy_for(kind).name for kind in Kind] == ["b", "b", "a"]  # type: ignore[union-attr]


def test_one_officer_and_one_approval_are_fine_without_self_approval(tmp_path: Path) -> None:
    (tmp_path / "kikan.toml").write_text(HEAD + _officer("hanako", KEY_A))
    assert not load_register(tmp_path).institutions["kikan"].policies[0].self_approval


def test_a_domain_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = HEAD + '\n[[domains]]\nname = "Example.ac.jp"\n' + _officer("hanako", KEY_A)
    assert _faults(tmp_path, kikan=text) == ["kikan.toml:13: domains[1].name: example.ac.jp stands twice"]


def test_two_institutions_may_have_one_domain(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(HEAD + _officer("hanako", KEY_A))
    (tmp_path / "b.toml").write_text(HEAD + _officer("taro", KEY_B))
    assert len(load_register(tmp_path).covering(("www.example.ac.jp",))) == 2


def test_an_empty_or_missing_directory_is_refused(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(RegisterFault, match="holds no institution"):
            load_register(directory)


def test_a_file_name_that_cannot_be_an_id_is_refused(tmp_path: Path) -> None:
    [fault] = _faults(tmp_path, **{"Test Kikan": HEAD + _officer("hanako", KEY_A)})
    assert fault.startswith("Test Kikan.toml: id: ")
