"""Officers' accounts: what is refused, what is kept of a password, and when a session ends."""

import os
import stat

import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

from cat_engine import Faulty
from tests.conftest import PASSWORD, Place
from tests.webtest.conftest import T0
from webtest.accounts import RIGHTS, Right
from webtest.config import House
from webtest.keys import load_keys, name_hash, pin_hash
from webtest.models import OfficerRow
from webtest.refusal import Refused


def test_every_field_that_cannot_be_is_named_at_once(house: House) -> None:
    with pytest.raises(Faulty) as caught:
        house.accounts.add("a b", " ", "raja", "pendek")
    assert [fault.field for fault in caught.value.faults] == ["username", "role", "password", "name"]
    with pytest.raises(Faulty, match="is taken"):
        house.accounts.add("pengawas", "Nama", "pengawas", PASSWORD)


def test_passwords_are_kept_as_argon2id_and_differ_though_equal(house: House) -> None:
    with SqlSession(house.engine) as sql:
        hashes = [row.password_hash for row in sql.exec(select(OfficerRow)).all()]
    assert all(h.startswith("$argon2id$") for h in hashes)
    assert len(set(hashes)) == len(hashes) == len(RIGHTS)


def test_an_account_that_is_off_does_not_get_in_and_is_out_at_once(house: House) -> None:
    officer = house.accounts.login("asesor", PASSWORD, T0)
    assert house.accounts.get(officer.id, "s1") == officer
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        row = sql.get_one(OfficerRow, officer.id)
        row.active = False
        sql.add(row)
    assert house.accounts.get(officer.id, "s1") is None
    with pytest.raises(Refused, match="officer_login_failed"):
        house.accounts.login("asesor", PASSWORD, T0)


def test_a_session_that_was_ended_opens_nothing_and_others_go_on(house: House) -> None:
    officer = house.accounts.login("asesor", PASSWORD, T0)
    house.accounts.end_session("s1", T0, 1000)
    house.accounts.end_session("s1", T0, 1000)  # twice is once
    assert house.accounts.get(officer.id, "s1") is None
    assert house.accounts.get(officer.id, "s2") == officer


def test_a_new_password_opens_the_lock(house: House) -> None:
    for _ in range(5):
        with pytest.raises(Refused):
            house.accounts.login("asesor", "salah salah salah", T0)
    house.accounts.set_password("asesor", "sandi yang lain")
    assert house.accounts.login("asesor", "sandi yang lain", T0).username == "asesor"


def test_duties_are_apart() -> None:
    """Nobody who runs a room sees results or keys; nobody who makes the bank's parameters releases results; the admin does neither."""
    for role, rights in RIGHTS.items():
        assert not (Right.RUN_ROOM in rights and rights & {Right.SEE_RESULTS, Right.RELEASE, Right.SEE_BANK, Right.CALIBRATE}), role
        assert not (Right.CALIBRATE in rights and rights & {Right.RELEASE, Right.RUN_ROOM, Right.SEE_RESULTS}), role
    assert RIGHTS["auditor"] == {Right.SEE_WAVES, Right.SEE_BANK, Right.SEE_RESULTS}
    assert RIGHTS["admin"] == {Right.SEE_WAVES}


def test_keys_are_made_once_and_only_their_owner_reads_them(lite: Place) -> None:
    path = lite.folder / "keys.json"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert load_keys(lite.folder).public_hex == load_keys(lite.folder).public_hex
    path.unlink()
    first = load_keys(lite.folder)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert len({first.cookie, first.pepper, load_keys(lite.folder).cookie}) == 2


def test_hashes_of_pins_and_names_depend_on_key_and_owner() -> None:
    assert (
        len(
            {pin_hash(b"k", "A1", "123456"), pin_hash(b"k", "A2", "123456"), pin_hash(b"l", "A1", "123456"), pin_hash(b"k", "A1", "123457")}
        )
        == 4
    )
    assert len({name_hash(b"k", "taker", "x"), name_hash(b"k", "officer", "x"), name_hash(b"l", "taker", "x")}) == 3
