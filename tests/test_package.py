"""The wheel carries all that runs: pages, style, translations, bank, plans, rules, migrations; and the package order holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CARRIED = [
    "itembank/demo/items/M01.toml",
    "itembank/demo/plan.toml",
    "itembank/migrations/versions/b001_bank.py",
    "webtest/migrations/versions/w001_web.py",
    "webtest/norms.toml",
    "webtest/static/cact.css",
    "webtest/static/taker.mjs",
    "webtest/templates/taker/screens/item.html",
    "webtest/translations/en/LC_MESSAGES/messages.mo",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=ROOT, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_carries_everything_that_runs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in CARRIED if name not in names] == []
    source = {
        p.relative_to(ROOT).as_posix()
        for package in ("cat_engine", "itembank", "calibration", "webtest")
        for p in (ROOT / package).rglob("*.py")
    }
    assert sorted(source - names) == []


def test_the_wheel_carries_no_tests_and_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    assert not any(name.startswith("tests/") for name in archive.namelist())
    entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "cact = webtest.cli:main" in archive.read(entry).decode()


def test_no_committed_file_names_a_registry() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: nothing says which files are committed")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    hosts = [
        ".".join(parts)
        for parts in (("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"), ("deb", "debian", "org"))
    ]
    named = [f for f in tracked if f and (ROOT / f).is_file() and any(h.encode() in (ROOT / f).read_bytes() for h in hosts)]
    assert named == []
