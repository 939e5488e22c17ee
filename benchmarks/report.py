"""Results as Markdown: tables, the machine they were taken on, and their places in a page of the documentation."""

import os
import platform
import re
from pathlib import Path

import numpy as np

from wyrm.config import show_config


def table(header, rows):
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def aligned(lines):
    """The same for a terminal: the first column to the left, the others to the right."""
    lines = [[str(cell) for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(text.rjust(w) if i else text.ljust(w) for i, (text, w) in enumerate(zip(line, widths)))
        for line in lines
    )


def number(value, digits=3):
    """A figure to so many digits, with thousands apart; a dash for None."""
    if value is None:
        return "–"
    if value >= 10 ** (digits - 1):
        return f"{round(value):,}"
    return f"{value:.{digits}g}"


def processor():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    return found[1] if found else platform.machine()


def load():
    """How busy the machine is, in words: times of a busy one are longer than they need be."""
    try:
        return f"load {os.getloadavg()[0]:.1f} when written"
    except (AttributeError, OSError):
        return "load unknown"


def machine(**versions):
    """A line that says where and with what figures were taken."""
    config = show_config(mode="dicts")
    versions = {"wyrm": config["wyrm"], "Python": config["python"], "NumPy": np.__version__} | versions
    parts = [
        f"{processor()}, {config['threads']} cores usable, {load()}",
        platform.system(),
        f"instruction set {config['instruction_set']}",
        config["compiler"],
        *(f"{name} {version}" for name, version in versions.items()),
    ]
    return "Machine: " + "; ".join(parts) + "."


def shown(page, name):
    """The rows of the table that stands between the markers of this name in a page, as lists of cells."""
    _, _, rest = Path(page).read_text(encoding="utf-8").partition(f"<!-- {name}: begin -->")
    lines = rest.partition(f"<!-- {name}: end -->")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def fill(page, name, text):
    """Replace what stands between the markers of this name in a page."""
    path = Path(page)
    content = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if content.count(begin) != 1 or content.count(end) != 1:
        raise SystemExit(f"{page}: expected the lines {begin!r} and {end!r}, once each")
    before, rest = content.split(begin)
    after = rest.split(end)[1]
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
