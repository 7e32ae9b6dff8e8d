"""Two servers of one installation, whose officers close a wave and calibrate it at once; one is killed in the middle of keeping the answers."""

import json
import signal
import subprocess
import sys

import pytest

from calibration.pipeline import CalibrationOptions, calibrate
from tests.webtest.conftest import HOUR, OFFICER, T0, Room
from tests.webtest.test_kept_answers import assert_same, by_events, content, forget, responses
from webtest.audit import audit_wave
from webtest.services.psychometrics import Psychometrics

SERVER = """
import json, sys, time
from pathlib import Path
from sqlalchemy import event
from calibration.pipeline import CalibrationOptions, calibrate
from webtest.config import open_house
from webtest.refusal import Refused
from webtest.services.psychometrics import Psychometrics

def say(**words):
    print(json.dumps(words), flush=True)

folder, url, wave, actor, now = sys.argv[1:]
house = open_house(Path(folder), url)
service = Psychometrics(house.engine, house.store)

@event.listens_for(house.engine, "after_cursor_execute")
def hold(connection, cursor, statement, *_):
    if statement.startswith("INSERT INTO kept_answers") and input() == "hold":
        say(keeping=True)
        time.sleep(600)

input()
try:
    house.waves.close(wave, actor=actor, now=int(now))
    say(closed=True)
except Refused as refusal:
    say(closed=refusal.code)
log, _ = service.responses([wave])
say(answers=len(log), verdicts=repr(calibrate(log, service.bank()[0], CalibrationOptions(min_n=2)).verdicts))
house.close()
"""


def server(room: Room) -> "subprocess.Popen[str]":
    house = room.house
    place = (str(house.folder), house.engine.url.render_as_string(hide_password=False))
    command = [sys.executable, "-c", SERVER, *place, room.wave, OFFICER, str(T0 + HOUR)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(process: "subprocess.Popen[str]", *lines: str) -> None:
    assert process.stdin is not None
    process.stdin.write("".join(f"{line}\n" for line in lines))
    process.stdin.flush()


def heard(process: "subprocess.Popen[str]") -> dict[str, object]:
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


@pytest.mark.slow
def test_a_server_that_is_killed_while_it_keeps_answers_leaves_them_to_the_other_which_gets_those_of_the_log(room: Room) -> None:
    house = room.house
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0)
    for k, t in enumerate(room.takers):
        room.sit(t, T0, seed=k)
    one, other = server(room), server(room)
    try:
        tell(one, "go", "hold")
        assert heard(one) == {"keeping": True}  # the wave is closed, its answers are written, not committed
        tell(other, "go", "go on")
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)  # what it wants to write waits
        assert content(house) == []
        one.send_signal(signal.SIGKILL)
        assert heard(other) == {"closed": "wave_not_open"}
        said = heard(other)
        assert (one.wait(30), other.wait(30)) == (-signal.SIGKILL, 0)
    finally:
        for process in (one, other):
            process.kill()
            process.communicate()
    kept = content(house)
    assert len(kept) == 1
    assert_same(responses(house, room.wave)[0], by_events(house, room.wave))
    forget(house)
    log, _ = responses(house, room.wave)
    again = calibrate(log, Psychometrics(house.engine, house.store).bank()[0], CalibrationOptions(min_n=2))
    assert said == {"answers": len(by_events(house, room.wave)), "verdicts": repr(again.verdicts)}  # from the log: the same numbers
    assert content(house) == kept
    assert audit_wave(house.engine, house.store, room.wave, house.keys).findings == ()
