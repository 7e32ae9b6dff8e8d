"""What a test may use of a bank: its active items, pretest items that still need answers, what they are about and how long they take."""

import math
from dataclasses import replace

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from cat_engine.blueprint import BlueprintRow
from itembank.bank import Bank, ItemContent, Snapshot, expected_seconds, pool_of, time_faults
from itembank.db import HERE, open_engine, upgrade
from itembank.store import load_bank, save_version
from tests.conftest import admin, sibling
from tests.itembank.banks import banks, small


def timed(*cells: dict[str, str]) -> Bank:
    return replace(small()[0], attributes=cells)


@given(banks())
def test_any_bank_makes_pools_whose_items_are_active_or_in_pretest(pair: tuple[Bank, dict[str, ItemContent]]) -> None:
    bank = pair[0]
    new = [item_id for item_id, status in zip(bank.ids, bank.status, strict=True) if status == "pretest"]
    pool = pool_of(bank, bank.competencies, Snapshot(need=dict.fromkeys(new[::2], 7)))
    wanted = [i for i, s in zip(bank.ids, bank.status, strict=True) if s == "active" or i in new[::2]]
    assert list(pool.ids) == wanted
    assert [pool.ids[i] for i in np.flatnonzero(~pool.operational)] == new[::2]
    assert (pool.need is None) == (not new[::2])
    assert pool.need is None or pool.need.tolist() == [7 * (item_id in new) for item_id in pool.ids]
    assert pool_of(bank, bank.competencies).ids == tuple(i for i, s in zip(bank.ids, bank.status, strict=True) if s == "active")


@given(
    st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=3),
    st.lists(st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(0, 9999), max_size=3),
)
def test_a_snapshot_comes_back_from_its_text_to_the_bit(exposure: dict, control: list, need: dict) -> None:
    snapshot = Snapshot(exposure, tuple(control), need)
    assert Snapshot.from_json(snapshot.to_json()) == snapshot


def test_control_is_one_where_the_snapshot_names_no_other() -> None:
    pool = pool_of(small()[0], ["A", "B"], Snapshot(control=({"A-2": 0.3}, {})))
    assert pool.control is not None
    assert pool.control.tolist() == [[1.0, 0.3, 1.0], [1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        ({"rt_alpha": "2", "rt_beta": "3.5"}, math.exp(3.5 + 1 / 8)),  # the mean of the lognormal distribution
        ({"seconds": "41.5"}, 41.5),
        ({"seconds": "41.5", "rt_alpha": "2", "rt_beta": "3"}, math.exp(3 + 1 / 8)),
        ({"rt_alpha": "2"}, None),
        ({"rt_alpha": "0", "rt_beta": "3"}, None),
        ({"rt_alpha": "2", "rt_beta": "9999"}, None),
        ({"seconds": "-1"}, None),
        ({"seconds": "lama"}, None),
        ({}, None),
    ],
)
def test_expected_seconds_follow_from_the_attributes(cells: dict[str, str], seconds: float | None) -> None:
    assert expected_seconds(cells) == (None if seconds is None else pytest.approx(seconds, rel=1e-15))


def test_a_pool_knows_seconds_where_they_are_known_of_every_active_item() -> None:
    bank = timed({"seconds": "30"}, {"rt_alpha": "1", "rt_beta": "4"}, {})
    assert pool_of(bank, ["A"]).seconds is not None
    assert pool_of(bank, ["A", "B"]).seconds is None
    new = replace(bank, status=("active", "active", "pretest"))
    seconds = pool_of(new, ["A", "B"], Snapshot(need={"B-1": 3})).seconds
    assert seconds is not None
    assert seconds[2] == pytest.approx(seconds[:2].mean())


def test_blueprints_may_speak_of_attributes_of_competencies_and_of_seconds() -> None:
    bank = timed({"topic": "x", "seconds": "30"}, {"seconds": "50"}, {"seconds": "20"})
    content = pool_of(bank, ["A", "B"]).content
    assert content is not None
    assert content.attributes["topic"] == ("x", "", "")
    assert content.attributes["COMPETENCY"] == ("A", "A", "B")
    assert [float(cell) for cell in content.attributes["SECONDS"]] == [30.0, 50.0, 20.0]
    rows = (BlueprintRow("n", "number", "item", "", 2, 2), BlueprintRow("t", "sum", "item", "SECONDS", 0, 55))
    found = pool_of(bank, ["A", "B"]).assembly(rows).solve(np.array([1.0, 3.0, 1.0]), np.ones(3, dtype=bool))
    assert found is not None
    assert np.flatnonzero(found).tolist() == [0, 2]  # the best pair that fits into 55 s


def test_items_without_a_time_are_named_and_why() -> None:
    bank = timed({"seconds": "30"}, {"rt_alpha": "x", "rt_beta": "4"}, {})
    faults = time_faults(bank, bank.ids)
    assert [(fault.where, fault.message.split(":")[0]) for fault in faults] == [
        ("item A-2", "rt_alpha = 'x', rt_beta = '4'"),
        ("bank", "are missing for B-1"),
    ]
    assert time_faults(bank, bank.ids[:1]) == []


def _migrated(url: str) -> None:
    """A database as it was before items could be in pretest, with a bank in it, is brought up to date."""
    engine = open_engine(url)
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(HERE / "versions"))
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "b002")
    bank, contents = small()
    pretest = replace(bank, status=("active", "pretest", "active"))
    with Session(engine.execution_options(write=True)) as sql, sql.begin():
        save_version(sql, bank, contents, note="", actor="x", now=1)
    with pytest.raises(DatabaseError), Session(engine.execution_options(write=True)) as sql, sql.begin():
        save_version(sql, pretest, contents, note="", actor="x", now=1)
    upgrade(engine)
    with Session(engine.execution_options(write=True)) as sql, sql.begin():
        assert load_bank(sql, 1).digest == bank.digest
        version = save_version(sql, pretest, contents, note="", actor="x", now=1)
        assert load_bank(sql, version).digest == pretest.digest
    for statement in ("UPDATE bank_item SET a = 2", "DELETE FROM bank_item", "UPDATE bank_item SET status = 'x'"):
        with pytest.raises(DatabaseError, match="a saved bank does not change"), engine.execution_options(write=True).begin() as connection:
            connection.exec_driver_sql(statement)
    with pytest.raises(DatabaseError), Session(engine.execution_options(write=True)) as sql, sql.begin():
        save_version(sql, replace(bank, status=("active", "new", "active")), contents, note="", actor="x", now=1)
    engine.dispose()


def test_an_older_sqlite_database_learns_of_pretest_and_keeps_its_guards(tmp_path_factory: pytest.TempPathFactory) -> None:
    _migrated(f"sqlite:///{tmp_path_factory.mktemp('old')}/cact.db")


@pytest.mark.postgres
def test_an_older_postgresql_database_learns_of_pretest_and_keeps_its_guards(postgres: str) -> None:
    admin(postgres, "CREATE DATABASE {}", "older")
    _migrated(sibling(postgres, "older"))
    admin(postgres, "DROP DATABASE {} WITH (FORCE)", "older")
