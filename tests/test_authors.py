"""docs/authors.md is the test: following it makes an assignment with the right verdicts."""

from __future__ import annotations

import sys

import pytest
from documents import ROOT, Shell, expect_known_blocks, run, shell

__all__ = ["shell"]  # a fixture
DOCUMENT = ROOT / "docs" / "authors.md"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its commands are those of a Unix shell")


def test_the_document(shell: Shell) -> None:
    run(DOCUMENT, shell)


def test_every_block_is_run_or_says_what_it_is() -> None:
    expect_known_blocks(DOCUMENT)
