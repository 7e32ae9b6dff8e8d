"""Waves from the command line: the whole path on both databases, and a log that a stranger can verify with a hash and a signature alone."""

import csv
import hashlib
import io
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cat_engine import load_plan
from tests.conftest import DATABASES, Place, admin, sibling
from tests.webtest.searching import CONTROLLED, FOUND, Told, until
from tests.webtest.shell import PLAN, ROSTER, Shell, sit
from webtest.console import actor
from webtest.founding import invented_roster
from webtest.services.searches import Searches
from webtest.services.waves import NewWave
from webtest.services.works import Works
from webtest.snapshots import search_digest

WHERE = ("--name", "Uji", "--agency", "Kota", "--place", "Aula", "--day", "2026-12-01")


@pytest.fixture(params=DATABASES)
def empty_shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A user with an empty folder and, on PostgreSQL, an empty database."""
    folder = tmp_path / "cact-data"
    if request.param == "sqlite":
        yield Shell(Place(folder, f"sqlite:///{folder}/cact.db"), monkeypatch)
        return
    server, name = request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex[:12]}"
    admin(server, "CREATE DATABASE {}", name)
    yield Shell(Place(folder, sibling(server, name)), monkeypatch)
    admin(server, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def lite_shell(lite: Place, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(lite, monkeypatch)


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def faults_of_file(text: str) -> list[str]:
    """A stranger's own verification of an exported wave: nothing of webtest is used."""
    header, *events = [json.loads(line) for line in text.splitlines()]
    faults, streams = [], {}
    for e in events:
        before = streams.setdefault(e["attempt"], [])
        head = canonical([e["attempt"], e["seq"], e["kind"], e["at"], e["actor"]])
        own = sha(f"{e['prev_hash']}|{head}|{canonical(e['payload'])}".encode()).hex()
        if e["seq"] != len(before) or e["prev_hash"] != (before[-1] if before else "0" * 64) or own != e["hash"]:
            faults.append(f"event {e['seq']} of {e['attempt']}")
        before.append(e["hash"])
    for seal in header["checkpoints"]:
        level = [sha(b"\x00" + bytes.fromhex(seal["heads"][name][1])) for name in sorted(seal["heads"])]
        while len(level) > 1:
            pairs = [sha(b"\x01" + level[k] + level[k + 1]) for k in range(0, len(level) - 1, 2)]
            level = pairs + (level[-1:] if len(level) % 2 else [])
        if level[0].hex() != seal["root"]:
            faults.append("root")
        signed = canonical(["cact-checkpoint-1", header["wave"]["id"], seal["n"], seal["at"], seal["root"]])
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(header["public_key"])).verify(bytes.fromhex(seal["signature"]), signed.encode())
        faults += [
            f"head of {name}"
            for name, (seq, head) in seal["heads"].items()
            if len(streams.get(name, [])) <= seq or streams[name][seq] != head
        ]
    if set(streams) != set(header["checkpoints"][-1]["heads"]) or len(events) != header["events"]:
        faults.append("streams")
    return faults


def test_from_an_empty_folder_to_results_and_a_sound_audit(empty_shell: Shell) -> None:
    shell = empty_shell
    assert shell.place.folder.name in shell.ok("init")
    exported = shell.folder / "bank.csv"
    shell.ok("bank", "export", "-o", exported)
    shell.file("bank.csv", re.sub(r"^(M01-01,M\.01,grm),[^,]+", r"\1,1.5", exported.read_text(), flags=re.MULTILINE))
    made = shell.facts("bank", "import", exported)
    assert (made["version"], made["parent"], made["changed"], made["without_text"]) == (2, 1, 1, [])
    shell.ok("bank", "publish", "2")

    wave = shell.wave()
    assert shell.facts("wave", "list")[0].items() >= {"id": wave, "status": "draft", "people": 3, "bank_version": 2}.items()
    assert shell.facts("wave", "open", wave) == {"wave": wave, "status": "open"}
    house = shell.place.open()
    sit(house, wave, people=2)
    house.close()
    closed = shell.facts("wave", "close", wave)
    assert (closed["status"], closed["ended"], len(closed["root"])) == ("closed", 0, 64)

    log = shell.folder / "wave.jsonl"
    assert shell.facts("wave", "export", wave, "-o", log)["people"] == 3
    told = log.read_text()
    assert faults_of_file(told) == []
    header = json.loads(told.splitlines()[0])
    assert header["wave"].items() >= {"id": wave, "bank_version": 2, "seed": 5, "name": "Uji"}.items()
    assert header["checkpoints"][-1]["root"] == closed["root"]
    assert header["public_key"] == closed["public_key"]
    assert {e["actor"] for e in map(json.loads, told.splitlines()[1:]) if e["kind"].startswith("wave_")} == {actor()}

    results = shell.folder / "hasil.csv"
    assert shell.facts("results", "export", wave, "-o", results)["people"] == 2
    rows = list(csv.reader(io.StringIO(results.read_text("utf-8-sig"))))
    assert [row[0] for row in rows] == ["nip", "198001012005011001", "198001012005012002"]
    shell.ok("results", "export", wave, "-o", shell.folder / "hasil.xlsx")
    shell.ok("results", "export", wave, "-o", shell.folder / "results.csv", "--language", "en")
    assert (shell.folder / "results.csv").read_text(encoding="utf-8-sig").startswith("nip,name,job level,unit,")
    sheet = openpyxl.load_workbook(shell.folder / "hasil.xlsx").active
    assert sheet is not None
    assert [str(cell.value) for cell in sheet["A"]] == [row[0] for row in rows]

    report = shell.facts("audit", wave)
    assert (report["findings"], report["attempts"]) == ([], 3)
    assert report["decisions"] >= 4
    assert "sound" in shell.ok("audit", wave)


def closed_wave(shell: Shell) -> tuple[str, Path]:
    wave = shell.wave()
    shell.ok("wave", "open", wave)
    house = shell.place.open()
    sit(house, wave)
    house.close()
    shell.ok("wave", "close", wave)
    log = shell.folder / "wave.jsonl"
    shell.ok("wave", "export", wave, "-o", log)
    return wave, log


@pytest.mark.parametrize("deed", ["edit", "cut", "swap", "drop a stream"])
def test_a_forged_file_does_not_pass_a_strangers_check(lite_shell: Shell, deed: str) -> None:
    _, log = closed_wave(lite_shell)
    header, *lines = log.read_text().splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    at = next(k for k, e in enumerate(events) if e["kind"] == "answered")
    if deed == "edit":
        events[at]["payload"]["choice"] += 1
    elif deed == "cut":
        last = max(k for k, e in enumerate(events) if e["attempt"] == events[at]["attempt"])
        del events[last]
    elif deed == "swap":
        events[at], events[at + 1] = events[at + 1], events[at]
    else:
        events = [e for e in events if e["attempt"] != events[at]["attempt"]]
    assert faults_of_file("\n".join([header, *map(json.dumps, events)])) != []


def test_people_under_way_are_not_ended_by_mistake(lite_shell: Shell) -> None:
    wave = lite_shell.wave()
    lite_shell.ok("wave", "open", wave)
    house = lite_shell.place.open()
    sit(house, wave, answers=1, people=2)
    house.close()
    assert "2 people are under way" in lite_shell.refused("wave", "close", wave)
    assert lite_shell.facts("wave", "list")[0]["status"] == "open"
    assert lite_shell.facts("wave", "close", wave, "--yes")["ended"] == 2
    assert lite_shell.facts("audit", wave)["findings"] == []


def test_an_audit_that_finds_something_exits_with_1(lite_shell: Shell) -> None:
    wave, _ = closed_wave(lite_shell)
    house = lite_shell.place.open()
    with house.engine.execution_options(write=True).begin() as connection:
        connection.exec_driver_sql(f"UPDATE attempt SET seat = seat + 1 WHERE wave_id = '{wave}'")  # noqa: S608 - the test's own words
    house.close()
    result = lite_shell.run("audit", wave)
    assert result.exit_code == 1
    assert "not sound" in result.stdout
    assert json.loads(lite_shell.run("audit", wave, "--json").stdout)["findings"]


def test_a_wave_that_is_not_there_is_named_by_every_command(lite_shell: Shell) -> None:
    for words in (("open",), ("close",), ("export", "-o", "x.jsonl")):
        assert "no such wave" in lite_shell.refused("wave", words[0], "W0", *words[1:])
    assert "no such wave" in lite_shell.refused("audit", "W0")
    assert "no such wave" in lite_shell.refused("results", "export", "W0", "-o", lite_shell.folder / "x.csv")
    assert lite_shell.names() == set()


def test_the_order_of_a_waves_life_is_kept(lite_shell: Shell) -> None:
    wave, out = lite_shell.wave(), lite_shell.folder / "out.csv"
    assert "not open" in lite_shell.refused("wave", "close", wave)
    for words in (("wave", "export"), ("results", "export")):
        assert "not closed yet" in lite_shell.refused(*words, wave, "-o", out)
    lite_shell.ok("wave", "open", wave)
    assert "opened already" in lite_shell.refused("wave", "open", wave)
    assert "not closed yet" in lite_shell.refused("results", "export", wave, "-o", out)
    lite_shell.ok("wave", "close", wave)
    assert "closed already" in lite_shell.refused("wave", "close", wave)
    assert not out.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"--day": "1 Desember"}, "'1 Desember' is not a date"),
        ({"--day": "20261201"}, "is not a date"),
        ({"--name": " "}, "name: is empty"),
        ({"--zone": "UTC"}, "--zone"),
        ({"--seed": "-1"}, "--seed"),
        ({"--seed": "x"}, "--seed"),
        ({"--roster": "nowhere.csv"}, "nowhere.csv"),
        ({"--roster": "."}, "is a directory"),
        ({"--roster": "twice.csv"}, "row 3, nip: is also in row 2"),
        ({"--plan": "nowhere.toml"}, "nowhere.toml"),
        ({"--plan": "roster.csv"}, "is not TOML"),
        ({"--plan": "unknown.toml"}, "no competency 'X.99'"),
        ({"--plan": "latin.toml"}, "not UTF-8"),
    ],
)
def test_a_wave_that_cannot_be_made_says_why_and_leaves_nothing(
    lite_shell: Shell, change: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lite_shell.folder)
    lite_shell.file("roster.csv", ROSTER)
    lite_shell.file("twice.csv", "\n".join([*ROSTER.splitlines()[:2], ROSTER.splitlines()[1]]))
    lite_shell.file("unknown.toml", PLAN.replace("M.01", "X.99"))
    lite_shell.file("latin.toml", PLAN.encode() + "# é".encode("latin-1"))
    options = dict(zip(WHERE[::2], WHERE[1::2], strict=True)) | {"--roster": "roster.csv"} | change
    said = lite_shell.refused("wave", "create", *(word for pair in options.items() for word in pair))
    assert named in said
    assert lite_shell.facts("wave", "list") == []


def test_a_wave_without_a_published_bank_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(Place(tmp_path / "new", ""), monkeypatch)
    monkeypatch.delenv("DATABASE_URL")
    shell.ok("init", "--no-sample-bank")
    roster = shell.file("roster.csv", ROSTER)
    assert "no bank version is published" in shell.refused("wave", "create", "--roster", roster, *WHERE)
    assert "No waves yet" in shell.ok("wave", "list")


def test_a_wave_of_items_without_text_does_not_open(lite_shell: Shell) -> None:
    bank = lite_shell.file(
        "new.csv", "item_id,competency,model,a,b1\nN1,M.01,2pl,1,0\nN2,M.01,2pl,1,0.5\nN3,P.01,2pl,1,0\nN4,P.01,2pl,1,1\n"
    )
    assert lite_shell.facts("bank", "import", bank)["without_text"] == ["N1", "N2", "N3", "N4"]
    assert "4 active items have no text" in lite_shell.run("bank", "publish", "2").stderr
    assert "N1, content: the item has no text" in lite_shell.refused("wave", "open", lite_shell.wave())


def test_names_are_printed_as_they_are(lite_shell: Shell) -> None:
    roster = lite_shell.file("roster.csv", ROSTER)
    lite_shell.ok("wave", "create", "--roster", roster, "--name", "[red]Uji[/] :smile:", *WHERE[2:])
    assert "[red]Uji[/] :smile:" in lite_shell.ok("wave", "list")


def test_a_wave_that_waits_for_control_parameters_is_opened_with_those_found_and_else_searches_here(lite_shell: Shell) -> None:
    roster = lite_shell.file("roster.csv", ROSTER)
    plan = lite_shell.file("terkendali.toml", CONTROLLED)
    made = lite_shell.facts("wave", "create", "--roster", roster, "--plan", plan, *WHERE)["wave"]
    house = lite_shell.place.open()
    told = Told()
    works = Works(house.engine, told)
    searches = Searches(house.engine, works)
    new = NewWave("Uji", "Kota", "Aula", "2026-12-01")
    other = CONTROLLED.replace("0.5", "0.6")
    found = house.waves.create(new, invented_roster(1), other, actor="user:1", now=1, control=searches.control)
    told.say(FOUND)
    until(lambda: searches.at([search_digest(load_plan(other), house.newest_bank())])[0].state == "finished")  # type: ignore[union-attr]
    third = CONTROLLED.replace("0.5", "0.7")
    lost = house.waves.create(new, invented_roster(1), third, actor="user:1", now=1, control=searches.control)
    works.close()
    assert "still being searched for" in lite_shell.refused("audit", lost)
    for wave in (made, found, lost):
        assert lite_shell.facts("wave", "open", wave)["status"] == "open"
    controls = [house.catalog.kit(wave).pool.control for wave in (made, found, lost)]
    assert all(control is not None and control.min() < 1 for control in controls)
    assert controls[1] is not None
    assert sorted(set(controls[1].ravel().tolist())) == [0.25, 0.5, 1.0]
    house.close()
