"""`cact roster check`: rosters as organisers bring them, and NIPs as spreadsheets spoil them."""

import io
import json
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

from webtest.cli import main

HEADER = ("NIP", "Nama", "Jenjang", "Unit", "Ruang")
NIP, OTHER = "198001012005011001", "198001012005012002"


def check(path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["roster", "check", str(path), *words])


def csv_file(folder: Path, *rows: tuple[str, ...], header: tuple[str, ...] = HEADER, sign: str = ",", coding: str = "utf-8") -> Path:
    path = folder / "roster.csv"
    path.write_bytes("\n".join(sign.join(row) for row in (header, *rows)).encode(coding))
    return path


def xlsx_file(folder: Path, *rows: tuple[object, ...], header: tuple[str, ...] = HEADER) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (header, *rows):
        book.active.append(row)
    held = io.BytesIO()
    book.save(held)
    path = folder / "roster.xlsx"
    path.write_bytes(held.getvalue())
    return path


PEOPLE = ((NIP, "Budi", "pelaksana", "A", "R1"), (OTHER, "Sari", "JPT Pratama", "A", "R2"))


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig"])
def test_a_csv_in_order_is_summed_up(tmp_path: Path, sign: str, coding: str) -> None:
    result = check(csv_file(tmp_path, *PEOPLE, sign=sign, coding=coding), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"people": 2, "rooms": {"R1": 1, "R2": 1}, "job_levels": {"pelaksana": 1, "jpt_pratama": 1}}


def test_a_workbook_in_order_is_summed_up_in_words(tmp_path: Path) -> None:
    result = check(xlsx_file(tmp_path, (None,) * 5, *PEOPLE, (None,) * 5))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "2 people, 2 rooms"


@pytest.mark.parametrize(
    "header",
    [
        ("nip", "name", "job_level", "unit", "room"),
        ("NIP", "Nama Lengkap", "Jenjang Jabatan", "Unit Kerja", "Ruangan"),
        (" nip ", "NAMA", "job level", "unit_kerja", "RUANG"),
    ],
)
def test_columns_go_by_several_names(tmp_path: Path, header: tuple[str, ...]) -> None:
    assert check(csv_file(tmp_path, *PEOPLE, header=header)).exit_code == 0


@pytest.mark.parametrize("written", [f"'{NIP}", "19800101 200501 1 001", "1980.0101.2005.011001", f" {NIP} "])
def test_a_nip_may_be_written_with_spaces_and_quotes(tmp_path: Path, written: str) -> None:
    assert check(xlsx_file(tmp_path, (written, "Budi", "pelaksana", "A", "R1"))).exit_code == 0


@pytest.mark.parametrize("number", [int(NIP), float(NIP), 198001012005011000, 1.98001012005011e17])
def test_a_nip_kept_as_a_number_is_never_read_with_digits_made_up(tmp_path: Path, number: float) -> None:
    result = check(xlsx_file(tmp_path, (number, "Budi", "pelaksana", "A", "R1")))
    assert result.exit_code == 2
    assert "row 2, nip: is not 18 digits: it was kept as a number, which loses the last three" in result.stderr


@pytest.mark.parametrize(
    ("nip", "named"),
    [
        ("1.98001E+17", "kept as a number"),
        ("198001012005011000", "ends in 000"),
        ("19800101200501100", "not 18 digits"),
        ("1980010120050110011", "not 18 digits"),
        ("", "not 18 digits"),
        ("١٩٨٠٠١٠١٢٠٠٥٠١١٠٠١", "not 18 digits"),
        ("198013012005011001", "birth date"),
        ("189901012005011001", "birth year 1899"),
        ("198001012005013001", "neither 1 nor 2"),
    ],
)
def test_a_nip_that_cannot_be_is_named_and_not_repeated(tmp_path: Path, nip: str, named: str) -> None:
    result = check(csv_file(tmp_path, PEOPLE[0], (nip, "Sari", "pengawas", "A", "R1")))
    assert result.exit_code == 2
    assert "row 3, nip" in result.stderr
    assert named in result.stderr
    assert not nip or nip not in result.output


def test_every_fault_is_listed_by_row_and_column(tmp_path: Path) -> None:
    rows = (PEOPLE[0], ("",) * 5, (NIP, "", "raja", "", "R1"), (OTHER, "x" * 201, "pengawas", "A", ""))
    result = check(csv_file(tmp_path, *rows), "--json")
    assert result.exit_code == 2
    told = [(fault["where"], fault["field"]) for fault in json.loads(result.stdout)["faults"]]
    assert told == [("row 4", "nip"), ("row 4", "job_level"), ("row 4", "name"), ("row 4", "unit"), ("row 5", "room"), ("row 5", "name")]
    assert "row 4, nip: is also in row 2" in result.stderr
    assert NIP not in result.output


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("empty.csv", b"", "holds no rows"),
        ("header.csv", b"nip,nama,jenjang,unit,ruang\n", "holds no rows"),
        ("latin.csv", "nip,nama\n1,é".encode("latin-1"), "is not UTF-8 text"),
        ("quote.csv", b'nip,nama,jenjang,unit,ruang\n"1,2', "check the quotation marks"),
        ("short.csv", b"nip,nama\n1,2", "room: the column is missing"),
        ("twice.csv", b"nip,nama,nama lengkap\n1,2,3", "name: more than one column means this"),
        ("broken.xlsx", b"PK\x03\x04 not a workbook", "is not a spreadsheet"),
        ("text.xlsx", b"nip,nama", "is not a spreadsheet"),
        ("large.csv", b"x" * 8_000_001, "is larger than 8 MB"),
    ],
)
def test_a_file_that_is_no_roster_says_what_it_is(tmp_path: Path, name: str, content: bytes, named: str) -> None:
    (tmp_path / name).write_bytes(content)
    result = check(tmp_path / name)
    assert result.exit_code == 2
    assert named in result.stderr


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    assert "is a directory" in check(tmp_path).stderr
    assert "No such file" in check(tmp_path / "nowhere.xlsx").stderr
