"""Uploads, addresses and values that are too large or too odd are refused, and nothing fails."""

from collections.abc import Iterator

import pytest

from tests.conftest import DATABASES, copy_of, drop
from tests.webtest.conftest import open_room
from tests.webtest.site import NOW, Browser, Site, item_page, site_of
from webtest.config import House

FACTS = {"name": "x", "agency": "x", "place": "x", "day": "2026-11-24", "zone": "../../x", "action": "create"}


def test_an_upload_that_is_too_large_is_refused(site: Site) -> None:
    browser = site.browser().officer("koordinator")
    for size, status in ((9_500_000, 413), (8_500_000, 422)):
        assert browser.upload("/petugas/gelombang/baru", FACTS, b"x" * size, "x.csv").status_code == status
    assert browser.upload("/petugas/gelombang/baru", {"name": "x" * 2_500_000}, b"", "x.csv").status_code == 413
    for path in ("/petugas/gelombang/baru", "/petugas/masuk", "/masuk", "/keluar"):
        assert browser.post(path, {"name": "x" * 1_000_000}).status_code == 413
    assert site.browser().upload("/masuk", {}, b"x" * 1_000_000, "x.csv").status_code == 413


@pytest.mark.parametrize("name", ["../../etc/passwd", "x.csv\x00.xlsx", "<script>.csv", "x" * 5_000 + ".csv", ""])
def test_the_name_of_an_upload_is_never_used(site: Site, name: str) -> None:
    browser = site.browser().officer("koordinator")
    content = b"nip,nama,jenjang,unit,ruang\n198504122008121001,Budi,pelaksana,D,A\n"
    before = {path for path in site.house.folder.parent.rglob("*") if "cact.db" not in path.name}
    reply = browser.upload("/petugas/gelombang/baru", FACTS, content, name)
    assert reply.status_code in (303, 422)
    assert "<script>" not in reply.text
    assert {path for path in site.house.folder.parent.rglob("*") if "cact.db" not in path.name} == before


@pytest.fixture(scope="module", params=DATABASES)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A psychometrician who goes from page to page, on each kind of database."""
    place = copy_of(request.getfixturevalue(f"founded_{request.param}"), tmp_path_factory.mktemp("read") / "cact-data")
    house = place.open()
    yield site_of(house).browser().officer("psikometrisi")
    house.close()
    drop(place)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/petugas/bank/versi/99999999999999999999", 404), ("/petugas/bank/butir?versi=99999999999999999999", 404), ("/petugas/bank/butir?versi=-1", 404),
        ("/petugas/bank/butir?versi=x", 200), ("/petugas/bank/kalibrasi/99999999999999999999", 404), ("/petugas/bank/kalibrasi/99999999999999999999/laporan", 404),
        ("/petugas/bank/butir/%00", 400), ("/petugas/bank/butir/..%2f..%2fetc", 404), ("/petugas/gelombang/W%00", 400), ("/petugas/bank/butir?cari=%00", 400),
        ("/petugas/bank/butir?cari=%ff%fe", 200), ("/petugas/gelombang/%F0%9F%8E%93", 404), ("/petugas/gelombang/" + "W" * 3_000, 404),
    ],
)  # fmt: skip
def test_odd_addresses_are_unknown_not_failures(reader: Browser, path: str, status: int) -> None:
    assert reader.get(path).status_code == status


@pytest.mark.parametrize(("name", "said"), [("agency", "instansi"), ("zone", "zone")])
def test_a_form_with_what_cannot_be_kept_says_in_which_field_and_leads_back(site: Site, name: str, said: str) -> None:
    browser, form = site.browser().officer("koordinator"), "/petugas/gelombang/baru"
    page = browser.post(form, {**FACTS, name: "a\x00b"}, headers={"Referer": f"http://localhost{form}"})
    assert page.status_code == 400
    assert f"Isian &#34;{said}&#34; memuat karakter yang tidak tampak" in page.text
    assert f'href="http://localhost{form}"' in page.text
    part = browser.post(form, {name: "\x00"}, headers={"X-CACT": "1"})
    assert part.json["error"] == "unprintable"


def test_odd_values_in_forms_are_refused_not_failures(house: House) -> None:
    site = site_of(house)
    room = open_room(house, 1, now=NOW)
    taker = site.browser().taker(room.takers[0]).to_waiting()
    item_page(taker, room, NOW)
    huge = "9" * 400
    for form in (
        {"seq": huge, "choice": huge, "client_ms": huge},
        {"seq": "x", "choice": "x"},
        {},
        {"seq": "-1", "choice": "0", "key": "k" * 10_000},
    ):
        assert taker.post("/tes/jawab", form).status_code == 303
    assert taker.post("/tes/jawab", {"key": "a\x00b"}).status_code == 400
    seq = house.store.load(room.ids[0]).seq
    assert taker.post("/tes/jawab", {"seq": str(seq), "choice": "0", "client_ms": huge, "key": "é🎓" * 40}).status_code == 303
    answered = next(e for e in house.store.events(room.ids[0]) if e.kind == "answered")
    assert answered.payload["client_ms"] == 86_400_000
    assert len(answered.payload["key"]) == 32
    officer = site.browser().officer("koordinator")
    for form in (
        {"action": "extend", "minutes": huge, "code": "other", "reason": "x"},
        {"action": "note", "code": "other", "reason": "\ud800"},
        {"action": "x" * 9_999},
    ):
        status = officer.post(
            f"/petugas/gelombang/{room.wave}/tindakan", form | {"reason": form.get("reason", "").encode(errors="replace").decode()}
        ).status_code
        assert status in (303, 409)
