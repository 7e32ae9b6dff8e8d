"""`cact simulate`: spread over processes or a cluster, the same files, and faults where one is lost."""

import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.webtest.simulating.given import STARTED, sim, with_new_items
from tests.webtest.small import PLAN, run


def test_spread_over_processes_the_numbers_are_the_same(files: Path) -> None:
    (files / "plan.toml").write_text(STARTED)
    rows = [f"p{n},{n % 5 - 2},{('jpt_pratama', 'pelaksana')[n % 2]}" for n in range(60)]
    (files / "thetas.csv").write_text("\n".join(["person_id,theta,group", *rows]) + "\n")
    words = (
        "simulate",
        "--bank",
        files / "bank.csv",
        "--plan",
        files / "plan.toml",
        "--thetas",
        files / "thetas.csv",
        "--seed",
        "1",
        "--out",
    )
    assert run(*words, files / "one").exit_code == run(*words, files / "two", "--workers", "2").exit_code == 0
    for name in ("people.csv", "steps.csv"):
        assert (files / "one" / name).read_bytes() == (files / "two" / name).read_bytes()


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_and_several_processes_give_the_same_files_as_one(files: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webtest.simulation_cluster.TASK", 1)
    with_new_items(files)
    more = ("--n", "1600", "--seed", "5")  # four blocks, so four tasks
    assert sim(files, *more).exit_code == 0
    for name, where in (("cluster", ("--scheduler", scheduler)), ("processes", ("--workers", "2"))):
        out = files / name
        found = run("simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--out", out, *where, *more)
        assert found.exit_code == 0, found.stderr
        for table_name in ("steps.csv", "people.csv", "items.csv", "deciles.csv"):
            assert (out / table_name).read_bytes() == (files / "out" / table_name).read_bytes()
        here, there = (json.loads((folder / "summary.json").read_text()) for folder in (files / "out", out))
        assert {**here, "seconds": 0} == {**there, "seconds": 0}


def test_a_scheduler_that_does_not_answer_is_a_fault(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webtest.cluster.TIMEOUT_S", 1)
    result = sim(files, "--n", "5", "--seed", "1", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "cannot be reached" in result.stderr
    assert not (files / "out").exists()


def test_a_cluster_that_is_lost_on_the_way_is_a_fault_and_nothing_is_written(
    files: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object) -> None:
        raise CommClosedError("gone")

    from distributed.comm.core import CommClosedError

    monkeypatch.setattr("webtest.simulation_cluster._in_order", lost)
    result = sim(files, "--n", "5", "--seed", "1", "--scheduler", scheduler)
    assert result.exit_code == 2
    assert "the cluster was lost" in result.stderr
    assert not (files / "out").exists()


class Deadly:
    """What ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (3,)


def test_a_process_that_dies_is_a_fault(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly = pickle.dumps(Deadly())
    monkeypatch.setattr("webtest.simulation_cluster.pickle", SimpleNamespace(dumps=lambda _trial: deadly))
    result = sim(files, "--n", "5", "--seed", "1", "--workers", "2")
    assert result.exit_code == 2
    assert "was killed" in result.stderr
    assert not (files / "out").exists()


def test_without_the_package_a_cluster_is_refused_with_the_way_to_get_it(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = sim(files, "--n", "5", "--seed", "1", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "cact[cluster]" in result.stderr


def test_a_rule_that_learns_from_person_to_person_cannot_be_spread(files: Path) -> None:
    (files / "plan.toml").write_text(PLAN + '[eligibility]\nname = "fading"\n')
    for where in (("--scheduler", "tcp://127.0.0.1:9"), ("--workers", "2")):
        result = sim(files, "--n", "5", "--seed", "1", *where)
        assert result.exit_code == 2
        assert "learns from person to person" in result.stderr
