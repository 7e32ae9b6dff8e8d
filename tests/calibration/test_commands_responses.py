"""Answers as a user hands them over: exported by wave, read from Parquet by every command, refused where they were changed; and a cluster."""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

from calibration.estimate import Demands
from calibration.files import write_items_csv
from calibration.mml import MmlOptions
from calibration.standalone import Specification, calibrate_answers
from cat_engine import Row
from tests.calibration.test_commands import ok, refused, sit_a_wave
from tests.conftest import Place, copy_of
from webtest.cluster import holder
from webtest.models import Person, Wave


def table(path: Path) -> dict[str, dict[str, str]]:
    return {row["item_id"]: row for row in csv.DictReader(io.StringIO(path.read_text()))}


def write_both(folder: Path, rows: list[tuple[Any, ...]]) -> tuple[Path, Path]:
    """The same answers as long CSV and as Parquet."""
    names = ("person_id", "item_id", "category")
    (folder / "R.csv").write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]) + "\n")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), folder / "R.parquet")
    return folder / "R.csv", folder / "R.parquet"


@pytest.fixture
def pair(draw: Callable[..., Any], tmp_path: Path) -> tuple[Path, Path]:
    data = draw([Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1, 1, 6)], np.random.default_rng(301).normal(size=400), 302)
    return write_both(tmp_path, [(f"p{p}", f"i{i}", int(c)) for p, i, c in zip(data.person, data.item, data.category, strict=True)])


@pytest.fixture(scope="module")
def closed(founded_sqlite: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    place = copy_of(founded_sqlite, tmp_path_factory.mktemp("exported") / "cact-data")
    return place, sit_a_wave(place, 50)


def test_every_command_that_reads_answers_takes_parquet_and_says_the_same(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "G.csv").write_text("person_id,group\n" + "".join(f"p{p},{'AB'[p % 2]}\n" for p in range(400)))
    said = {}
    for path in pair:
        ok("calibrate", path, "--out", tmp_path / "P.csv")
        rows = {item_id: Row("2pl", float(row["a"]), [float(row["b1"])]) for item_id, row in table(tmp_path / "P.csv").items()}
        (tmp_path / "B.csv").write_text(write_items_csv(rows).replace("item_id,", "item_id,competency,").replace(",2pl", ",A,2pl"))
        ok("score", "--bank", tmp_path / "B.csv", "--responses", path, "--out", tmp_path / "T.csv")
        said[path.suffix] = [
            (tmp_path / "P.csv").read_text(), (tmp_path / "T.csv").read_text(), ok("fit", path, "--items", tmp_path / "P.csv", "--json"),
            ok("dif", path, "--groups", tmp_path / "G.csv", "--focal", "B", "--json"),
        ]  # fmt: skip
    assert said[".csv"] == said[".parquet"]


def test_closed_waves_are_exported_under_pseudonyms_answer_for_answer_as_the_log_has_them(
    closed: tuple[Place, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, wave = closed
    monkeypatch.setenv("DATABASE_URL", place.url)
    out = tmp_path / "answers"
    told = json.loads(ok("responses", "export", "--data", place.folder, "--waves", wave, "--out", out, "--json"))
    (file,) = told["files"]
    assert (file["name"], file["answers"], file["people"], file["void"]) == (f"{wave}.parquet", 500, 50, 0)
    assert [oct(path.stat().st_mode & 0o777) for path in out.iterdir()] == ["0o600", "0o600"]
    found = pq.read_table(out / file["name"])
    assert found.schema.names == [
        "person_id", "item_id", "category", "rt_ms", "position", "theta_before", "why", "competency", "wave", "job_level", "sex"
    ]  # fmt: skip
    house = place.open()
    with SqlSession(house.engine) as sql:
        nips = [person.nip for person in sql.exec(select(Person)).all()]
        seen = sql.exec(select(Wave)).one()
    events = house.store.wave_events(wave)
    house.close()
    assert file["bank_version"] == seen.bank_version
    everything = b"".join(path.read_bytes() for path in out.iterdir())
    assert not any(nip.encode() in everything for nip in nips)
    rows = found.to_pylist()
    assert len({row["person_id"] for row in rows}) == 50
    logged = sorted(
        (p["item_id"], p["category"], p["rt_ms"]) for stream in events.values() for e in stream if e.kind == "answered" for p in [e.payload]
    )
    assert sorted((row["item_id"], row["category"], row["rt_ms"]) for row in rows) == logged
    first = [row for row in rows if row["position"] == 0]
    assert len(first) == 50
    assert [row["theta_before"] for row in first] == pytest.approx([0.0] * 50, abs=1e-12)  # the mean of the prior
    assert {row["position"] for row in rows} == set(range(10))
    ok("calibrate", out, "--model", "gpcm", "--min-n", "40", "--se", "none", "--groups", "sex", "--out", tmp_path / "P.csv", "--json", tmp_path / "F.json")  # fmt: skip
    assert set(json.loads((tmp_path / "F.json").read_text())["latent"]) == {"m", "f"}
    again = tmp_path / "again"
    ok("responses", "export", "--data", place.folder, "--groups", "", "--out", again)
    assert pq.read_table(again / file["name"]).column("person_id") == found.column("person_id")
    wrong = refused(
        "responses", "export", "--data", place.folder, "--waves", f"{wave},W0, nix", "--groups", "nip", "--out", tmp_path / "none"
    )
    assert [line.split(": ")[0] for line in wrong.splitlines()] == [
        "3 faults; nothing was written",
        "--groups, nip",
        "--waves, W0",
        "--waves, nix",
    ]
    wrong = refused("responses", "export", "--data", place.folder, "--waves", " , ", "--groups", "nip", "--out", out)
    assert [line.split(": ")[0] for line in wrong.splitlines()][1:] == ["--groups, nip", f"--out, {out}", "--waves,  , "]
    assert "not empty" in refused("responses", "export", "--data", place.folder, "--out", out)
    assert "--groups, nip: is not known" in refused(
        "responses", "export", "--data", place.folder, "--groups", "nip", "--out", tmp_path / "none"
    )
    assert not (tmp_path / "none").exists()


def test_closed_waves_take_the_options_of_the_estimation_and_a_cluster(
    closed: tuple[Place, str], scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = closed
    monkeypatch.setenv("DATABASE_URL", place.url)
    waves = ("calibrate", "--data", place.folder, "--min-n", "40", "--max-se", "3")
    said = {
        name: ok(*waves, *words) for name, words in {"oakes": (), "xpd": ("--se", "xpd"), "cluster": ("--scheduler", scheduler)}.items()
    }
    changes = {name: re.findall(r"^  \S+ (?:a|b\S*): .+ -> .+$", text, re.MULTILINE) for name, text in said.items()}
    assert len(changes["oakes"]) > 5
    assert changes["cluster"] == changes["xpd"] == changes["oakes"]  # errors do not change estimates
    assert "items take new parameters" in ok(*waves, "--density", "histogram", "--tol", "1e-2")
    assert "se: 'none' gives no standard errors, and without them no item can be adopted (oakes or xpd)" in refused(*waves, "--se", "none")


def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    closed: tuple[Place, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, wave = closed
    monkeypatch.setenv("DATABASE_URL", place.url)
    out, name = tmp_path / "answers", f"{wave}.parquet"
    ok("responses", "export", "--data", place.folder, "--out", out)
    calibrate = ("calibrate", "--se", "none", "--model", "gpcm", "--min-n", "40", "--out", tmp_path / "P.csv")
    ok(*calibrate, out / name)
    (tmp_path / "P.csv").unlink()
    rows = pq.read_table(out / name)
    changed = rows.set_column(2, "category", pa.array([3 - c for c in rows.column("category").to_pylist()], pa.int8()))
    pq.write_table(changed, out / name)
    for answers in (out / name, out):
        assert f"{name}, sha256: is not what manifest.json says: it was changed or damaged" in refused(*calibrate, answers)
    pq.write_table(changed, out / "other.parquet")
    assert "other.parquet: is not named in the manifest.json beside it" in refused(*calibrate, out / "other.parquet")
    (out / "manifest.json").write_text('{"format": "cact-responses/1"}')
    assert "manifest.json: is damaged" in refused(*calibrate, out / name)
    (out / "manifest.json").unlink()
    assert "is a folder without a manifest.json" in refused(*calibrate, out)
    assert not (tmp_path / "P.csv").exists()


PARTS = 8


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A cluster of two workers in this process; its HTTP server takes any free port."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0", scheduler_kwargs={"dashboard": False}
    ) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_gives_the_parameters_of_this_process(draw: Callable[..., Any], scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calibration.expectation.BLOCK", 128)
    rng = np.random.default_rng(311)
    rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0, 0.3, 12), rng.normal(size=12), strict=True)]
    data = draw(rows, rng.normal(size=1000), 312)
    log = data.log(tuple(f"i{k}" for k in range(12)))
    found = []
    for where in (None, scheduler):
        with holder(where) as hold:
            parts: list[int] = []

            def counted(made: Any, hold: Any = hold, parts: list[int] = parts) -> Any:
                parts.append(len(made))
                return hold(made)

            for se in ("oakes", "xpd"):
                fit = calibrate_answers(log, Specification(), Demands(30, 0.35, se, MmlOptions(tolerance=1e-6)), hold=counted)
                found.append([(v.new.a, v.new.b[0], v.se_a, v.se_b[0]) for v in fit.verdicts if v.new is not None])
            assert parts == [PARTS, PARTS]
    np.testing.assert_allclose(found[2:], found[:2], rtol=0, atol=1e-8)


def test_the_command_runs_on_a_cluster_and_says_when_there_is_none(
    pair: tuple[Path, Path], scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok("calibrate", pair[1], "--out", tmp_path / "P.csv")
    ok("calibrate", pair[1], "--scheduler", scheduler, "--out", tmp_path / "Q.csv")
    assert (tmp_path / "Q.csv").read_text() == (tmp_path / "P.csv").read_text()
    monkeypatch.setattr("webtest.cluster.TIMEOUT_S", 0.2)
    for address, message in (
        ("tcp://127.0.0.1:1", "cannot be reached"),
        ("somewhere", "missing port number"),
        ("nil://x:1", "unknown address scheme"),
    ):
        assert message in refused("calibrate", pair[1], "--scheduler", address, "--out", tmp_path / "no.csv")
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "needs the package distributed, which is not here (pip install 'cact[cluster]'" in refused(
        "calibrate", pair[1], "--scheduler", scheduler, "--out", tmp_path / "no.csv"
    )
    assert not (tmp_path / "no.csv").exists()
