"""docs/instructors.md is the test: its commands are run in their order, and the output that it shows is compared."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import postgres
import pytest
from documents import ROOT, Shell, expect_known_blocks, run, shell

__all__ = ["shell"]  # a fixture
DOCUMENT = ROOT / "docs" / "instructors.md"
SERVER = "jupyter lab"  # runs until it is stopped
PATIENCE = 900  # seconds for one command, on a machine with much else to do
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="an instructor needs Linux: the sandbox")


def fetch(address: str, deadline: float) -> bytes:
    """What the server at ``address`` answers: it writes its address down a moment before it listens there."""
    while True:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:  # an answer, and not the one that was asked for
            raise
        except urllib.error.URLError as problem:
            if not isinstance(problem.reason, ConnectionRefusedError) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def serve(shell: Shell, typed: str) -> bool:
    """Run a Jupyter server, have a look at formgrader, and press Ctrl-C; whether that is what was ``typed``."""
    if typed != SERVER:
        return False
    runtime = shell.home / "runtime"
    shell.run(f"{typed} > {shell.home}/server.log 2>&1 &")
    deadline = time.monotonic() + PATIENCE
    while not (about := next(runtime.glob("jpserver-*.json"), None)) or not about.read_bytes().endswith(b"}"):
        assert time.monotonic() < deadline, (shell.home / "server.log").read_text()
        time.sleep(0.1)
    server = json.loads(about.read_text())
    address = f"{server['url']}formgrader/api/assignments?token={server['token']}"
    (assignment,) = json.loads(fetch(address, deadline))
    assert (assignment["name"], assignment["num_submissions"]) == ("resnet50", 2)
    shell.run("kill $!; wait $! || true")
    assert not about.exists()
    return True


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PostgreSQL as an instructor has it: a server that PGHOST names, its programs, an account without a database."""
    with postgres.server() as url:
        monkeypatch.setenv("PGHOST", str(url.query["host"]))
        monkeypatch.setenv("PGUSER", str(url.username))
        monkeypatch.setenv("PATH", os.pathsep.join([str(postgres.programs()), *os.get_exec_path()]))
        yield


def test_the_document(database: None, shell: Shell) -> None:
    password = shell.home / ".pgpass"
    password.write_text(f"*:*:*:*:{postgres.PASSWORD}\n", encoding="utf-8")
    password.chmod(0o600)
    run(DOCUMENT, shell, serve)
    assert not (shell.where / "torch-grader" / "shared" / "gradebook.db").exists()


def test_every_block_is_run_or_says_what_it_is() -> None:
    expect_known_blocks(DOCUMENT)
