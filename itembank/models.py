"""The bank's rows. The database's own CHECK constraints stand in the migrations; domain values are in itembank.bank."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class BankVersion(SQLModel, table=True):
    """One immutable version of the bank. Life-cycle: draft -> published | refused."""

    __tablename__ = "bank_version"
    version: int = Field(primary_key=True)
    parent: int | None = Field(default=None, foreign_key="bank_version.version")
    digest: str = Field(unique=True)
    status: str
    competencies: str
    note: str
    created_by: str
    created_at: int = Field(sa_type=BigInteger)
    decided_by: str | None = None
    decided_at: int | None = Field(default=None, sa_type=BigInteger)


class ContentRow(SQLModel, table=True):
    """What an item says, as canonical JSON under its own digest: never changed, only replaced by another."""

    __tablename__ = "item_content"
    digest: str = Field(primary_key=True)
    item_id: str
    body: str


class BankItem(SQLModel, table=True):
    """One item of one version: parameters and standing."""

    __tablename__ = "bank_item"
    version: int = Field(primary_key=True, foreign_key="bank_version.version")
    item_id: str = Field(primary_key=True)
    position: int
    competency: str
    model: str
    a: float
    b: str
    c: float
    d: float
    status: str
    calibration: str
    content_digest: str | None = Field(default=None, foreign_key="item_content.digest")
    attributes: str
