"""usage: scripts/check_site.py DIRECTORY - checks that a built site loads nothing from another host.

Looked at is whatever a browser fetches by itself: the loading attributes of HTML, url() and @import of CSS,
and every string of a script that is an address. Links that a reader may click on are free.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

# Elements whose addresses are fetched with the page; an <a> is not among them.
LOADING_ATTRIBUTES = {"src", "srcset", "href", "data", "poster", "action", "background"}
FREE_ELEMENTS = {"a", "area"}
# Relations of <link> that name an address without fetching it.
FREE_RELATIONS = {"canonical", "prev", "next", "alternate", "edit", "license", "author"}

HTML_ADDRESS = re.compile(r"""(?:https?:)?//[^\s"',]+""")
SCRIPT_ADDRESS = re.compile(r"""["'`]((?:(?:https?|wss?):)?//[\w-]+\.[^"'`]+)""")
CSS_ADDRESS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s;]+)""")

# Addresses in the theme's scripts that a page of ours never makes them fetch. Each with its reason:
DORMANT_SCRIPT_ADDRESSES = {
    "unpkg.com/mermaid": "only if a page holds a mermaid diagram, which this check refuses",
    "unpkg.com/resize-observer-polyfill": "only in browsers of before 2020, which lack ResizeObserver",
    "api.github.com": "only if mkdocs.yml names a repository, to count its stars",
    "www.w3.org": "the names of XML namespaces, which nobody fetches",
}


class PageChecker(HTMLParser):
    """Collects the foreign addresses that one page loads, as (line, address)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element's attributes."""
        values = {name: value or "" for name, value in attrs}
        if "mermaid" in values.get("class", "").split():
            self.found.append((self.getpos()[0], "a mermaid diagram: its renderer comes from another host"))
        for address in CSS_ADDRESS.findall(values.get("style", "")):
            self.found.append((self.getpos()[0], address))
        if tag in FREE_ELEMENTS or (tag == "link" and set(values.get("rel", "").split()) <= FREE_RELATIONS):
            return
        for name in LOADING_ATTRIBUTES & values.keys():
            self.found.extend((self.getpos()[0], address) for address in HTML_ADDRESS.findall(values[name]))


def foreign_in_text(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, address) of what a script or a style sheet names and what is not known to be dormant."""
    for match in pattern.finditer(text):
        address = match.group(1)
        if not address.split("//", 1)[1].startswith(tuple(DORMANT_SCRIPT_ADDRESSES)):
            yield text.count("\n", 0, match.start()) + 1, address


def foreign_loads(path: Path) -> list[tuple[int, str]]:
    """Return what one file of the site loads from other hosts, as (line, address)."""
    if path.suffix == ".css":
        return list(foreign_in_text(path.read_text(encoding="utf-8"), CSS_ADDRESS))
    if path.suffix == ".js":
        return list(foreign_in_text(path.read_text(encoding="utf-8"), SCRIPT_ADDRESS))
    if path.suffix in {".html", ".svg"}:
        checker = PageChecker()
        checker.feed(path.read_text(encoding="utf-8"))
        return checker.found
    return []


def main(directory: str) -> int:
    """Check every file below the directory; print what was found and return the exit status."""
    files = sorted(path for path in Path(directory).rglob("*") if path.is_file())
    if not any(path.suffix == ".html" for path in files):
        print(f"error: no site in {directory}", file=sys.stderr)
        return 1
    found = [(path, line, address) for path in files for line, address in foreign_loads(path)]
    for path, line, address in found:
        print(f"{path}:{line}: loads from another host: {address}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
