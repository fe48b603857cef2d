"""Which tests take long; ``--rewrite-golden``: write the outputs that tests compare with anew, to be read as a diff."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as grader/__main__.py; several tests at once share the cores
os.environ["GRADER_LANG"] = "en"  # what the tests expect to read, whatever the machine speaks
collect_ignore_glob = ["attacks/*"]  # hostile: imported by a sandboxed worker only
GOLDEN = Path(__file__).parent / "golden"
# What `make test-long` runs and `make test` leaves out: files of a minute or more, the longest first, since each is
# given to one process, in this order.
LONG = (
    "instructors",
    "nbgrader_class",
    "class_run",
    "class_run_ended",
    "bank",
    "diagnosis_bank",
    "formgrader",
    "visualize",
    "nbgrader",
    "authors",
)
FIRST = ("attacks",)  # the longest of the others


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write tests/golden/ anew from what the code does now"
    )


@pytest.hookimpl(tryfirst=True)  # before -m looks for marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the `LONG` files' tests; the longest files come first, so that none is what all others have ended before."""
    order = {f"test_{name}.py": place for place, name in enumerate((*LONG, *FIRST))}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
    for item in items:
        if order.get(item.path.name, len(LONG)) < len(LONG):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: ``text`` is what tests/golden/``name`` holds."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return compare
