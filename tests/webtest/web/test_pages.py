"""What pages show: items of every model, and names as text whatever stands in them."""

import re

from tests.webtest.conftest import OFFICER, PLAN, Taker
from tests.webtest.site import NOW, Site
from webtest.services.banks import Banks
from webtest.services.review import Review


def test_the_pages_of_a_bank_show_a_nominal_item_with_a_slope_for_each_category(site: Site) -> None:
    banks = Banks(site.house.engine)
    for k, text in enumerate(("N1,N,nrm,,0.75,-1.5,0.25,1.5", "N1,N,nrm,,0.75,-1.5,0.25,2.5"), start=2):
        banks.import_draft(f"item_id,competency,model,a,a1,a2,b1,b2\n{text}\n", scaling=1, note="n", actor="cli:me", now=NOW)
        Review(site.house.engine).decide(k, "publish", actor="cli:me", now=NOW)
    browser = site.browser().officer("psikometrisi")
    for path in ("/petugas/bank/butir", "/petugas/bank/butir/N1", "/petugas/bank/versi/3"):
        reply = browser.get(path)
        assert reply.status_code == 200
        text = re.sub(r"\s+", " ", reply.get_data(as_text=True))
        assert "0,75; -1,50" in text, path
    assert "NRM (respons nominal)" in browser.get("/petugas/bank/butir/N1").get_data(as_text=True)


def test_names_are_text_on_every_page(site: Site) -> None:
    from dataclasses import replace

    from webtest.founding import invented_roster
    from webtest.services.waves import NewWave

    bad = "<img src=x onerror=alert(1)>\"'{{7*7}}"
    roster = [replace(row, name=bad, unit=bad, room=bad) for row in invented_roster(1)]
    house = site.house
    wave = house.waves.create(NewWave(bad, bad, bad, "2026-11-24"), roster, PLAN, actor=OFFICER, now=NOW)
    house.waves.open(wave, actor=OFFICER, now=NOW)
    browser = site.browser().officer("koordinator")
    [line] = house.monitor.board(wave, NOW, fresh=True).lines
    cards = browser.post(f"/petugas/gelombang/{wave}/pin")
    pin = re.search(r'class="pin">(\d{6})<', cards.text)
    assert pin is not None
    taker = site.browser().taker(Taker(line.attempt, line.nip, pin[1], ""))
    for text in (
        cards.text,
        taker.get("/tes").text,
        browser.get("/petugas/gelombang").text,
        browser.get(f"/petugas/gelombang/{wave}").text,
        browser.get(f"/petugas/gelombang/{wave}/berita-acara").text,
    ):
        assert "<img src=x" not in text
        assert "49" not in re.findall(r"onerror=alert\(1\)&gt;.{0,20}", text)
        assert "&lt;img src=x" in text
