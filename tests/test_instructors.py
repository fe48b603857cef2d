"""docs/instructors.md is the test: its commands are run in their order, and the output that it shows is compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import bootstrap

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "instructors.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^.*<<'?(\w+)'?.*\n(?:.*\n)*?\1$|^.+$", re.MULTILINE)  # a line, or what ends with such a word
SERVER = "jupyter lab"  # runs until it is stopped
PATIENCE = 900  # seconds for one command, on a machine with much else to do
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="an instructor needs Linux: the sandbox")


def fits(shown: str, said: str) -> bool:
    r"""Whether ``said`` is as ``shown``, where a line "..." stands for any lines, and "..." within a line for any text.

    >>> fits("...\na ... c\n", "a b c\n"), fits("...\na ... c\n", "x\ny\na c\n")
    (True, False)
    """
    lines = (
        "(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in shown.splitlines()
    )
    return re.fullmatch("".join(lines), said) is not None


def steps(text: str) -> Iterator[tuple[str, str | None]]:
    r"""(what is typed, what is shown then, None where nothing is said of it) from fenced blocks.

    >>> list(steps("```sh\na\nb <<END\nc\nEND\n```\n\n```console\n$ d\ne\n$ f\n```\n"))
    [('a', None), ('b <<END\nc\nEND', None), ('d', 'e\n'), ('f', '')]
    """
    for kind, block in BLOCK.findall(text):
        if kind == "sh":
            yield from ((found[0], None) for found in COMMAND.finditer(block))
        elif kind == "console":
            yield from re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)


class Shell:
    """One bash, as an instructor has it: what a command does to the folder and the environment stays."""

    def __init__(self, where: Path, environment: dict[str, str]) -> None:
        self.home = Path(environment["HOME"])
        self._process = subprocess.Popen(
            ["bash", "-e"],
            cwd=where,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, typed: str) -> str:
        """What it prints; the test fails with that if it fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = "-- that was it --"
        self._process.stdin.write(f"{{ {typed}\n}} < /dev/null\necho '{end}'\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stdout:
            if line.rstrip() == end:
                return "".join(said)
            said.append(line)
        pytest.fail(f"{typed}\nfailed:\n{''.join(said)}")

    def serve(self, typed: str) -> str:
        """Run a Jupyter server, have a look at formgrader, and press Ctrl-C."""
        runtime = self.home / "runtime"
        self.run(f"{typed} > {self.home}/server.log 2>&1 &")
        deadline = time.monotonic() + PATIENCE
        while not (about := next(runtime.glob("jpserver-*.json"), None)) or not about.read_bytes().endswith(b"}"):
            assert time.monotonic() < deadline, (self.home / "server.log").read_text()
            time.sleep(0.1)
        server = json.loads(about.read_text())
        address = f"{server['url']}formgrader/api/assignments?token={server['token']}"
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            (assignment,) = json.load(answer)
        assert (assignment["name"], assignment["num_submissions"]) == ("resnet50", 2)
        self.run("kill $!; wait $! || true")
        assert not about.exists()
        return ""

    def close(self) -> None:
        self._process.communicate("", timeout=60)
        assert self._process.returncode == 0


def environment(clone: Path) -> None:
    """.venv in ``clone``: the one that runs this test, as if `make setup` had made it there."""
    venv, mine = clone / ".venv", Path(sys.prefix)
    (venv / "bin").mkdir(parents=True)
    for path in (mine / "bin").iterdir():
        (venv / "bin" / path.name).symlink_to(path)
    for name, content in {
        "bin/python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
        "bin/activate": (mine / "bin" / "activate").read_text().replace(str(mine), str(venv)),
        "pyvenv.cfg": (mine / "pyvenv.cfg").read_text(),
    }.items():
        (venv / name).unlink(missing_ok=True)
        (venv / name).write_text(content)
    (venv / "bin" / "python").chmod(0o755)
    (venv / ".ready").write_bytes(bootstrap.stamp(clone))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """In an empty folder; what is cloned is the project as it is here and now."""
    project = tmp_path / "origin"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, project / name)
            shutil.copymode(ROOT / name, project / name)
    settings = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "as it is"]):
        subprocess.run(["git", *settings, *command], cwd=project, check=True)
    home, empty = tmp_path / "home", tmp_path / "empty"
    home.mkdir()
    empty.mkdir()
    (home / "config").mkdir()
    server = {"ServerApp": {"open_browser": False, "allow_root": True, "port": 0}}
    (home / "config" / "jupyter_server_config.json").write_text(json.dumps(server))
    unwanted = {"GRADER_DATA", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    made = {name: value for name, value in os.environ.items() if name not in unwanted}
    made |= {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONPATH": str(empty / "torch-grader"),  # before the project that this environment was made for
        "TORCH_GRADER": str(project),
    }
    made["PATH"] = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != Path(sys.executable).parent)
    started = Shell(empty, made)
    yield started
    started.close()


def test_the_document(shell: Shell, tmp_path: Path) -> None:
    took = []
    for typed, shown in steps(DOCUMENT.read_text(encoding="utf-8")):
        begun = time.monotonic()
        said = shell.serve(typed) if typed == SERVER else shell.run(typed)
        if typed.startswith("git clone"):
            environment(tmp_path / "empty" / "torch-grader")
        if shown is not None:
            assert fits(shown, said), f"$ {typed}\n{said}"
        took.append((round(time.monotonic() - begun, 1), typed.splitlines()[-1]))
    for seconds, typed in sorted(took, reverse=True):
        print(f"{seconds:6} s  {typed}")


def test_every_block_is_run_or_says_what_it_is() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert {kind for kind, _ in BLOCK.findall(text)} == {"sh", "console"}
    assert text.count("```") == 2 * len(BLOCK.findall(text))
