"""Bank versions in the database: saved once, never changed, published or refused by a named person."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import func
from sqlmodel import Session, col, select

from cat_engine import Fault, Faulty, ItemParams, Row
from cat_engine.irt import NOMINAL
from itembank.bank import Bank, ItemContent, canonical, key_faults
from itembank.models import BankItem, BankVersion, ContentRow


def hold_versions(session: Session) -> None:
    """From here to the end of the transaction nobody else makes or decides on a version; called before any row is locked, so that nobody waits in a
    circle. The session writes from its start (execution option `write=True`), which is enough on SQLite.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().exec_driver_sql("LOCK TABLE bank_version IN SHARE ROW EXCLUSIVE MODE")


def save_version(session: Session, bank: Bank, contents: Mapping[str, ItemContent], *, note: str, actor: str, now: int) -> int:
    """Write `bank` as a new draft and give its number. Raises Faulty where the same bank is already there.

    The session writes from its start (execution option `write=True`): versions are numbered one writer after another.
    """
    hold_versions(session)
    same = session.exec(select(BankVersion).where(BankVersion.digest == bank.digest)).first()
    if same is not None:
        raise Faulty([Fault("bank", "digest", f"version {same.version} ({same.status}) is the same bank", "nothing to save")])
    version = (session.exec(select(func.max(BankVersion.version))).one() or 0) + 1
    session.add(
        BankVersion(
            version=version, parent=bank.parent, digest=bank.digest, status="draft", competencies=canonical(bank.competencies),
            note=note, created_by=actor, created_at=now,
        )
    )  # fmt: skip
    known = set(session.exec(select(ContentRow.digest)).all())
    for content in contents.values():
        if content.digest not in known:
            session.add(ContentRow(digest=content.digest, item_id=content.item_id, body=canonical(asdict(content))))
            known.add(content.digest)
    session.flush()
    for i, item_id in enumerate(bank.ids):
        row = bank.row(i)
        session.add(
            BankItem(
                version=version, item_id=item_id, position=i, competency=bank.competency_of(i), model=row.model, a=row.a,
                b=_written(row), c=row.c, d=row.d, status=bank.status[i], calibration=bank.calibration[i],
                content_digest=bank.content_digests[i], attributes=canonical(dict(bank.attributes[i])),
            )
        )  # fmt: skip
    session.flush()
    return version


def versions(session: Session) -> list[BankVersion]:
    """All versions, newest first."""
    return list(session.exec(select(BankVersion).order_by(col(BankVersion.version).desc())).all())


def load_bank(session: Session, version: int | None = None) -> Bank:
    """A version of the bank (None = the newest published one). Raises LookupError where there is none, Faulty where its digest is wrong."""
    query = select(BankVersion)
    query = query.where(BankVersion.status == "published") if version is None else query.where(BankVersion.version == version)
    found = session.exec(query.order_by(col(BankVersion.version).desc())).first()
    if found is None:
        msg = "no bank version is published" if version is None else f"there is no bank version {version}"
        raise LookupError(msg)
    items = session.exec(select(BankItem).where(BankItem.version == found.version).order_by(col(BankItem.position))).all()
    changed = Fault(f"bank version {found.version}", "digest", "its items are not those that were saved")
    try:
        bank = _bank(found, items)
    except ValueError:  # what is no bank at all was not saved either
        raise Faulty([changed]) from None
    if bank.digest != found.digest:
        raise Faulty([changed])
    return bank


def _bank(found: BankVersion, items: Sequence[BankItem]) -> Bank:
    competencies = tuple(json.loads(found.competencies))
    return Bank(
        ids=tuple(i.item_id for i in items),
        params=ItemParams.from_rows([_read(i)._replace(scale=competencies.index(i.competency)) for i in items]),
        competencies=competencies,
        status=tuple(i.status for i in items),
        calibration=tuple(i.calibration for i in items),
        content_digests=tuple(i.content_digest for i in items),
        attributes=tuple(json.loads(i.attributes) for i in items),
        version=found.version,
        parent=found.parent,
    )


def _written(row: Row) -> str:
    """The column b: the item's b, or of a nominal item pairs of slope and intercept."""
    return canonical([list(pair) for pair in zip(row.slopes, row.b, strict=True)] if row.slopes else list(row.b))


def _read(item: BankItem) -> Row:
    """The inverse of _written; raises ValueError where the column holds something else."""
    b, slopes = json.loads(item.b), []
    if item.model in NOMINAL:
        slopes, b = [slope for slope, _ in b], [intercept for _, intercept in b]
    return Row(item.model, item.a, b, item.c, item.d, slopes=slopes)


def newest(session: Session) -> int | None:
    """The newest version that nobody refused: what an import builds on. None where there is none."""
    return session.exec(select(func.max(BankVersion.version)).where(BankVersion.status != "refused")).one()


def load_contents(session: Session, version: int) -> dict[str, ItemContent]:
    """Item id -> content of one version. Raises Faulty where a text or its key is not the one that was saved."""
    query = select(BankItem.item_id, ContentRow.digest, ContentRow.body).join(ContentRow, col(BankItem.content_digest) == ContentRow.digest)
    rows = session.exec(query.where(BankItem.version == version).order_by(col(BankItem.position))).all()
    changed = [item_id for item_id, digest, body in rows if hashlib.sha256(body.encode()).hexdigest() != digest]
    if changed:
        raise Faulty([Fault(item_id, "content", "its text is not the one that was saved") for item_id in changed])
    return {item_id: ItemContent.from_table(json.loads(body)) for item_id, _, body in rows}


def decide(session: Session, version: int, verdict: str, *, actor: str, now: int) -> None:
    """Publish or refuse a draft (verdict "published" | "refused").

    Raises LookupError where it is not a draft, Faulty where it is to be published and an active item's key does not fit its parameters.
    """
    found = session.get(BankVersion, version, with_for_update=True)
    if found is None or found.status != "draft":
        msg = f"bank version {version} is not a draft" if found else f"there is no bank version {version}"
        raise LookupError(msg)
    faults = key_faults(load_bank(session, version), load_contents(session, version)) if verdict == "published" else []
    if faults:
        raise Faulty(faults)
    found.status, found.decided_by, found.decided_at = verdict, actor, now
    session.add(found)
    session.flush()
