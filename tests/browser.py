"""Debian's Chromium without a window, and a Jupyter server in an nbgrader course: for tests of formgrader."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import course as tiny
import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

PATIENCE = 300  # seconds, for a machine with much else to do
KEPT = Path(__file__).parent / "screenshots"  # git ignores it


def find() -> str:
    """Where Chromium is. Without it tests fail on Linux, where ``.ci/run`` installs it; elsewhere they are skipped."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and sys.platform == "linux":
        pytest.fail("formgrader is tested in Chromium, which is not here. On Debian: sudo apt install chromium")
    if found is None:
        pytest.skip("no Chromium on PATH")
    return found


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A browser whose settings are in ``home``; nothing of it is left afterwards."""
    environment: dict[str, str | float | bool] = {**os.environ, "HOME": str(home)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find(),
            env=environment,
            args=["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else [],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def jupyter(course: Path, home: Path) -> Iterator[tuple[str, str]]:
    """(address, token) of a Jupyter server in ``course``, on a port that was free; it has ended afterwards."""
    token = secrets.token_hex(16)
    environment = tiny.environment(
        HOME=str(home),
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        JUPYTER_TOKEN=token,
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    said = home / "server.log"
    with said.open("wb") as log:
        server = subprocess.Popen(
            command, cwd=course, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        about = home / "runtime" / f"jpserver-{server.pid}.json"
        deadline = time.monotonic() + PATIENCE
        while not about.exists() or not about.read_bytes().endswith(b"}"):
            assert server.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        yield json.loads(about.read_text())["url"], token
    finally:
        started = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        server.wait(PATIENCE)
        _, left = psutil.wait_procs(started, timeout=10)
        for process in left:
            process.kill()
        assert not left, left
