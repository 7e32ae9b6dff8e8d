"""Bank files in and out of an installation: import as a draft, check, publish."""

from dataclasses import dataclass, replace

from sqlalchemy import Engine, func
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Fault, Faulty
from itembank.bank import GIVEN, Bank, Change, ItemContent, check_bank, diff
from itembank.exchange import on_logistic_metric, read_bank_csv, read_bank_json
from itembank.form import item_faults, set_faults
from itembank.models import BankItem, BankVersion
from itembank.store import load_bank, load_contents, newest, save_version, versions
from webtest.refusal import Refused

Contents = dict[str, ItemContent]


@dataclass(frozen=True, slots=True)
class Imported:
    """A draft that was made of a file: what it changes against its parent, and which active items have no text yet."""

    version: int
    parent: int | None
    items: int
    changes: tuple[Change, ...]
    without_text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version and the number of its items."""

    version: BankVersion
    items: int


class Banks:
    """Use cases on bank versions as a whole."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def versions(self) -> list[VersionLine]:
        """All versions, newest first."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            counts = dict(sql.exec(select(BankItem.version, func.count()).group_by(col(BankItem.version))).all())
            return [VersionLine(version, counts.get(version.version, 0)) for version in versions(sql)]

    def load(self, version: int | None = None) -> tuple[Bank, Contents]:
        """A version (None: the newest published) with its content. Raises Refused("no_bank"), LookupError."""
        with SqlSession(self._engine) as sql:
            try:
                bank = load_bank(sql, version)
            except LookupError:
                if version is not None:
                    raise
                raise Refused("no_bank") from None
            return bank, load_contents(sql, bank.version)

    def read(self, text: str) -> tuple[Bank, Contents]:
        """A bank file as an import would take it: the texts of items that a CSV names come from the newest version. Raises Faulty."""
        with SqlSession(self._engine) as sql:
            base = newest(sql)
            return read_bank_file(text, load_contents(sql, base) if base is not None else {})

    def import_draft(self, text: str, *, scaling: float, note: str, actor: str, now: int) -> Imported:
        """Save a bank file as a draft whose parent is the newest version that nobody refused. Raises Faulty; nothing is half written."""
        if scaling != 1 and is_json(text):
            raise Faulty([Fault("--D", "", "is for parameters as CSV", "JSON is on the metric D = 1; leave --D away")])
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            base = newest(sql)
            read, contents = read_bank_file(text, load_contents(sql, base) if base is not None else {})
            bank = replace(on_logistic_metric(read, scaling), parent=base)
            version = save_version(sql, bank, contents, note=note, actor=actor, now=now)
            changes = diff(load_bank(sql, base), bank) if base is not None else []
        return Imported(version, base, len(bank), tuple(changes), without_text(bank, contents))

    def without_text(self, version: int) -> tuple[str, ...]:
        """The active items of a version that have no text. Raises LookupError."""
        bank, contents = self.load(version)
        return without_text(bank, contents)


def is_json(text: str) -> bool:
    """Whether a bank file is meant as JSON: no CSV begins so."""
    return text.lstrip("\ufeff \t\r\n").startswith(("{", "["))


def read_bank_file(text: str, contents: Contents) -> tuple[Bank, Contents]:
    """A bank out of JSON (which brings its content) or CSV (which finds it in `contents`). Raises Faulty."""
    if is_json(text):
        return read_bank_json(text)
    bank = read_bank_csv(text, contents)
    return bank, {item_id: contents[item_id] for item_id in bank.ids if item_id in contents}


def bank_faults(bank: Bank, contents: Contents) -> list[Fault]:
    """All that a machine finds in a bank: text and key against parameters, the form of each item, and the form of the set."""
    faults = check_bank(bank, contents)
    for content in contents.values():
        faults += item_faults(content)
    return faults + set_faults(list(contents.values()))


def without_text(bank: Bank, contents: Contents) -> tuple[str, ...]:
    """The items to be given that have no text: a wave that may use one does not open."""
    return tuple(item_id for i, item_id in enumerate(bank.ids) if item_id not in contents and bank.status[i] in GIVEN)
