"""The check of the built documentation finds what a page would load from another host, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[3] / "scripts" / "check_site.py"

OWN = {
    "index.html": '<link rel="stylesheet" href="main.css"><link rel="canonical" href="https://example.org/">'
    '<script src="./app.js"></script><a href="https://example.org/">a link to click on</a>'
    '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "main.css": "/* https://example.org/ */ a { background: url(data:image/svg+xml;base64,AA==) }",
    "app.js": '// see https://example.org/why\nfetch("search.json"); load("https://unpkg.com/mermaid@11/m.js")',
}

FOREIGN = [
    ("index.html", '<script src="https://cdn.example.org/a.js"></script>'),
    ("index.html", '<script src="//cdn.example.org/a.js"></script>'),
    ("index.html", '<link rel="stylesheet" href="https://fonts.example.org/css">'),
    ("index.html", '<link rel="preconnect" href="https://fonts.example.org">'),
    ("index.html", '<img srcset="a.png 1x, https://img.example.org/b.png 2x">'),
    ("index.html", '<p style="background: url(https://img.example.org/b.png)">'),
    ("index.html", '<pre class="mermaid">graph TD</pre>'),
    ("main.css", '@import "https://fonts.example.org/css";'),
    ("main.css", "a { background: url(//img.example.org/b.png) }"),
    ("app.js", 'navigator.sendBeacon("https://count.example.org/x")'),
    ("app.js", "new WebSocket('wss://count.example.org/x')"),
]


def check(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CHECK, site], capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name, text in OWN.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_own_files_and_links_pass(site: Path) -> None:
    done = check(site)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("name", "text"), FOREIGN)
def test_foreign_load_is_found(site: Path, name: str, text: str) -> None:
    with (site / name).open("a", encoding="utf-8") as file:
        file.write("\n" + text)
    done = check(site)
    assert done.returncode == 1
    assert name in done.stderr


def test_no_site_is_an_error(tmp_path: Path) -> None:
    assert check(tmp_path).returncode == 1
