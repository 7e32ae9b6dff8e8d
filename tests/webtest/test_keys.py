"""The file of secrets: one that is damaged is named, what stands in it is not, and nothing is put in its place."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cat_engine import Faulty
from webtest.cli import main
from webtest.keys import load_keys

HEX = "ab" * 32


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe\x00garbage", b"[]", b"7", b"{}", b'{"cookie": "', json.dumps({"cookie": HEX, "pepper": HEX, "signing": HEX[:-2]}).encode(),
        json.dumps({"cookie": "", "pepper": HEX, "signing": HEX}).encode(), json.dumps({"cookie": HEX, "pepper": 5, "signing": HEX}).encode(),
        json.dumps({"cookie": HEX, "pepper": "secret-word", "signing": HEX}).encode(),
    ],
)  # fmt: skip
def test_a_damaged_file_of_keys_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(Faulty, match=r"keys\.json: is damaged") as said:
        load_keys(tmp_path)
    assert HEX[:8] not in str(said.value)
    assert "secret-word" not in str(said.value)
    assert path.read_bytes() == content


def test_a_command_says_so_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    result = CliRunner().invoke(main, ["wave", "list", "--data", str(tmp_path)], env={"DATABASE_URL": f"sqlite:///{tmp_path}/cact.db"})
    assert (result.exit_code, "is damaged" in result.stderr) == (2, True)
