"""A test over the web: a wave that closes, a device that is moved, an attempt that two officers void."""

from tests.webtest.conftest import MINUTE, Room
from tests.webtest.site import FRAGMENT, NOW, Site, item_page


def test_a_taker_of_a_closed_wave_sees_the_end_and_nothing_more(site: Site, room: Room) -> None:
    busy, reading = site.browser().taker(room.takers[0]).to_waiting(), site.browser().taker(room.takers[1])
    item_page(busy, room, NOW)
    room.close(NOW + MINUTE)
    assert "Tes selesai" in busy.get("/tes").text
    before = site.house.store.wave_events(room.wave)
    assert busy.post("/tes/jawab", {"seq": "11", "choice": "0", "key": "k"}, headers=FRAGMENT).status_code == 409
    assert reading.post("/tes/konfirmasi", headers=FRAGMENT).json == {
        "error": "wave_not_open",
        "message": "Gelombang belum dibuka atau sudah ditutup.",
    }
    assert reading.get("/tes").status_code == 200
    late = site.browser()
    late.get("/masuk")
    assert late.post("/masuk", {"nip": room.takers[1].nip, "pin": room.takers[1].pin}).status_code == 401
    assert site.house.store.wave_events(room.wave) == before


def test_a_moved_device_hears_so_with_409(site: Site, room: Room) -> None:
    t = room.takers[0]
    old = site.browser().taker(t).to_waiting()
    item_page(old, room, NOW)
    new = site.browser()
    new.get("/masuk")
    assert new.post("/masuk", {"nip": t.nip, "pin": t.pin}).status_code == 409
    proctor = site.browser().officer("pengawas")
    form = {"action": "release", "attempt": t.attempt, "reason": "layar mati"}
    assert proctor.post(f"/petugas/gelombang/{room.wave}/tindakan", form).status_code == 303
    assert new.post("/masuk", {"nip": t.nip, "pin": t.pin}).status_code == 303
    for reply in (old.get("/tes"), old.post("/tes/jawab", {"seq": "9", "choice": "0"}), old.post("/tes/denyut", headers=FRAGMENT)):
        assert reply.status_code == 409
    assert old.post("/tes/denyut", headers=FRAGMENT).json["error"] == "moved"  # type: ignore[index]
    assert new.get("/tes").status_code == 200


def test_voiding_over_the_web_takes_two_officers_and_ticked_people(site: Site, room: Room) -> None:
    path = f"/petugas/gelombang/{room.wave}/tindakan"
    one, two = site.browser().officer("pengawas"), site.browser().officer("koordinator")
    reason = {"code": "examinee.behaviour", "reason": "menyontek"}
    assert one.post(path, {"action": "void", **reason}).status_code == 409  # nobody ticked: nobody, not everybody
    assert one.post(path, {"action": "void", "attempt": room.ids[0], **reason}).status_code == 303
    assert one.post(path, {"action": "confirm_void", "attempt": room.ids[0]}, headers=FRAGMENT).json["error"] == "same_person"  # type: ignore[index]
    assert two.post(path, {"action": "confirm_void", "attempt": room.ids[0]}).status_code == 303
    assert site.house.store.load(room.ids[0]).voided == "menyontek"
    assert site.house.store.load(room.ids[1]).voided is None
