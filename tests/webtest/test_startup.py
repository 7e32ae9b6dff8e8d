"""A command starts quickly because it loads what it works with and nothing else: held by what is loaded, not by the clock."""

import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

import webtest
from tests.webtest.small import written
from webtest.cli import COMMANDS

MODULES = [m.name.removeprefix("commands_") for m in pkgutil.iter_modules(webtest.__path__) if m.name.startswith("commands_")]
WEB = ("flask", "flask_babel", "jinja2", "granian", "aiohttp")
DATABASE = ("sqlalchemy", "sqlmodel", "alembic", "psycopg")
SLOW = ("scipy.stats", "scipy.optimize", "scipy.interpolate", "girth", "distributed", "matplotlib")
TABLES = ("pyarrow", "openpyxl", "python_calamine")
WATCHED = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, sep="\\n", file=sys.stderr))
from webtest.cli import main
main(sys.argv[1:])
"""


def loaded(folder: Path, words: str) -> set[str]:
    """Every module that a process of its own holds after `cact WORDS`, with the packages that they are in."""
    ours = {**os.environ, "PYTHONPATH": str(Path(webtest.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words.split()], cwd=folder, env=ours, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:500]
    return set(done.stderr.splitlines())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank, plans, 60 people's answers to four items, two groups of them, and the items answered by one."""
    folder = written(tmp_path_factory.mktemp("startup"))
    cells = [[(7 * n + 5 * k + n * k // 3) % 2 for k in range(4)] for n in range(60)]
    lines = ["person_id,x1,x2,x3,x4", *(",".join(map(str, (f"p{n}", *row))) for n, row in enumerate(cells))]
    (folder / "R.csv").write_text("\n".join(lines) + "\n")
    (folder / "G.csv").write_text("person_id,group\n" + "".join(f"p{n},{'ab'[n % 2]}\n" for n in range(60)))
    (folder / "given.csv").write_text("item_id,category\nx1,1\n")
    (folder / "P.csv").write_text("item_id,model,a,b1,c,d\n" + "".join(f"x{k},2pl,1,{k / 2 - 1},,\n" for k in range(1, 5)))
    return folder


@pytest.mark.parametrize("module", MODULES)
def test_the_table_has_the_commands_that_a_module_adds(module: str) -> None:
    group = click.Group()
    import_module(f"webtest.commands_{module}").attach(group)
    assert sorted(group.commands) == sorted(COMMANDS.get(module, ())), f"webtest/cli.py: COMMANDS['{module}']"


def test_the_table_names_no_module_that_is_gone_and_no_command_twice() -> None:
    assert sorted(COMMANDS) == sorted(MODULES)
    names = [name for lines in COMMANDS.values() for name in lines]
    assert len(set(names)) == len(names)


def test_each_line_of_the_help_fits_on_a_line_of_a_terminal() -> None:
    name = max(len(name) for lines in COMMANDS.values() for name in lines)
    for line in (line for lines in COMMANDS.values() for line in lines.values()):
        assert line.endswith(".")
        assert 2 + name + 2 + len(line) <= 78, line


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_cact_itself_loads_no_command(files: Path, word: str) -> None:
    found = loaded(files, word)
    assert "webtest.cli" in found
    assert found & {"cat_engine", "numpy", "rich", "webtest.console", *WEB, *DATABASE} == set()
    assert [name for name in found if name.startswith("webtest.commands_")] == []


@pytest.mark.parametrize(
    "words",
    [
        "information --bank bank.csv --theta 0 --out I.csv",
        "score --bank bank.csv --responses R.csv --out S.csv",
        "next --bank bank.csv --administered given.csv --out N.csv",
    ],
)
def test_the_engines_commands_load_neither_solvers_nor_database_nor_web_nor_arrow(files: Path, words: str) -> None:
    found = loaded(files, words)
    assert {"cat_engine.engine", "scipy.special", "webtest.commands_engine"} <= found
    assert found & {*WEB, *DATABASE, *SLOW, *TABLES} == set()
    assert [name for name in found if name.startswith("webtest.commands_")] == ["webtest.commands_engine"]


@pytest.mark.parametrize(
    "words",
    [
        "calibrate R.csv --model 2pl --out C.csv",
        "dif R.csv --groups G.csv --focal a --min-n 20",
        "fit R.csv --items P.csv --known",
    ],
)
def test_commands_on_answers_load_neither_scipy_stats_nor_solvers_nor_database_nor_web_nor_arrow(files: Path, words: str) -> None:
    found = loaded(files, words)
    assert "calibration.mml" in found
    assert found & {*WEB, *DATABASE, *SLOW, *TABLES} == set()


def test_a_simulation_loads_solvers_for_a_blueprint_only(files: Path) -> None:
    assert loaded(files, "simulate --bank bank.csv --plan plan.toml --n 5 --seed 1 --out D") & {*WEB, *DATABASE, *SLOW} == set()
    text = (files / "plan.toml").read_text()
    (files / "shadow.toml").write_text(
        f'{text}[[sections.blueprint]]\nrow_id = "n"\nkind = "number"\nlow = 3\nhigh = 3\n[content]\nname = "shadow"\n'
    )
    assert "scipy.optimize" in loaded(files, "simulate --bank bank.csv --plan shadow.toml --n 5 --seed 1 --out E")
