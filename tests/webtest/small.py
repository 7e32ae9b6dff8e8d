"""A bank of four items (and of six, of two competencies), a plan of three items, and the command line: what tests of the engine's commands share."""

import csv
from pathlib import Path

from click.testing import CliRunner, Result

from webtest.cli import main

BANK = """item_id,competency,model,a,b1,b2,b3,c,d
x1,A,2pl,1.2,-0.5,,,,
x2,A,3pl,1.0,0.5,,,0.2,
x3,A,grm,1.5,-1,0,1,,
x4,A,gpcm,0.8,-1,0.5,,,
"""
TWO = BANK + "y1,B,2pl,1.1,0,,,,\ny2,B,2pl,0.9,1,,,,\n"
PLAN = """name = "small"
[[sections]]
code = "s"
competencies = ["A"]
min_items = 2
max_items = 3
time_budget_min = 10
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def written(folder: Path) -> Path:
    """The banks and the plans as files of `folder`."""
    (folder / "bank.csv").write_text(BANK)
    (folder / "two.csv").write_text(TWO)
    (folder / "plan.toml").write_text(PLAN)
    (folder / "plan2.toml").write_text(PLAN.replace('["A"]', '["A", "B"]'))
    return folder
