"""Tries at the doors: five are free, the lock doubles, and no one can tell a name that exists from one that does not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

from tests.conftest import PASSWORD
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, SECOND, T0, MakeRoom, Room
from webtest.config import House
from webtest.models import LoginTry
from webtest.refusal import Refused
from webtest.tries import count_try, forget_tries

NOBODY = "197001011995011999"


def refusal(house: House, nip: str, pin: str, now: int) -> tuple[str, int | None]:
    with pytest.raises(Refused) as caught:
        house.taking.login(nip, pin, "pc", now)
    return caught.value.code, caught.value.retry_s


def wrong(pin: str) -> str:
    return f"{(int(pin) + 1) % 1_000_000:06d}"


def test_a_wrong_nip_and_a_wrong_pin_are_told_the_same_try_by_try(room: Room) -> None:
    t = room.takers[0]
    known = [refusal(room.house, t.nip, wrong(t.pin), T0 + i * SECOND) for i in range(8)]
    unknown = [refusal(room.house, NOBODY, t.pin, T0 + i * SECOND) for i in range(8)]
    assert known == unknown
    assert [code for code, _ in known] == ["login_failed"] * 5 + ["locked"] * 3


@pytest.mark.parametrize("nip", ["", "abc", "1" * 400, "19850412200812100", "\x00", "' OR 1=1 --"])
def test_what_is_no_nip_is_told_the_same(room: Room, nip: str) -> None:
    assert refusal(room.house, nip, "123456", T0)[0] == "login_failed"


def test_the_lock_doubles_and_its_end_is_told(room: Room) -> None:
    t = room.takers[0]
    now, waits = T0, []
    for _ in range(5):
        refusal(room.house, t.nip, wrong(t.pin), now)
    for _ in range(9):
        code, retry_s = refusal(room.house, t.nip, t.pin, now)
        assert code == "locked"
        waits.append(retry_s)
        now += 1000 * (retry_s or 0)
        refusal(room.house, t.nip, wrong(t.pin), now)
    assert waits == [60, 120, 240, 480, 960, 1920, 3840, 3840, 3840]


def test_the_right_pin_opens_nothing_before_the_lock_ends_and_everything_after(room: Room) -> None:
    t = room.takers[0]
    for _ in range(5):
        refusal(room.house, t.nip, wrong(t.pin), T0)
    assert refusal(room.house, t.nip, t.pin, T0 + MINUTE - 1) == ("locked", 1)
    room.log_in(t, T0 + MINUTE)
    for _ in range(4):  # the count has begun anew
        assert refusal(room.house, t.nip, wrong(t.pin), T0 + 2 * MINUTE)[0] == "login_failed"
    room.log_in(t, T0 + 2 * MINUTE)


def test_failures_of_long_ago_are_forgotten(room: Room) -> None:
    t = room.takers[0]
    for _ in range(4):
        refusal(room.house, t.nip, wrong(t.pin), T0)
    for _ in range(4):
        assert refusal(room.house, t.nip, wrong(t.pin), T0 + HOUR)[0] == "login_failed"
    room.log_in(t, T0 + HOUR)


def test_many_tries_at_once_are_no_way_around_the_lock(room: Room) -> None:
    t = room.takers[0]

    def guess(_: int) -> str:
        return refusal(room.house, t.nip, wrong(t.pin), T0)[0]

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(guess, range(24)))
    assert sorted(said) == ["locked"] * 19 + ["login_failed"] * 5


def test_a_login_that_succeeds_takes_the_count_from_under_no_other(house: House) -> None:
    def come_and_go(_: int) -> None:
        count_try(house.engine, "w", T0)
        with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
            forget_tries(sql, "w")

    with ThreadPoolExecutor(4) as pool:  # four at once: never locked, and a row another one deletes is no error
        assert set(pool.map(come_and_go, range(200))) == {None}


def test_a_new_pin_opens_the_lock(room: Room) -> None:
    t = room.takers[0]
    for _ in range(5):
        refusal(room.house, t.nip, wrong(t.pin), T0)
    [card] = room.house.waves.issue_pins(room.wave, [t.attempt], actor=OFFICER, now=T0)
    room.house.taking.login(t.nip, card.pin, "pc", T0)


def test_officers_are_locked_the_same_way_whether_they_exist_or_not(house: House) -> None:
    said: dict[str, list[str]] = {"pengawas": [], "nobody": [], "a b\x00": []}
    for name, codes in said.items():
        for _ in range(7):
            with pytest.raises(Refused) as caught:
                house.accounts.login(name, "salah salah salah", T0)
            codes.append(caught.value.code)
    assert said["pengawas"] == said["nobody"] == said["a b\x00"] == ["officer_login_failed"] * 5 + ["locked"] * 2
    assert house.accounts.login("pengawas", PASSWORD, T0 + MINUTE).role == "pengawas"


def test_the_doors_keep_no_name(light: MakeRoom) -> None:
    room = light(1)
    refusal(room.house, room.takers[0].nip, "000000", T0)
    with SqlSession(room.house.engine) as sql:
        [row] = sql.exec(select(LoginTry)).all()
    assert room.takers[0].nip not in str(row)
    assert len(row.who) == 64


def test_the_count_of_one_who_gets_in_leaves_nothing_behind(light: MakeRoom) -> None:
    room = light(1)
    room.log_in(room.takers[0], T0)
    with SqlSession(room.house.engine) as sql:
        assert sql.exec(select(LoginTry)).all() == []
