"""`cact personfit` and `cact security` on the closed waves of an installation."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Place
from tests.webtest.shell import ROSTER, Shell, sit
from webtest.wave_answers import wave_answers


@pytest.fixture
def shell(lite: Place, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(lite, monkeypatch)


@pytest.fixture
def wave(shell: Shell) -> str:
    """A closed wave of three people in two rooms, who always chose the first option."""
    made = shell.wave()
    shell.ok("wave", "open", made)
    house = shell.place.open()
    try:
        sit(house, made, people=3)
    finally:
        house.close()
    shell.ok("wave", "close", made)
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_closed_wave_is_read_with_its_plan_rooms_and_options_and_people_appear_by_attempt(shell: Shell, wave: str) -> None:
    house = shell.place.open()
    try:
        found = wave_answers(house, [wave])
    finally:
        house.close()
    assert set(found.option) == {"0"}
    assert Counter(found.people.room) == {f"{wave} Ruang 1": 2, f"{wave} Ruang 2": 1}
    assert set(found.people.window) == {wave}
    assert found.plan is not None
    assert len(found.option) == len(found.log)
    common = ("--data", shell.place.folder, "--waves", wave, "--out")
    facts = shell.facts("personfit", *common, shell.folder / "F.csv")
    assert facts["people"] == 3
    people = rows(shell.folder / "F.csv")
    assert {row["person_id"] for row in people} == set(found.log.person_ids)
    assert all(float(row["p_lz"] or 1) >= 1 / 1003 for row in people)  # 334 sitters each, of the wave's plan
    assert "none of 0 pairs" in shell.ok("security", "pairs", *common, shell.folder / "Q.csv")  # too few items in common
    assert shell.facts("security", "items", *common, shell.folder / "I.csv")
    item = found.log.item_ids[0]
    shell.file("S.txt", f"{item}\n")
    shell.ok("security", "preknowledge", *common, shell.folder / "K.csv", "--suspected", shell.folder / "S.txt")
    nips = [line.split(";")[0] for line in ROSTER.splitlines()[1:]]
    assert not any(nip in path.read_text() for nip in nips for path in shell.folder.glob("[FQIK].csv"))


def test_exported_answers_are_read_as_those_of_the_wave(shell: Shell, wave: str) -> None:
    folder = shell.folder / "answers"
    shell.ok("responses", "export", "--data", shell.place.folder, "--waves", wave, "--out", folder)
    common = ("--data", shell.place.folder, "--replicates", "0", "--out")
    assert shell.facts("personfit", "--responses", folder, *common, shell.folder / "F.csv")["people"] == 3
    (file,) = folder.glob("*.parquet")
    assert "only with its --plan" in shell.run("personfit", "--responses", file, *common, shell.folder / "G.csv").stderr
    shell.ok("personfit", "--waves", wave, *common, shell.folder / "H.csv", "--plan", shell.folder / "plan.toml")
    tables = [rows(shell.folder / f"{name}.csv") for name in "FGH"]
    by_lz = [sorted((row["lz"], row["time_chi2"]) for row in table) for table in tables]
    assert by_lz[0] == by_lz[1] == by_lz[2]


def test_answers_are_named_once_and_waves_must_be_closed(shell: Shell, wave: str) -> None:
    out, data = ("--out", shell.folder / "F.csv"), ("--data", shell.place.folder)
    for words in (data, ("--bank", "b.csv", "--waves", wave), (*data, "--waves", wave, "--responses", "R.csv")):
        assert "name answers, once" in shell.refused("personfit", *words, *out)
    unknown = shell.run("personfit", *data, "--waves", f"{wave},Wffffffff", *out, "--json")
    assert unknown.exit_code == 2
    assert [fault["field"] for fault in json.loads(unknown.stdout)["faults"]] == ["Wffffffff"]
    assert not (shell.folder / "F.csv").exists()
