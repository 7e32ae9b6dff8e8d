"""Signed checkpoints: what they cover, when they are due, and that any number of workers may look after them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session as SqlSession
from sqlmodel import select

from tests.webtest.conftest import MINUTE, OFFICER, T0, MakeRoom, Room
from webtest.checkpoints import EVERY_MS, checkpoint_fault, heads_of, root_of, seal_due, short_form
from webtest.config import House
from webtest.events import merkle_root
from webtest.keeper import Keeper
from webtest.keys import load_keys
from webtest.minutes import minutes_of
from webtest.models import Checkpoint


def seals(house: House) -> list[Checkpoint]:
    with SqlSession(house.engine, expire_on_commit=False) as sql:
        return list(sql.exec(select(Checkpoint).order_by(Checkpoint.wave_id, Checkpoint.n)).all())


def test_the_root_is_over_the_heads_in_order_of_stream() -> None:
    heads = {"B": [3, "22" * 32], "A": [1, "11" * 32]}
    assert root_of(heads) == merkle_root(["11" * 32, "22" * 32])
    assert root_of(dict(reversed(heads.items()))) == root_of(heads)


def test_the_short_form_is_the_first_sixteen_characters_in_fours() -> None:
    assert short_form("0123456789abcdef" + "0" * 48) == "0123-4567-89AB-CDEF"


def test_an_open_wave_is_sealed_when_its_log_has_grown_and_not_otherwise(room: Room) -> None:
    house = room.house
    assert seal_due(house.engine, house.keys, T0 + MINUTE) == [room.wave]
    assert seal_due(house.engine, house.keys, T0 + MINUTE + EVERY_MS) == []  # nothing has happened
    room.log_in(room.takers[0], T0 + 2 * MINUTE)
    assert seal_due(house.engine, house.keys, T0 + MINUTE + EVERY_MS - 1) == []  # too early
    assert seal_due(house.engine, house.keys, T0 + MINUTE + EVERY_MS) == [room.wave]
    assert [(s.n, s.at) for s in seals(house)] == [(1, T0 + MINUTE), (2, T0 + MINUTE + EVERY_MS)]
    room.close(T0 + 20 * MINUTE)
    assert seal_due(house.engine, house.keys, T0 + 90 * MINUTE) == []  # closed: sealed by its closing
    assert [s.n for s in seals(house)] == [1, 2, 3]
    assert all(checkpoint_fault(s, house.keys.public_hex) is None for s in seals(house))


def test_a_checkpoint_covers_the_last_event_of_every_stream(room: Room) -> None:
    seal_due(room.house.engine, room.house.keys, T0)
    with SqlSession(room.house.engine) as sql:
        heads = heads_of(sql, room.wave)
    assert set(heads) == {room.wave, *room.ids}
    for stream, (seq, head) in heads.items():
        last = room.house.store.events(stream)[-1]
        assert (last.seq, last.hash) == (seq, head)


def test_of_many_workers_that_find_a_wave_due_one_seals_it(room: Room) -> None:
    house = room.house
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: seal_due(house.engine, house.keys, T0), range(6)))
    assert sorted(map(len, found)) == [0, 0, 0, 0, 0, 1]
    assert len(seals(house)) == 1


def test_the_minutes_of_an_open_wave_show_the_newest_seal_and_those_of_a_closed_one_that_of_its_closing(room: Room) -> None:
    house = room.house
    assert minutes_of(house, room.wave, T0).short == ""
    seal_due(house.engine, house.keys, T0)
    assert minutes_of(house, room.wave, T0).short == short_form(seals(house)[-1].root)
    room.close(T0 + 20 * MINUTE)
    at_closing = seals(house)[-1].root
    house.waves.note(room.wave, "other", "ketinggalan barang", actor=OFFICER, now=T0 + 60 * MINUTE)
    assert seals(house)[-1].root != at_closing
    assert minutes_of(house, room.wave, T0 + 61 * MINUTE).root == at_closing


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root", "0" * 64),
        ("heads", "{}"),
        ("heads", "rubbish"),
        ("heads", '{"A1":[0,"no hex"]}'),
        ("heads", "[]"),
        ("at", 1),
        ("n", 9),
        ("wave_id", "W2"),
        ("signature", "00" * 64),
        ("signature", "no hex"),
        ("signature", "00"),
    ],
)
def test_a_change_of_any_part_of_a_checkpoint_is_a_fault(light: MakeRoom, name: str, value: object) -> None:
    room = light()
    seal_due(room.house.engine, room.house.keys, T0)
    seal = seals(room.house)[0]
    setattr(seal, name, value)
    assert checkpoint_fault(seal, room.house.keys.public_hex) is not None


def test_a_checkpoint_signed_anew_with_another_key_is_a_fault(light: MakeRoom, tmp_path: Path) -> None:
    room = light()
    (tmp_path / "other").mkdir()
    other = load_keys(tmp_path / "other")
    seal_due(room.house.engine, other, T0)
    assert "another key" in (checkpoint_fault(seals(room.house)[0], room.house.keys.public_hex) or "")
    assert checkpoint_fault(seals(room.house)[0], other.public_hex) is None


class Ticks:
    """Stands in for threading.Event: lets the keeper wake `n` times, and moves the clock at each."""

    def __init__(self, n: int) -> None:
        self.left, self.now, self.waited = n, T0, 0.0

    def wait(self, timeout: float) -> bool:
        self.left -= 1
        self.waited += timeout
        self.now += int(1000 * timeout)
        return self.left < 0

    def set(self) -> None:
        self.left = 0


def test_the_keeper_looks_every_minute_and_seals_every_five(light: MakeRoom) -> None:
    room = light()
    house, ticks = room.house, Ticks(16)

    def job() -> None:
        house.waves.note(room.wave, "other", "catatan", actor=OFFICER, now=ticks.now)
        seal_due(house.engine, house.keys, ticks.now)

    Keeper(job, stop=ticks).run()  # type: ignore[arg-type]
    assert ticks.waited == 17 * 60
    assert [(s.at - T0) // MINUTE for s in seals(house)] == [1, 6, 11, 16]


def test_the_keeper_goes_on_after_the_database_was_away(caplog: pytest.LogCaptureFixture) -> None:
    done = []

    def job() -> None:
        done.append(1)
        if len(done) == 1:
            raise OperationalError("SELECT secret", {"nip": "198504122008121001"}, Exception("away"))

    Keeper(job, stop=Ticks(3)).run()  # type: ignore[arg-type]
    assert len(done) == 3
    assert "OperationalError" in caplog.text
    assert "1985" not in caplog.text


def test_a_keeper_that_was_started_stops() -> None:
    keeper = Keeper(lambda: None)
    keeper.start()
    keeper.stop()
    assert not keeper._thread.is_alive()
