"""Bank versions in the database: saved to the same bits, never changed, published or refused once; on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session

from cat_engine import Faulty, ItemParams, Row
from itembank.bank import Bank, ItemContent
from itembank.demo import load_demo
from itembank.exchange import write_bank_csv
from itembank.store import decide, load_bank, load_contents, newest, save_version, versions
from tests.itembank.banks import content, small
from webtest.config import House


def save(house: House, bank: Bank, contents: dict[str, ItemContent]) -> int:
    with Session(house.engine.execution_options(write=True)) as sql, sql.begin():
        return save_version(sql, bank, contents, note="n", actor="cli:me", now=7)


def verdict(house: House, version: int, word: str) -> None:
    with Session(house.engine.execution_options(write=True)) as sql, sql.begin():
        decide(sql, version, word, actor="cli:me", now=8)


def run(house: House, statement: str) -> None:
    with house.engine.execution_options(write=True).begin() as connection:
        connection.exec_driver_sql(statement)


def unguard(house: House) -> None:
    """Take the database's own guard away, as somebody with the database in hand can."""
    if house.engine.dialect.name == "postgresql":
        for table in ("bank_item", "item_content"):
            run(house, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    for table in ("bank_item", "item_content"):
        for verb in ("update", "delete"):
            run(house, f"DROP TRIGGER {table}_no_{verb}")


def test_the_sample_bank_comes_back_as_it_was_shipped(house: House) -> None:
    bank, contents = load_demo()
    with Session(house.engine) as sql:
        found = load_bank(sql)
        assert (found.digest, found.version, load_contents(sql, 1)) == (bank.digest, 1, contents)
        assert write_bank_csv(found) == write_bank_csv(bank)


def test_the_outermost_numbers_keep_their_bits(house: House) -> None:
    rows = [
        Row("2pl", 5e-324, [-1.7976931348623157e308]),
        Row("gpcm", 0.1 + 0.2, [-0.0, 1 / 3, 5e-324]),
        Row("4pl", 1e308, [0.0], 0.1, 1 - 2**-53),
        Row("nrm", 1.0, [5e-324, -0.0], slopes=[0.1 + 0.2, -1.7976931348623157e308]),
    ]
    bank = replace(
        small()[0],
        ids=("A-1", "A-2", "B-1", "B-2"),
        params=ItemParams.from_rows(rows),
        competencies=("Ω",),
        status=("active",) * 4,
        calibration=("provisional",) * 4,
        content_digests=(None,) * 4,
        attributes=({"é": "\x00\n'"}, {}, {}, {}),
    )
    version = save(house, bank, {})
    with Session(house.engine) as sql:
        found = load_bank(sql, version)
    assert found.digest == bank.digest
    assert [column.tobytes() for column in (found.params.a, found.params.b, found.params.c, found.params.d, found.params.slopes)] == [
        column.tobytes() for column in (bank.params.a, bank.params.b, bank.params.c, bank.params.d, bank.params.slopes)
    ]


def test_a_draft_is_not_used_until_it_is_published(house: House) -> None:
    version = save(house, *small())
    with Session(house.engine) as sql:
        assert load_bank(sql).version == 1
        assert load_bank(sql, version).ids == ("A-1", "A-2", "B-1")
        assert newest(sql) == version
    verdict(house, version, "published")
    with Session(house.engine) as sql:
        assert load_bank(sql).version == version
        found = versions(sql)[0]
        assert (found.status, found.decided_by, found.decided_at) == ("published", "cli:me", 8)


def test_a_refused_draft_is_kept_and_never_used(house: House) -> None:
    version = save(house, *small())
    verdict(house, version, "refused")
    with Session(house.engine) as sql:
        assert (load_bank(sql).version, newest(sql), load_bank(sql, version).version) == (1, 1, version)


def test_drafts_saved_at_the_same_time_get_numbers_of_their_own(house: House) -> None:
    bank, contents = small()

    def one(k: int) -> int:
        return save(house, bank.with_params({"B-1": Row("3pl", 1 + k, [0.25], 0.2, 1.0, 1)}), contents)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, range(12))) == list(range(2, 14))


def test_of_two_verdicts_at_the_same_time_one_counts(house: House) -> None:
    version = save(house, *small())

    def one(word: str) -> bool:
        try:
            verdict(house, version, word)
        except LookupError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, ["published", "refused"] * 4)) == 1


@pytest.mark.parametrize("first", ["published", "refused"])
@pytest.mark.parametrize("second", ["published", "refused"])
def test_a_version_is_decided_once(house: House, first: str, second: str) -> None:
    version = save(house, *small())
    verdict(house, version, first)
    with pytest.raises(LookupError, match="not a draft"):
        verdict(house, version, second)


def test_what_is_not_there_is_named(house: House) -> None:
    with pytest.raises(LookupError, match="no bank version 99"):
        verdict(house, 99, "published")
    with Session(house.engine) as sql, pytest.raises(LookupError, match="no bank version 99"):
        load_bank(sql, 99)


def test_the_same_bank_is_not_saved_twice(house: House) -> None:
    version = save(house, *small())
    with pytest.raises(Faulty, match=rf"version {version} \(draft\) is the same bank"):
        save(house, *small())


def test_a_key_that_does_not_fit_its_parameters_is_not_published(house: House) -> None:
    bank, contents = small()
    contents["A-1"] = content("A-1", scores=(1, 5, 1, 5))
    version = save(house, replace(bank, content_digests=tuple(contents[i].digest for i in bank.ids)), contents)
    with pytest.raises(Faulty, match="A-1, options"):
        verdict(house, version, "published")
    with Session(house.engine) as sql:
        assert versions(sql)[0].status == "draft"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE bank_item SET a = 2 WHERE version = 1",
        "DELETE FROM bank_item WHERE version = 1",
        "UPDATE item_content SET body = '{}'",
        "DELETE FROM item_content",
        "UPDATE bank_version SET status = 'refused' WHERE version = 1",
        "UPDATE bank_version SET note = 'x' WHERE version = 2",
        "UPDATE bank_version SET digest = 'x' WHERE version = 2",
        "DELETE FROM bank_version WHERE version = 2",
        "INSERT INTO bank_item SELECT 1, item_id, position, competency, model, a, b, c, d, status, calibration, content_digest, attributes "
        "FROM bank_item WHERE version = 2",
    ],
)
def test_the_database_refuses_to_change_a_saved_bank(house: House, statement: str) -> None:
    assert save(house, *small()) == 2
    with pytest.raises(DatabaseError, match="a saved bank does not change"):
        run(house, statement)


@pytest.mark.parametrize(
    "change",
    ["a = a + 1e-12", "c = c + 1e-12", "status = 'held'", "attributes = '{}'", "b = '[1,0]'", "b = ''", "competency = 'X'", "model = 'x'"],
)
def test_a_changed_item_is_noticed_by_the_digest(house: House, change: str) -> None:
    unguard(house)
    run(house, f"UPDATE bank_item SET {change} WHERE version = 1 AND position = 0")  # noqa: S608 - the test's own words
    with Session(house.engine) as sql, pytest.raises(Faulty, match="bank version 1, digest"):
        load_bank(sql, 1)


def test_a_changed_key_is_noticed_and_the_item_named(house: House) -> None:
    unguard(house)
    run(house, "UPDATE item_content SET body = replace(body, '\"score\":1', '\"score\":2') WHERE item_id = 'M01-03'")
    with Session(house.engine) as sql, pytest.raises(Faulty, match="M01-03, content"):
        load_contents(sql, 1)


def test_texts_are_kept_once_and_old_versions_keep_theirs(house: House) -> None:
    bank, contents = small()
    first = save(house, bank, contents)
    changed = {**contents, "A-1": replace(contents["A-1"], question="Lalu apa?")}
    second = save(house, replace(bank, parent=first, content_digests=tuple(changed[i].digest for i in bank.ids)), changed)
    with Session(house.engine) as sql:
        assert load_contents(sql, first) == contents
        assert load_contents(sql, second) == changed
        assert load_bank(sql, second).parent == first
        kept = sql.connection().execute(text("SELECT count(*) FROM item_content WHERE item_id LIKE 'A-%' OR item_id = 'B-1'")).scalar()
    assert kept == 4
