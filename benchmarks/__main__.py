"""Run the benchmarks: all themes or those named, a table as Markdown, and out/bench.json.

    python -m benchmarks [THEME ...] [--quick] [--out FILE]

They are measurements, not tests: the exit code is 0 whether or not the targets are met.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

from benchmarks.measuring import FULL, HEAD, QUICK, Effort, Item, row

THEMES = ("core", "readers", "jpki", "sessions", "apps", "lasting", "many", "issuing", "faces", "command_line")


def run(themes: list[str], effort: Effort) -> list[Item]:
    """Run themes one after the other, each row printed as soon as it is known."""
    items = []
    print(HEAD, flush=True)
    for theme in themes:
        for item in importlib.import_module(f"benchmarks.{theme}").run(effort):
            print(row(item), flush=True)
            items.append(item)
    return items


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("themes", nargs="*", choices=[*THEMES, []], metavar="THEME", help=", ".join(THEMES))
    parser.add_argument("--quick", action="store_true", help="too little of everything: only to see that it runs")
    parser.add_argument("--out", type=Path, default=Path("out/bench.json"))
    options = parser.parse_args()
    items = run(options.themes or list(THEMES), QUICK if options.quick else FULL)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    content = {item.name: item.json() for item in items}
    options.out.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    met = sum(item.met for item in items)
    print(f"\n{met} of {len(items)} targets met; {options.out}")


if __name__ == "__main__":
    main()
