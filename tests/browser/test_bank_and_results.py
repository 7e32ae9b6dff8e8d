"""The psychometrician's and the assessor's journeys in real Chromium, on a closed wave of people who answered by the bank's model."""

import csv
import io
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opener, Watch
from tests.browser.stage import Stage, officer_in, plan

PEOPLE = 150


@pytest.fixture(scope="module")
def closed(stage: Stage) -> str:
    """A closed wave with enough answers on its first items for a calibration."""
    return stage.answered(PEOPLE, plan(("M.01", 9, 30.0), ("P.01", 6, 30.0)), "Gelombang 1")


def test_a_closed_wave_is_calibrated_the_report_read_and_what_was_decided_published(
    stage: Stage, closed: str, open_context: Opener
) -> None:
    page = open_context().new_page()
    officer_in(page, stage.url, "psikometrisi")
    page.get_by_role("link", name="Kalibrasi").click()
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_label("Gelombang 1").check()
    page.click("text=Jalankan kalibrasi")
    expect(page.get_by_text("butir dengan parameter baru")).to_be_visible()
    run = page.url
    page.click("text=Baca laporan lengkap")
    expect(page.get_by_role("heading", name="Laporan kalibrasi bank versi 1")).to_be_visible()
    expect(page.get_by_text("Bank contoh, belum terkalibrasi")).to_be_visible()
    table = page.locator("table").filter(has_text="Butir").first
    table.get_by_role("button", name="n", exact=True).click()
    counts = [int(text.replace(".", "")) for text in table.locator("tbody td:nth-child(4)").all_inner_texts()]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})  # what A4 leaves beside its margins
    beyond = page.locator("table").evaluate_all("tables => tables.map(table => table.scrollWidth - table.parentElement.clientWidth)")
    assert len(beyond) >= 4
    assert max(beyond) <= 0
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.get_by_role("link", name="Hasil kalibrasi").click()
    expect(page).to_have_url(run)
    page.click("text=Lihat apa yang berubah")
    expect(page.get_by_role("heading", name="Perubahan terhadap versi 1")).to_be_visible()
    shifts = [abs(float(text.replace(",", "."))) for text in page.locator("tbody tr td:nth-child(5)").all_inner_texts()]
    assert shifts == sorted(shifts, reverse=True)
    assert len(shifts) >= 2
    draft = page.url
    page.click("text=Coba dengan simulasi")
    expect(page.get_by_text("Simulasi versi 2 selesai")).to_be_visible()
    page.goto(run)
    refused = page.locator("tr").filter(has_text="tetap lama").filter(has=page.locator("option[value=adopt]")).first
    item = refused.locator("a").inner_text()
    page.get_by_label(f"Putusan untuk {item}").select_option("adopt")
    page.click("text=Simpan putusan")
    expect(page.get_by_role("status")).to_contain_text("Tuliskan alasannya")
    page.get_by_label(f"Putusan untuk {item}").select_option("adopt")
    page.get_by_label("Alasan untuk putusan yang Anda ubah").fill("Sudah ditinjau dua penelaah")
    page.click("text=Simpan putusan")
    expect(page.locator("tr").filter(has_text=item)).to_contain_text("Sudah ditinjau dua penelaah")
    page.goto(draft)  # the proposal as it was is not what was decided
    page.click("text=Terbitkan versi 2…")
    page.get_by_role("button", name="Terbitkan versi ini").click()
    expect(page.get_by_role("status")).to_contain_text("sudah digantikan oleh putusan")
    page.goto(run)
    page.click("text=Lihat apa yang berubah")
    page.click("text=Coba dengan simulasi")
    expect(page.get_by_text("Simulasi versi 3 selesai")).to_be_visible()
    page.click("text=Terbitkan versi 3…")
    expect(page.get_by_text("Versi yang terbit tidak dapat diubah lagi")).to_be_visible()
    page.get_by_role("button", name="Terbitkan versi ini").click()
    expect(page.get_by_role("status")).to_have_text("Versi 3 diterbitkan.")
    page.get_by_role("link", name="Bank soal").click()
    expect(page.get_by_role("heading", name="Bank soal versi 3")).to_be_visible()
    page.get_by_label("Parameter").select_option("calibrated")
    page.get_by_role("button", name="Terapkan").click()
    assert "parameter=calibrated" in page.url
    expect(page.locator("tbody tr")).to_have_count(len(shifts) + 1)


def test_an_item_is_shown_as_the_test_taker_sees_it_with_its_curves_and_history(stage: Stage, open_context: Opener) -> None:
    page = open_context().new_page()
    officer_in(page, stage.url, "psikometrisi")
    page.goto(f"{stage.url}/petugas/bank/butir?kompetensi=P.01&urut=paparan&versi=1")
    expect(page.locator("tbody tr")).to_have_count(36)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", name="Seperti dilihat peserta")).to_be_visible()
    expect(page.get_by_role("img", name="Fungsi informasi")).to_be_visible()
    expect(page.get_by_text("bank contoh, belum terkalibrasi").first).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("deret_angka")


def test_the_simulation_says_which_competency_would_miss_its_target(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append("422")
    page = open_context().new_page()
    officer_in(page, stage.url, "psikometrisi")
    page.get_by_role("link", name="Simulasi").click()
    page.fill("#plan", plan(("M.01", 8, 30.0), ("P.01", 2, 30.0), se=0.5))
    page.get_by_label("Orang maya").fill("60")
    page.click("text=Jalankan simulasi")
    expect(page.get_by_role("status")).to_contain_text("1 dari 2 kompetensi tidak mencapai sasaran")
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="Integritas")).to_contain_text("tercapai")
    expect(rows.filter(has_text="Kemampuan intelektual")).to_contain_text("tidak tercapai")
    page.fill("#plan", 'name = "x"\n')
    page.click("text=Jalankan simulasi")
    expect(page.get_by_role("alert")).to_contain_text("perlu diperbaiki")


@pytest.mark.parametrize("width", [1366, 360])
def test_plans_stand_side_by_side(stage: Stage, open_context: Opener, width: int) -> None:
    page = open_context(viewport={"width": width, "height": 768}).new_page()
    officer_in(page, stage.url, "psikometrisi")
    page.goto(f"{stage.url}/petugas/bank/simulasi")
    page.fill("#plan", plan(("M.01", 3, 30.0), se=0.5).replace('"Uji"', '"Pendek"'))
    page.get_by_text("Rencana 2, sebagai pembanding").click()
    page.fill("#plan2", plan(("M.01 M.02", 8, 30.0), se=0.5).replace('"Uji"', '"Panjang"'))
    page.get_by_label("Orang maya").fill("60")
    page.click("text=Jalankan simulasi")
    expect(page.get_by_role("status").locator("li")).to_have_text(
        ["1 Pendek: 1 dari 1 kompetensi tidak mencapai sasaran.", "2 Panjang: Ya: setiap kompetensi mencapai sasaran ketelitiannya."]
    )
    expect(page.get_by_role("region", name="Perbandingan pada orang yang sama").locator("thead th")).to_have_text(
        ["Ukuran", "1 Pendek", "2 Panjang"]
    )
    row = page.get_by_role("region", name="Sasaran per kompetensi").locator("tbody tr").filter(has_text="Kerja sama")
    expect(row).to_contain_text("tidak diujikan")
    expect(page.get_by_text("waktu tes tidak dapat ditaksir")).to_be_visible()
    expect(page.locator("#plan2")).to_be_visible()  # what was compared stays open
    assert page.evaluate("document.documentElement.scrollWidth") == width  # wide tables scroll by themselves


def test_an_assessor_uploads_performance_reads_the_nine_boxes_exports_and_releases(
    stage: Stage, closed: str, open_context: Opener, watch: Watch
) -> None:
    watch.expected.append("422")
    context = open_context()
    page = context.new_page()
    officer_in(page, stage.url, "asesor")
    page.get_by_role("link", name="Hasil").click()
    page.get_by_role("link", name="Gelombang 1").click()
    expect(page.get_by_text("Unggah nilai kinerja untuk menampilkan sembilan kotak.")).to_be_visible()
    table = list(csv.DictReader(io.StringIO(context.request.get(f"{stage.url}/petugas/hasil/{closed}/ekspor.csv").text().lstrip("\ufeff"))))
    assert len(table) == PEOPLE
    bad = "nip,kinerja\n" + f"{table[0]['nip']},seratus\n"
    page.set_input_files("#values", {"name": "nilai.csv", "mimeType": "text/csv", "buffer": bad.encode()})
    page.click("text=Unggah nilai kinerja >> visible=true")
    expect(page.locator("main")).to_contain_text("'seratus' bukan angka 0 sampai 100")
    page.goto(f"{stage.url}/petugas/hasil/{closed}")
    good = "nip;kinerja;potensi lain\n" + "".join(f"{row['nip']};{[50, 70, 90][k % 3]};72,5\n" for k, row in enumerate(table))
    page.set_input_files("#values", {"name": "nilai.csv", "mimeType": "text/csv", "buffer": good.encode()})
    page.get_by_role("button", name="Unggah nilai kinerja").click()
    expect(page.get_by_role("status")).to_have_text(f"Nilai kinerja {PEOPLE} peserta disimpan.")
    figure = page.get_by_role("img", name="Peta talenta sembilan kotak")
    expect(figure.locator("circle")).to_have_count(PEOPLE)
    assert figure.locator("circle.loose").count() > 0  # uncertain placements look uncertain
    counts = [int(text) for text in page.get_by_role("region", name="Kotak talenta").locator("tbody td:nth-child(2)").all_inner_texts()]
    assert sum(counts) == PEOPLE
    page.get_by_label("Kepastian").select_option("belum")
    page.get_by_role("button", name="Terapkan").click()
    page.wait_for_url("**pasti=belum*")  # else rows are counted between two pages
    people = page.get_by_role("region", name="Per orang")
    expect(people.locator("tbody tr.unsure")).to_have_count(people.locator("tbody tr").count())
    people.locator("tbody a").first.click()
    for words in ("Capaian level", "Kekuatan", "Area pengembangan", "Berlaku sampai", "Sabtu, 24 November 2029", "belum pasti"):
        expect(page.locator("main")).to_contain_text(words)
    assert re.search(r"\d{18}", page.url) is None
    sheet = context.request.get(f"{stage.url}/petugas/hasil/{closed}/ekspor.xlsx")
    assert sheet.body()[:2] == b"PK"
    page.go_back()
    page.click("text=Rilis hasil…")
    page.get_by_role("button", name="Rilis hasil").click()
    expect(page.get_by_role("status")).to_have_text("Hasil dirilis.")
    expect(page.get_by_role("button", name="Unggah nilai kinerja")).to_have_count(0)
