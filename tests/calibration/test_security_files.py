"""The people of a run and the options chosen, as files, with every fault by row."""

import pytest

from calibration.security_files import read_options_csv, read_people_csv
from cat_engine import Faulty

PEOPLE = ("a", "b", "c")


def test_rooms_waves_and_order_are_those_of_the_answers_people() -> None:
    found = read_people_csv("person_id,room,wave\nc,r2,W2\nx,r9,W3\na,r1,W1\nb,r1,W2\n", PEOPLE)
    assert found.room == ("W1 r1", "W2 r1", "W2 r2")  # people of two waves did not sit together
    assert found.window == ("W1", "W2", "W2")
    assert found.order.tolist() == [2, 0, 0]  # waves in the order of the file, where no times are


def test_times_order_people_and_days_are_the_windows_where_there_are_no_waves() -> None:
    text = "person_id,time\na,2026-11-27T09:00\nb,2026-11-26\nc,2026-11-27T08:30:00+07:00\n"
    found = read_people_csv(text, PEOPLE)
    assert found.order.tolist() == [2, 0, 1]  # 08:30 in Jakarta is 01:30 UTC
    assert found.window == ("2026-11-27", "2026-11-26", "2026-11-27")
    assert tuple(found.windows()) == ("2026-11-26", "2026-11-27")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("person_id,room\na,r1\n", "2 of 3 people with answers are missing"),
        ("person_id,wave\na,1\nb,1\nc,1\n", "row 1, room: the column is missing"),
        ("person_id,room\na,r1\nb,\nc,r1\n", "row 3, room: is empty"),
        ("person_id,room\na,r1\na,r1\nb,r\nc,r\n", "row 3, person_id: the person stands in an earlier row already"),
        ("person_id,room,time\na,r,26/11/2026\nb,r,2026-11-26\nc,r,2026-11-26\n", "row 2, time: '26/11/2026' is not a date or time"),
        ("person_id,room,time\na,r,\nb,r,2026-11-26\nc,r,2026-11-26\n", "people, time: 1 rows have none"),
        ("person_id,room\na,r\nb\nc,r\n", "row 3: has 1 cells, the header 2"),
    ],
)
def test_faults_are_named_by_row(text: str, fault: str) -> None:
    with pytest.raises(Faulty, match=fault.replace("(", r"\(")):
        read_people_csv(text, PEOPLE, ("room",))


def test_options_stand_in_the_order_of_the_rows() -> None:
    assert read_options_csv("person_id,item_id,option,category\na,i,B,0\n\na,j, C ,1\n") == ("B", "C")
    assert read_options_csv("person_id,item_id,category\na,i,0\n") is None
    assert read_options_csv("person_id,i,option\na,0,1\n") is None  # wide: an item called option
    with pytest.raises(Faulty, match="row 3, option: is empty"):
        read_options_csv("person_id,item_id,option,category\na,i,B,0\na,j,,1\n")
