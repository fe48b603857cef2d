"""A document whose commands are run: its fenced blocks in their order, in one bash; what they show is compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader import bootstrap

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^.*<<'?(\w+)'?.*\n(?:.*\n)*?\1$|^.+$", re.MULTILINE)  # a line, or what ends with such a word


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
        self.home, self.where = Path(environment["HOME"]), where
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
    unwanted = {"GRADER_DATA", "VIRTUAL_ENV", "ARGS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
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


def run(document: Path, shell: Shell, serve: Callable[[Shell, str], bool] = lambda shell, typed: False) -> None:
    """Run the commands of ``document``; what ``serve`` takes on itself is not typed. Prints how long each took."""
    took = []
    for typed, shown in steps(document.read_text(encoding="utf-8")):
        begun = time.monotonic()
        said = "" if serve(shell, typed) else shell.run(typed)
        if typed.startswith("git clone"):
            environment(shell.where / "torch-grader")
        if shown is not None:
            assert fits(shown, said), f"$ {typed}\n{said}"
        took.append((round(time.monotonic() - begun, 1), typed.splitlines()[-1]))
    for seconds, typed in sorted(took, reverse=True):
        print(f"{seconds:6} s  {typed}")


def expect_known_blocks(document: Path) -> None:
    """Every block of ``document`` is run, or says what it is."""
    text = document.read_text(encoding="utf-8")
    assert {kind for kind, _ in BLOCK.findall(text)} <= {"sh", "console"}
    assert text.count("```") == 2 * len(BLOCK.findall(text))
