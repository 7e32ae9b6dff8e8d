"""Files as organisers bring them: what is accepted, what is refused by row and column, and what would harm the server."""

import datetime as dt
import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from cat_engine import Fault, Faulty, NormalPrior
from webtest.roster import MAX_BYTES, MAX_ROWS, MAX_UNPACKED, RosterRow, clean_nip, nip_fault, read_performance, read_roster, read_table
from webtest.start_cells import PRIOR_COLUMNS, prior_cells, read_prior

NIP = "198504122008121001"
OTHER = "199001012015012002"
HEADER = "nip,nama,jenjang jabatan,unit kerja,ruang"


def roster(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines]).encode()


def faults(content: bytes, name: str = "peserta.csv", read: object = read_roster) -> list[tuple[str, str, str]]:
    with pytest.raises(Faulty) as caught:
        read(content, name)  # type: ignore[operator]
    return [(fault.where, fault.field, fault.message) for fault in caught.value.faults]


def xlsx(*rows: list[object]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("nip", [NIP, "198504122008121001", "193001012008120001"[:14] + "1001", "200801012026012999", "198504122008211001"])
def test_nips_that_can_be(nip: str) -> None:
    """The last one is a PPPK number: its second date holds another code than a month."""
    assert nip_fault(nip) is None


@pytest.mark.parametrize(
    ("nip", "why"),
    [
        ("", "18 digits"), (NIP[:-1], "18 digits"), (NIP + "1", "18 digits"), (NIP[:-1] + "x", "18 digits"), ("1985041220081210O1", "18 digits"),
        ("１９８５０４１２２００８１２１００１", "18 digits"), ("١٩٨٥٠٤١٢٢٠٠٨١٢١٠٠١", "18 digits"), (NIP + "\n", "18 digits"), ("1.98504122008121E+17", "18 digits"),
        ("198513122008121001", "birth date"), ("198502302008121001", "birth date"), ("000000002008121001", "birth date"),
        ("191204122008121001", "birth year 1912"), ("209904122008121001", "birth year 2099"), ("198504122008123001", "15th digit"),
        ("198504122008120001", "15th digit"),
    ],
)  # fmt: skip
def test_nips_that_cannot_be_and_why(nip: str, why: str) -> None:
    assert why in (nip_fault(nip) or "")


@pytest.mark.parametrize(
    "written", ["19850412 200812 1 001", "'198504122008121001", '"198504122008121001"', " 1985.0412.2008.1210.01 ", "19850412-200812-1-001"]
)
def test_a_nip_is_read_as_people_write_it(written: str) -> None:
    assert clean_nip(written) == NIP


@given(st.text(max_size=40))
def test_no_text_makes_the_nip_check_fail(text: str) -> None:
    found = nip_fault(clean_nip(text))
    assert found is None or found


@pytest.mark.parametrize(
    "header",
    [HEADER, "NIP,Nama Lengkap,Jenjang,Unit,Ruangan", "nip,NAME,job_level,unit kerja,Room", "  nip , nama ,job level, unit , ruang "],
)
def test_headers_have_synonyms(header: str) -> None:
    assert read_roster(roster(f"{NIP},Budi,Ahli Muda,Dinas,A", header=header), "x.csv") == [
        RosterRow(NIP, "Budi", "ahli_muda", "Dinas", "A")
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_csv_with_semicolons_byte_order_mark_and_windows_line_ends(mark: bytes, end: str) -> None:
    lines = [HEADER.replace(",", ";"), '19850412 200812 1 001;"Siti, S.E.";JPT Pratama;Dinas; A ', ""]
    assert read_roster(mark + end.join(lines).encode(), "x.csv") == [RosterRow(NIP, "Siti, S.E.", "jpt_pratama", "Dinas", "A")]


def test_every_fault_is_named_by_row_and_column_at_once() -> None:
    found = faults(
        roster(f"{NIP},Budi,pelaksana,Dinas,A", "123,,kepala,Dinas,", f"{NIP},Tiga,pelaksana,Dinas,A", f"{OTHER},{'x' * 201},pelaksana,D,A")
    )
    assert ("row 3", "nip") in {f[:2] for f in found}
    assert {f[1] for f in found if f[0] == "row 3"} == {"nip", "name", "job_level", "room"}
    assert [f for f in found if f[0] == "row 4"] == [("row 4", "nip", "is also in row 2")]
    assert [f[1] for f in found if f[0] == "row 5"] == ["name"]
    assert not [f for f in found if f[0] == "row 2"]


STARTED = HEADER + ",prior_mean,Prior SD"


@pytest.mark.parametrize(
    ("mean", "sd", "prior"), [("0.5", "0.9", NormalPrior(0.5, 0.9)), ('"-1,25"', "1", NormalPrior(-1.25, 1.0)), ("", "", None)]
)
def test_a_row_may_say_where_the_persons_test_starts(mean: str, sd: str, prior: NormalPrior | None) -> None:
    [row] = read_roster(roster(f"{NIP},Budi,pelaksana,Dinas,A,{mean},{sd}", header=STARTED), "x.csv")
    assert row.prior == prior


@pytest.mark.parametrize(
    ("mean", "sd", "fields"),
    [
        ("0.5", "", ["prior_sd"]), ("", "1", ["prior_mean"]), ("x", "y", ["prior_mean", "prior_sd"]), ("nan", "inf", ["prior_mean", "prior_sd"]),
        ("9", "0", ["prior_mean", "prior_sd"]), ("0", "-1", ["prior_sd"]), ("3", "1.1", ["prior_sd"]),
    ],
)  # fmt: skip
def test_a_prior_that_is_none_is_named(mean: str, sd: str, fields: list[str]) -> None:
    found = faults(roster(f"{NIP},Budi,pelaksana,Dinas,A,{mean},{sd}", header=STARTED))
    assert [f[:2] for f in found] == [("row 2", field) for field in fields]


@given(st.floats(-4, 4), st.floats(0.01, 0.6))
def test_a_prior_written_back_reads_the_same(mean: float, sd: float) -> None:
    written: list[Fault] = []
    assert read_prior("row 2", dict(zip(PRIOR_COLUMNS, prior_cells(NormalPrior(mean, sd)), strict=True)), written) == NormalPrior(mean, sd)
    assert not written


def test_the_same_person_written_in_two_ways_is_a_duplicate() -> None:
    assert faults(roster(f"{NIP},A,pelaksana,D,A", "'19850412 200812 1 001,A,pelaksana,D,A"))[0][2] == "is also in row 2"


def test_a_fault_does_not_repeat_the_nip() -> None:
    """Fault tables land in screenshots and logs."""
    assert NIP not in str(faults(roster(f"{NIP},A,pelaksana,D,A", f"{NIP},A,pelaksana,D,A", f"{NIP}9,A,pelaksana,D,A")))


def test_a_missing_column_is_named_once_and_alone() -> None:
    assert faults(roster(f"{NIP},Budi,Dinas,A", header="nip,nama,unit,ruang")) == [("row 1", "job_level", "the column is missing")]


def test_two_columns_with_one_meaning_are_refused() -> None:
    assert faults(roster(f"{NIP},Budi,Budi,pelaksana,D,A", header="nip,nama,nama lengkap,jenjang,unit,ruang"))[0][:2] == ("row 1", "name")


def test_a_short_row_lacks_cells_not_columns() -> None:
    assert faults(roster(f"{NIP},Budi,pelaksana,Dinas")) == [("row 2", "room", "is empty")]


def test_a_row_with_more_cells_than_the_header_is_named() -> None:
    assert "more cells" in faults(roster(f"{NIP},Budi, S.E.,pelaksana,Dinas,A"))[0][2]


@pytest.mark.parametrize("cell", ["Bu\x0bdi", "Bu\x00di", "\x1bBudi", "Budi\x7f"])
def test_control_characters_are_named(cell: str) -> None:
    assert "control character" in faults(roster(f"{NIP},{cell},pelaksana,Dinas,A"))[0][2]


@pytest.mark.parametrize("content", [b"", b"\n\n", HEADER.encode(), b"\xff\xfe\x00n", b"nip\xe9,nama", b"PK\x03\x04rubbish"])
@pytest.mark.parametrize("name", ["x.csv", "x.xlsx", "", "x.xls", "x.exe"])
def test_files_that_cannot_be_read_are_faults(content: bytes, name: str) -> None:
    assert faults(content, name)


def test_a_cell_larger_than_any_is_a_fault_with_its_row() -> None:
    assert faults(roster(f"{NIP},A,pelaksana,D,A", f'{OTHER},"{"x" * 140_000}",pelaksana,D,A'))[0][0] == "row 3"


def test_rows_are_numbered_as_an_editor_numbers_lines() -> None:
    assert faults(roster(f'{NIP},"Budi\nSantoso",pelaksana,Dinas,A', "1,B,pelaksana,Dinas,A"))[0][0] == "row 4"


@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.xlsx"]))
def test_no_bytes_make_the_reader_fail_otherwise(content: bytes, name: str) -> None:
    with suppress(Faulty):
        read_table(content, name)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    with suppress(Faulty):
        read_roster((HEADER + "\n" + text).encode(errors="surrogatepass"), "x.csv")


def test_a_workbook_is_read_as_text() -> None:
    rows = read_roster(
        xlsx(
            ["nip", "nama", "jenjang", "unit", "ruang"],
            [NIP, "Budi", "Pelaksana", "Dinas", 7],
            [None] * 5,
            [OTHER, "Siti", "pelaksana", "D", "A"],
        ),
        "x.XLSX",
    )
    assert rows == [RosterRow(NIP, "Budi", "pelaksana", "Dinas", "7"), RosterRow(OTHER, "Siti", "pelaksana", "D", "A")]


def test_dates_and_serials_in_a_workbook() -> None:
    table = read_table(
        xlsx(["a", "b", "c"], [dt.date(2026, 9, 11), dt.datetime(2026, 9, 11, 8, 30), 46276], [1.5, True, "11-Sep-26"]), "x.xlsx"
    )
    assert table[0][1] == {"a": "2026-09-11", "b": "2026-09-11T08:30:00", "c": "46276"}
    assert table[1][1] == {"a": "1.5", "b": "True", "c": "11-Sep-26"}


def test_a_nip_that_a_spreadsheet_kept_as_a_number_is_refused_because_its_end_is_lost() -> None:
    """Excel keeps 15 digits: 198504122008121001 becomes ...121000, and another person's number may come out."""
    assert (
        "type it again in a column of text"
        in faults(xlsx(["nip", "nama", "jenjang", "unit", "ruang"], [int(NIP), "Budi", "pelaksana", "D", "A"]), "x.xlsx")[0][2]
    )


def test_one_cell_in_a_far_corner_is_refused_before_a_dense_table_is_made() -> None:
    book = Workbook()
    book.active.append(["nip"])
    book.active["XFD1048576"] = "x"
    out = io.BytesIO()
    book.save(out)
    assert "too large" in faults(out.getvalue(), "x.xlsx")[0][2]


@pytest.mark.parametrize("moved", ["xl/worksheets/sheet1.xml", "xl/elsewhere.bin"])
def test_a_far_corner_is_seen_wherever_the_sheet_stands(moved: str) -> None:
    sheet = b'\xef\xbb\xbf \n<worksheet><sheetData><row r="1"><c r="A1"/></row><row><c r="AAA2"/></row></sheetData></worksheet>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(moved, sheet)
    assert "too large" in faults(out.getvalue(), "x.xlsx")[0][2]


def test_an_archive_that_unpacks_to_too_much_is_refused_unread() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (MAX_UNPACKED + 1))
    assert len(out.getvalue()) < MAX_BYTES
    assert "too large when unpacked" in faults(out.getvalue(), "x.xlsx")[0][2]


def test_an_archive_that_lies_about_its_sizes_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/a.png", b"\0" * 5_000_000)
    content = out.getvalue().replace((5_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert "not a spreadsheet" in faults(content, "x.xlsx")[0][2]


def test_an_archive_of_very_many_parts_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(1_001):
            archive.writestr(f"{i}", b"")
    assert "too large" in faults(out.getvalue(), "x.xlsx")[0][2]


def test_entities_in_a_workbook_are_not_expanded_without_end() -> None:
    laughs = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    laughs += b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 64) for c in range(ord("b"), ord("j"))) + b"]><l>&i;</l>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", laughs)
    assert faults(out.getvalue(), "x.xlsx")


def test_a_file_that_is_too_large_or_too_long_is_refused() -> None:
    assert "larger than 8 MB" in faults(b"x" * (MAX_BYTES + 1))[0][2]
    assert "more than 20000 rows" in faults(("a\n" * (MAX_ROWS + 2)).encode())[0][2]


def test_performance_values_and_their_faults() -> None:
    rows = read_performance(f"nip;kinerja;potensi lain\n{NIP};85,5;\n{OTHER};100;0".encode(), "x.csv")
    assert [(r.nip, r.kinerja, r.other) for r in rows] == [(NIP, 85.5, None), (OTHER, 100.0, 0.0)]
    for wrong in ("", "x", "-1", "100.1", "nan", "inf", "1e3"):
        assert faults(f"nip,kinerja\n{NIP},{wrong}".encode(), read=read_performance)[0][:2] == ("row 2", "kinerja")
    assert faults(f"nip,kinerja\n{NIP},5\n{NIP},6".encode(), read=read_performance) == [("row 3", "nip", "is also in row 2")]
