"""``--rewrite-golden``: write the outputs that tests compare with anew, to be read in the diff."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

collect_ignore_glob = ["attacks/*"]  # hostile: imported by a sandboxed worker only
# Minutes each, and hard on the machine: `make classes` runs them.
collect_ignore = (
    [] if os.environ.get("CLASSES") == "1" else ["test_attacks.py", "test_class_run.py", "test_nbgrader_class.py"]
)
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden", action="store_true", help="write tests/golden/ anew from what the code does now"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden(name, text)``: ``text`` is what tests/golden/``name`` holds."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8")

    return compare
