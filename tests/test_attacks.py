"""Hostile submissions get no point they have not earned, reach nothing, leave nothing, and end in time.

Each file in tests/attacks/ is put behind the attempt `target.ATTEMPT`, which is worth a few points. Its first comment
says what it tries; the line ``# expect:`` in which statuses the checks end that it changes ("nothing": none; "*": any
check, or any status; "import": the import fails). It runs in the real sandbox, where @WORDS@ tell it where everything
worth stealing is. What it must not achieve, it prints in capitals.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
import pytest
import target

import grader
from grader import assignment
from grader.judge.grade import grade
from grader.judge.sandbox import find
from grader.judge.workers import Workers
from grader.result import Result
from grader.submission import Submission

ATTACKS = sorted((Path(__file__).parent / "attacks").glob("*.py"))
FAIR = {
    "shape": "passed", "architecture": "passed", "double": "failed", "names": "failed", "function": "failed",
    "gradient": "blocked",
}  # fmt: skip
ALLOWED = 5  # seconds: what one check or the import may take (`target.TOML`)
MARGIN = 45  # seconds, on a machine that is busy with other things
BUSY = 2 * (os.cpu_count() or 1)  # the load from which an attack may run out of time before it gets anywhere
ACHIEVED = re.compile(r"\b(GOT|REACHED|ESCAPED|TAKEN|LISTED|IMPORTED)\b")


@dataclass
class Surroundings:
    """A course on the host, with what must not be read, written or reached."""

    root: Path
    temp: Path
    workers: Workers
    words: dict[str, str]
    contacts: list[str] = field(default_factory=list)

    def grade(self, source: str) -> Result:
        course = assignment.load("target", self.root)
        broken: list[str] = []
        submission = Submission(Path("work.py"), {"work.py": source.encode()})
        result = grade(course, submission, self.workers, threads=1, on_broken=lambda *said: broken.extend(said))
        assert not broken, "a check broke, as if it were the grader's fault"
        return result

    def written(self) -> dict[str, bytes | None]:
        """Every file that must stay as it is, and whatever an attack may have left anywhere."""
        found: dict[str, bytes | None] = {}
        for path in sorted([*self.root.rglob("*"), *self.temp.rglob("*")]):
            if "__pycache__" not in path.parts:
                found[str(path)] = path.read_bytes() if path.is_file() else None
        places = [Path(grader.__file__).parent, *map(Path, (sysconfig.get_path("purelib"), tempfile.gettempdir()))]
        for place in [*places, Path("/dev/shm"), Path.home(), Path.cwd(), Path("/")]:
            assert not (place / "attack-was-here").exists(), place
        return found

    def processes(self) -> set[int]:
        """The judge's descendants that live; their number settles within a moment."""
        return {
            process.pid
            for process in psutil.Process().children(recursive=True)
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        }


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    canary = f"canary{secrets.token_hex(8)}"
    root, temp = tmp_path_factory.mktemp("course"), Path(tempfile.mkdtemp(prefix="attacks-"))
    target.make(root, canary)
    for folder in (root, temp):
        (folder / "canary").write_text(canary)
    listeners = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    listeners[0].bind(("127.0.0.1", 0))
    port = listeners[0].getsockname()[1]
    listeners[1].bind(("127.0.0.1", port))
    for address in (f"{temp}/canary.socket", f"\0{canary}"):
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(address)
    words = {
        "ROOT": str(root), "TEMP": str(temp), "CANARY": canary, "PORT": str(port), "ABSTRACT": canary,
        "PID": str(os.getpid()), "HOST": socket.gethostname(),
    }  # fmt: skip
    sandbox = find([root])  # without one this raises, with a sentence that says what to install
    before = _left_on_the_host()
    with Workers(300, sandbox) as workers:
        made = Surroundings(root, temp, workers, words)
        for listener in listeners:
            if listener.type == socket.SOCK_STREAM:
                listener.listen()
            threading.Thread(target=_listen, args=(listener, made.contacts), daemon=True).start()
        made.grade(target.HONEST)  # the sandbox is up
        processes = made.processes()
        yield made
        template = workers.template
        assert template is not None
        assert template.process.poll() is None
        assert made.processes() == processes, "the template did not outlive all attacks"
    until = time.monotonic() + MARGIN
    while _left_on_the_host() != before and time.monotonic() < until:
        time.sleep(0.05)
    assert _left_on_the_host() == before, "a run leaves no process and no mount behind"
    for listener in listeners:
        listener.close()
    for path in sorted(temp.rglob("*"), reverse=True):
        path.unlink()
    temp.rmdir()


def _left_on_the_host() -> tuple[set[int], str]:
    """Our descendants, and what is mounted."""
    running = {process.pid for process in psutil.Process().children(recursive=True)}
    return running, Path("/proc/self/mountinfo").read_text()


def _listen(listener: socket.socket, contacts: list[str]) -> None:
    try:
        while True:
            said = listener.accept()[1] if listener.type == socket.SOCK_STREAM else listener.recv(100)
            contacts.append(f"{listener}: {said!r}")
    except OSError:
        return  # closed


@pytest.fixture(scope="module")
def alone(surroundings: Surroundings) -> Result:
    """What an honest submission gets before there has been any other."""
    return surroundings.grade(target.HONEST)


def comparable(result: Result) -> Result:
    """A result without its times."""
    tests = [
        msgspec.structs.replace(test, extra_data=msgspec.structs.replace(test.extra_data, seconds=0))
        for test in result.tests
    ]
    return msgspec.structs.replace(result, execution_time=0, tests=tests)


def expected(text: str) -> dict[str, set[str]]:
    """The line ``# expect:``."""
    (line,) = re.findall(r"^# expect: (.+)$", text, re.MULTILINE)
    if line == "nothing":
        return {}
    return {name: set(statuses.split("|")) for name, _, statuses in (item.partition("=") for item in line.split())}


def statuses(result: Result) -> dict[str, str]:
    return {test.extra_data.check: test.extra_data.status for test in result.tests}


def test_honest_work_gets_what_it_is_worth(surroundings: Surroundings, alone: Result) -> None:
    assert (alone.score, alone.extra_data.status) == (20, "passed")
    fair = surroundings.grade(target.ATTEMPT)
    assert (fair.score, statuses(fair)) == (target.WORTH, FAIR)


def test_bank_is_large_enough() -> None:
    assert len(ATTACKS) >= 45


@pytest.mark.parametrize("file", ATTACKS, ids=lambda file: file.stem)
def test_attack(file: Path, surroundings: Surroundings, alone: Result) -> None:
    text = file.read_text(encoding="utf-8")
    for word, value in surroundings.words.items():
        text = text.replace(f"@{word}@", value)
    written, processes = surroundings.written(), surroundings.processes()
    started = time.monotonic()
    result = surroundings.grade(f"{target.ATTEMPT}\n\n{text}")
    seconds = time.monotonic() - started

    found, changed = statuses(result), expected(text)
    late = {"timeout"} if os.getloadavg()[0] > BUSY else set()
    if "import" in changed or (late and result.extra_data.message and result.extra_data.status == "timeout"):
        assert result.extra_data.status in changed.get("import", set()) | late
        assert set(found.values()) == {"blocked"}
    else:
        for check, status in found.items():
            allowed = changed[check] | late if check in changed else changed.get("*", set()) | {FAIR[check]}
            assert status in allowed or "*" in allowed, (check, status, _said(result))
    assert result.score <= target.WORTH, (found, _said(result))
    assert seconds < ALLOWED * (1 + list(found.values()).count("timeout") + (result.score == 0)) + MARGIN

    said = result.to_json().decode()
    assert surroundings.words["CANARY"] not in said.replace(repr(surroundings.words["CANARY"]), "")
    assert not ACHIEVED.search(_printed(result)), _printed(result)
    assert not any("leak_" in frame for test in result.tests for frame in test.extra_data.frames)
    assert not surroundings.contacts
    assert surroundings.written() == written
    until = time.monotonic() + MARGIN
    while surroundings.processes() != processes and time.monotonic() < until:
        time.sleep(0.05)
    assert surroundings.processes() == processes
    assert comparable(surroundings.grade(target.HONEST)).to_json() == comparable(alone).to_json()


def _printed(result: Result) -> str:
    return "\n".join([result.extra_data.printed, *(test.extra_data.printed for test in result.tests)])


def _said(result: Result) -> list[str]:
    return [f"{test.extra_data.check}: {test.extra_data.message[:300]}" for test in result.tests]
