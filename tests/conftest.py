"""``--rewrite-golden``: write the outputs that tests compare with anew, to be read in the diff."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as grader/__main__.py; several tests at once share the cores
os.environ["GRADER_LANG"] = "en"  # what the tests expect to read, whatever the machine speaks
collect_ignore_glob = ["attacks/*"]  # hostile: imported by a sandboxed worker only
GOLDEN = Path(__file__).parent / "golden"
# Files that take a minute or more, the longest first: `make test` gives each file to one process, in their order.
LONG = (
    "bank",
    "instructors",
    "class_run",
    "visualize",
    "nbgrader_class",
    "formgrader",
    "attacks",
    "authors",
    "diagnosis",
    "nbgrader",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write tests/golden/ anew from what the code does now"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, so that none of them is what all others have ended before."""
    order = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: ``text`` is what tests/golden/``name`` holds."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return compare
