"""Founding an installation: rules of the day, the sample bank as version 1, first accounts, and the rehearsal wave of the demo."""

import datetime as dt
import json
import secrets
import time
import tomllib
from dataclasses import dataclass
from importlib import resources

from sqlmodel import Session as SqlSession
from sqlmodel import select

from itembank.demo import load_demo, plan_text
from itembank.models import BankVersion
from itembank.store import decide, save_version
from webtest.accounts import RIGHTS
from webtest.config import House
from webtest.formats import today
from webtest.models import Norm, Wave
from webtest.roster import RosterRow
from webtest.services.waves import NewWave

SERANG = {"jpt_pratama": 26, "administrator": 120, "pengawas": 260, "fungsional": 330, "pelaksana": 316}
SYSTEM = "system"
NAMES = {
    "pengawas": "Pengawas Ruang", "koordinator": "Koordinator Tim", "psikometrisi": "Psikometrisi", "asesor": "Asesor SDM", "auditor": "Auditor",
    "admin": "Admin",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """A login to print once."""

    username: str
    role: str
    password: str


def load_norms(house: House) -> int:
    """Write the shipped rule tables that the database does not have yet."""
    document = tomllib.loads((resources.files("webtest") / "norms.toml").read_text(encoding="utf-8"))
    added = 0
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        for norm in document["norm"]:
            if sql.get(Norm, (norm["kind"], norm["valid_from"])) is None:
                sql.add(
                    Norm(
                        kind=norm["kind"],
                        valid_from=norm["valid_from"],
                        source=norm["source"],
                        body=json.dumps(norm["body"], ensure_ascii=False),
                    )
                )
                added += 1
    return added


def publish_sample_bank(house: House) -> bool:
    """Publish the shipped bank as version 1 where the database holds no bank at all."""
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        if sql.exec(select(BankVersion)).first() is not None:
            return False
        bank, contents = load_demo()
        now = time.time_ns() // 1_000_000
        version = save_version(sql, bank, contents, note="Bank contoh, belum terkalibrasi", actor=SYSTEM, now=now)
        decide(sql, version, "published", actor=SYSTEM, now=now)
    return True


def first_accounts(house: House) -> list[Account]:
    """One account a role, with a generated password, where there is no account yet."""
    if house.accounts.all():
        return []
    made = [Account(role, role, "-".join(secrets.token_hex(2) for _ in range(4))) for role in RIGHTS]
    for account in made:
        house.accounts.add(account.username, NAMES[account.role], account.role, account.password)
    return made


def invented_roster(n: int, *, room_size: int = 30) -> list[RosterRow]:
    """n made-up people in Serang's composition (26 of 1,052 JPT pratama, and so on), with formally valid NIPs, in rooms of `room_size`."""
    total = sum(SERANG.values())
    levels = [level for level, count in SERANG.items() for _ in range(max(1, round(count * n / total)))]
    levels = (levels + ["pelaksana"] * n)[:n]
    rows = []
    for i, level in enumerate(levels):
        born = dt.date(1968, 1, 1) + dt.timedelta(days=(i * 37) % 10_000)
        nip = f"{born:%Y%m%d}{born.year + 25}{i % 12 + 1:02d}{1 + i % 2}{i % 999 + 1:03d}"
        rows.append(
            RosterRow(
                nip,
                f"Peserta Gladi {i + 1:04d}",
                level,
                f"Unit Kerja {i % 25 + 1:02d}",
                f"Ruang {chr(65 + (i // room_size) % 26)}{i // room_size // 26 or ''}",
            )
        )
    return rows


def demo_wave(house: House) -> tuple[str, list[tuple[str, str, str]]]:
    """The open wave "Gladi Bersih" of 30 people with PINs: (wave id, [(name, NIP, PIN)]); an existing wave is left as it is, with no PINs."""
    with SqlSession(house.engine) as sql:
        found = sql.exec(select(Wave.id).where(Wave.name == "Gladi Bersih")).first()
    if found is not None:
        return found, []
    now = time.time_ns() // 1_000_000
    new = NewWave("Gladi Bersih", "Pemerintah Kota (contoh)", "Ruang CAT", today(now))
    wave_id = house.waves.create(new, invented_roster(30), plan_text(), actor=SYSTEM, now=now)
    house.waves.open(wave_id, actor=SYSTEM, now=now)
    ids = [line.attempt for line in house.monitor.board(wave_id, now).lines]
    cards = house.waves.issue_pins(wave_id, ids[:3], actor=SYSTEM, now=now)
    return wave_id, [(card.name, card.nip, card.pin) for card in cards]
