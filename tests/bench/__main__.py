"""Runs every bench_*.py of this folder, prints one table and writes bench-results/<time>.json.

A module gives `cases() -> list[Case]`, or `run() -> list of (name, value, unit)` where it compares by itself. Peers that are not importable are left out. Exit code 1 where a case misses its limit.
"""

import importlib
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.bench.case import Case, Result, run


def main(arguments: list[str]) -> int:
    """Run the modules named (all without a name)."""
    folder = Path(__file__).parent
    modules = [path.stem for path in sorted(folder.glob("bench_*.py")) if not arguments or any(a in path.stem for a in arguments)]
    results: list[Result] = []
    lines: list[tuple[str, str, float, str]] = []
    for name in modules:
        module = importlib.import_module(f"tests.bench.{name}")
        if hasattr(module, "run"):
            print(f"{name} ...", file=sys.stderr, flush=True)
            lines += [(name, *line) for line in module.run()]
        cases: list[Case] = module.cases() if hasattr(module, "cases") else []
        for case in cases:
            print(f"{name}: {case.name} ...", file=sys.stderr, flush=True)
            results.append(run(name, case))
    _show(results)
    for _, name, value, unit in lines:
        print(f"{value:12.4f} {unit:2} {name}")
    out = Path("bench-results")
    out.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine(), "system": platform.system()}
    stamp = time.strftime("%Y%m%d-%H%M%S")
    (out / f"{stamp}.json").write_text(
        json.dumps({"machine": machine, "results": [r.as_dict() for r in results], "lines": lines}, indent=1) + "\n"
    )
    return 1 if any(r.missed for r in results) else 0


def _show(results: list[Result]) -> None:
    table = Table("case", "ours", "limit", "aim", "peer", "theirs", "times ours", box=None, pad_edge=False)
    for r in results:
        limit = f"{r.case.limit:g} {r.case.unit}" if r.case.limit else ""
        aim = f"{r.case.aim:g} {r.case.unit}" if r.case.aim else ""
        ours = f"{r.ours:.3g} {r.case.unit}" + (" MISSED" if r.missed else "")
        peers = r.peers or {"": float("nan")}
        for k, (name, value) in enumerate(peers.items()):
            theirs = [name, f"{value:.3g} {r.case.unit}", f"{value / r.ours:.1f}"] if name else ["", "", ""]
            table.add_row(*([r.case.name, ours, limit, aim] if k == 0 else [""] * 4), *theirs)
    Console(soft_wrap=True).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
