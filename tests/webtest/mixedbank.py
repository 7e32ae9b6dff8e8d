"""A bank for plans that ask for more than parameters: items in pretest, and how long items take."""

from sqlmodel import Session as SqlSession

from cat_engine import ItemParams
from itembank.bank import Bank
from itembank.store import decide, load_bank, load_contents, save_version
from webtest.config import House

COMPETENCIES = ("M.01", "M.02", "P.01")
NEW = ("M01-02", "M01-05", "M02-03", "P01-04", "P01-09", "P01-17")  # in pretest


def publish_mixed_bank(house: House) -> None:
    """Three competencies of the sample bank as version 2, with response-time parameters and some items in pretest."""
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        whole, contents = load_bank(sql), load_contents(sql, 1)
        keep = [i for i in range(len(whole)) if whole.competency_of(i) in COMPETENCIES]
        ids = tuple(whole.ids[i] for i in keep)
        rows = [whole.row(i)._replace(scale=COMPETENCIES.index(whole.competency_of(i))) for i in keep]
        bank = Bank(
            ids, ItemParams.from_rows(rows), COMPETENCIES, tuple("pretest" if item_id in NEW else "active" for item_id in ids),
            tuple(whole.calibration[i] for i in keep), tuple(whole.content_digests[i] for i in keep),
            tuple({**whole.attributes[i], "rt_alpha": "2.0", "rt_beta": repr(2.5 + (i % 40) / 40)} for i in keep), parent=1,
        )  # fmt: skip
        version = save_version(sql, bank, {item_id: contents[item_id] for item_id in ids}, note="", actor="cli:test", now=1)
        decide(sql, version, "published", actor="cli:test", now=1)
