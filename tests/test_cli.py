"""The command ``grader``, run for real in folders with small assignments: what it prints, and how it exits."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from grader import __version__, cli
from grader.cli.common import SENTENCES
from grader.result import Result

TOML = """
title = "Add, then double"
files = ["{name}.py"]
points = {points}
[limits]
import_seconds = 20
check_seconds = {seconds}
"""
CHECKS = '''
from grader.checks import CheckFailed, check

@check(points=3, hint="Add 1.")
def test_add(student):
    """add(x) is x + 1"""
    print("not part of the report")
    if student.add(1) != 2:
        raise CheckFailed(f"add(1) is {student.add(1)}; 2 is expected.", expected=2, actual=student.add(1))

@check(points=1, requires=["add"])
def test_double(student):
    """double(x) is 2 * x"""
    if student.double(4) != 8:
        raise CheckFailed(f"double(4) is {student.double(4)}; 8 is expected.")
'''
RIGHT = "def add(x):\n    return x + 1\n\ndef double(x):\n    return 2 * x\n"
SOLUTION = RIGHT.replace("    return x + 1\n", "    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION\n")
# Where the test waits until the student's code runs: a named pipe, opened for reading by the test.
HANGS = """
import subprocess
def add(x):
    child = subprocess.Popen(["sleep", "600"])
    open(PIPE, "w").write(str(child.pid))
    while True:
        pass
"""


@dataclass(frozen=True)
class Course:
    """A root folder with assignments in it, where the command is run."""

    root: Path

    def add(self, name: str, code: str | None, *, checks: str = CHECKS, points: int = 4, seconds: float = 60) -> Path:
        folder = self.root / "assignments" / name
        (folder / "checks").mkdir(parents=True)
        (folder / "assignment.toml").write_text(TOML.format(name=name, points=points, seconds=seconds))
        (folder / "checks" / "test_all.py").write_text(checks)
        if code is not None:
            (folder / f"{name}.py").write_text(code)
        return folder

    def add_solution(self, name: str, code: str = SOLUTION) -> Path:
        folder = self.root / "solutions" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(code)
        return folder

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRADER_", "FORCE_", "COLUMNS"))}
        temporary = self.root / "tmp"
        temporary.mkdir(exist_ok=True)
        return {**kept, "TMPDIR": str(temporary), "GRADER_CACHE": str(temporary), "PYTHONIOENCODING": "utf-8", **more}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grader", *arguments],
            cwd=self.root,
            env=self.environment(**environment),
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    def left_over(self) -> list[str]:
        return sorted(path.name for path in (self.root / "tmp").glob("grader-*"))


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path)


# Without grading: answered before torch is imported


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize("options", [["--version"], ["check", "--help"]])
def test_output_that_cannot_be_written_is_a_sentence(options: list[str]) -> None:
    command = [sys.executable, "-m", "grader", *options]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, "GRADER_LANG": "en"}
        )
    assert done.returncode == 2
    assert done.stderr == "What grader prints cannot be written: No space left on device.\n"


def test_version(course: Course) -> None:
    done = course.run("--version")
    assert (done.stdout, done.returncode) == (f"torch-grader {__version__}\n", 0)


def test_help_has_examples(course: Course) -> None:
    assert "grader check" in course.run("--help").stdout
    done = course.run("check", "--help")
    assert "grader check vgg16 --data ../cifar10" in done.stdout
    assert done.stdout.isascii()
    assert done.returncode == 0


def test_list(course: Course) -> None:
    course.add("one", RIGHT)
    course.add("three", None)
    done = course.run("check", "--list")
    assert done.stdout == ("one    Add, then double (4 points, one.py)\nthree  Add, then double (4 points, three.py)\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["check", "--what"], "No such option: --what"),
        (["chek"], "No such command 'chek'"),
        (["check", "--seed", "many"], "--seed"),
        (["check", "--timeout", "0"], "more than 0"),
        (["check", "two"], "There is no assignment 'two' in "),
        (["check", "../one"], "There is no assignment '../one' in "),
        (["check", "one", "-s", "nowhere"], "There is no nowhere."),
        (["check", "-s", "nowhere"], "There is no nowhere."),
        (["check", "-s", "other.py"], "other.py fits none of one, untouched by its name."),
        (["check", "one", "-s", "empty.py"], "empty.py is empty."),
        (["check", "untouched"], "There is no file "),
        (["check", "wrong_toml"], "points: Expected `float`, got `str`"),
        (["check", "one", "--json", "no/such/folder.json"], "there is no folder no/such"),
        (["train", "two"], "There is no assignment 'two' in "),
        (["train"], "Missing argument 'ASSIGNMENT'"),
        (["stubs"], "There are no solutions in "),
        (["stubs", "one"], "This copy has no solution for one"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(course: Course, arguments: list[str], complaint: str) -> None:
    course.add("one", RIGHT)
    course.add("untouched", None)
    toml = course.add("wrong_toml", RIGHT) / "assignment.toml"
    toml.write_text(toml.read_text().replace("points = 4", 'points = "4"'))
    (course.root / "other.py").write_text(RIGHT)
    (course.root / "empty.py").write_text("\n")
    done = course.run(*arguments)
    assert complaint in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.returncode == 2


def test_no_assignment_at_all(course: Course) -> None:
    (course.root / "assignments").mkdir()
    done = course.run("check")
    assert done.stderr.startswith("There is no assignment in ")
    assert done.returncode == 2


def test_stubs(course: Course) -> None:
    stub = course.add("one", "my work\n") / "one.py"
    course.add("unsolved", "another's work\n")
    course.add_solution("one")
    done = course.run("stubs", "--check")
    assert (done.returncode, stub.read_text()) == (1, "my work\n")
    assert "one.py is out of step with its solution." in done.stdout
    done = course.run("stubs")
    assert done.returncode == 0
    assert "one.py written. What was there is now one.py.bak." in done.stdout
    assert "raise NotImplementedError()" in stub.read_text()
    assert stub.with_name("one.py.bak").read_text() == "my work\n"
    assert course.run("stubs", "--check", "one").returncode == 0


def test_stubs_with_wrong_markers(course: Course) -> None:
    stub = course.add("one", "my work\n") / "one.py"
    course.add_solution("one", SOLUTION.replace("### END SOLUTION", ""))
    done = course.run("stubs", "--force")
    assert "one.py, line 2: ### BEGIN SOLUTION without" in done.stderr
    assert (done.returncode, stub.read_text()) == (2, "my work\n")


@pytest.mark.parametrize(("module", "names"), SENTENCES.items())
def test_errors_said_as_sentences_are_there(module: str, names: list[str]) -> None:
    for name in names:
        assert issubclass(getattr(importlib.import_module(module), name), Exception)


def test_commands_import_torch_only_to_grade() -> None:
    code = "import sys, grader.cli, grader.judge.workers; sys.exit('torch' in sys.modules or 'pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], []),
        (["--json"], ["--json", "-"]),
        (["--json", "-s", "x"], ["--json", "-", "-s", "x"]),
        (["--json", "-"], ["--json", "-"]),
        (["--json", "out"], ["--json", "out"]),
        (["--json", "one"], ["--json", "-", "one"]),
    ],
)
def test_json_may_stand_alone(
    course: Course, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]
) -> None:
    course.add("one", RIGHT)
    monkeypatch.chdir(course.root)
    assert cli.with_json_target(arguments) == expected


# Grading


@dataclass(frozen=True)
class Graded:
    """A run over several assignments, and the results it wrote."""

    done: subprocess.CompletedProcess[str]
    results: dict[str, Result]
    course: Course


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    course = Course(tmp_path_factory.mktemp("course"))
    course.add("a_right", RIGHT)
    course.add("b_wrong", RIGHT.replace("x + 1", "print('\\x1b[31m[b]x[/b]', x) or x + 2"))
    course.add("c_syntax", "print('started')\n" + RIGHT.replace("(x):", "(x)", 1))
    course.add("d_hangs", RIGHT.replace("return x + 1", "while True: pass"), seconds=1)
    course.add("e_broken", RIGHT, checks=CHECKS.replace("student.double", "student_double"))
    course.add("f_missing", None)
    course.add("g_more", RIGHT, points=10)
    course.add("h_stub", None)
    course.add_solution("h_stub")
    course.run("stubs", "h_stub")
    done = course.run("check", "--json", "results.json")
    found = msgspec.json.decode((course.root / "results.json").read_bytes(), type=list[Result])
    return Graded(done, {result.extra_data.assignment: result for result in found}, course)


def statuses(result: Result) -> list[str]:
    return [test.extra_data.status for test in result.tests]


def test_what_can_be_graded_is(graded: Graded) -> None:
    assert {name: statuses(result) for name, result in graded.results.items()} == {
        "a_right": ["passed", "passed"],
        "b_wrong": ["failed", "blocked"],
        "c_syntax": ["blocked", "blocked"],
        "d_hangs": ["timeout", "blocked"],
        "g_more": ["passed", "passed"],
        "h_stub": ["not_attempted", "blocked"],
    }
    assert [result.score for result in graded.results.values()] == [4, 0, 0, 0, 4, 0]
    assert graded.results["g_more"].extra_data.not_run_points == 6


def test_reports_one_after_the_other(graded: Graded) -> None:
    text = graded.done.stdout
    assert "Score: 4 of 4 points" in text
    assert "add(1) is 3; 2 is expected." in text
    assert "Printed:  | [b]x[/b] 1" in text
    assert "SyntaxError: expected ':'\n    Where:    c_syntax.py, line 2: def add(x)" in text
    assert "add(1) did not finish within 1 s. Is there an endless loop?" in text
    assert "6 more points depend on checks that only your instructor has." in text
    assert "begin with add" not in text  # nothing is started there, which the last line says
    assert text.endswith(
        "a_right   4 of 4 points\nb_wrong   0 of 4 points\nc_syntax  0 of 4 points\n"
        "d_hangs   0 of 4 points\ng_more    4 of 4 points\nh_stub    0 of 4 points, not started\n"
    )


def test_a_pipe_gets_no_colour_and_no_progress(graded: Graded) -> None:
    assert "\x1b" not in graded.done.stdout + graded.done.stderr
    assert all(len(line) <= 80 for line in graded.done.stdout.splitlines())
    assert "not part of the report" not in graded.done.stdout


def test_what_cannot_be_graded_is_said_in_a_sentence(graded: Graded) -> None:
    errors = graded.done.stderr
    assert f"There is no file {Path('assignments', 'f_missing', 'f_missing.py')}" in errors.replace(
        f"{graded.course.root.resolve()}{os.sep}", ""
    )
    assert "The checks of e_broken do not work: double:" in errors
    assert "Traceback" not in errors
    (log,) = (graded.course.root / "tmp").glob("torch-grader-*.log")
    assert f"the details are in {log}" in errors
    assert "NameError: name 'student_double' is not defined" in log.read_text()
    assert graded.done.returncode == 2


def test_json_alone_is_all_that_is_printed(course: Course) -> None:
    folder = course.add("one", None)
    (course.root / "mine").mkdir()
    (course.root / "mine" / "one.py").write_text(RIGHT)
    course.add("other", RIGHT)
    done = course.run("check", "--submission", "mine", "--seed", "7", "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["score"], document["extra_data"]["seed"]) == (4, 7)
    assert document["extra_data"]["submission"] == str(Path("mine", "one.py"))
    assert not (folder / "one.py").exists()
    assert done.stderr.strip() == "not part of the report"
    assert done.returncode == 0
    assert course.left_over() == []


def test_without_fork(course: Course) -> None:
    course.add("one", RIGHT.replace("return 2 * x", "while True: pass"))
    done = course.run("check", "--timeout", "2", GRADER_NO_FORK="1", PYTHONIOENCODING="ascii")
    assert "+ PASS     3/3  add(x) is x + 1" in done.stdout
    assert "x TIMEOUT  0/1  double(x) is 2 * x" in done.stdout
    assert done.returncode == 1
    assert course.left_over() == []


def test_wrong_data(course: Course) -> None:
    course.add("one", RIGHT)
    course.add("two", RIGHT)
    done = course.run("check", "--data", "nowhere")
    assert done.stderr.startswith("No CIFAR-10 at nowhere: there is no such file or folder.")
    assert (done.stdout, done.returncode) == ("", 2)
    assert course.left_over() == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes and signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_in_the_middle_nothing_is_left(course: Course, number: signal.Signals, status: int) -> None:
    pipe = course.root / "pipe"
    os.mkfifo(pipe)
    course.add("one", HANGS.replace("PIPE", repr(str(pipe))), seconds=600)
    with subprocess.Popen(
        [sys.executable, "-m", "grader", "check"],
        cwd=course.root,
        env=course.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job may have it ignored
    ) as process:
        sleeper = psutil.Process(int(pipe.read_text()))
        started = [*psutil.Process(process.pid).children(recursive=True), sleeper]
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("", "not part of the report\nStopped.\n", status)
    assert psutil.wait_procs(started, timeout=10)[1] == []
    assert course.left_over() == []


def test_that_nobody_reads_on_is_no_fault(course: Course) -> None:
    """As in `grader stubs | head -1`."""
    for name in ("one", "two"):
        course.add(name, None)
        course.add_solution(name)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "grader", "stubs"]
    done = subprocess.run(
        command, cwd=course.root, env=course.environment(), stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.stderr, done.returncode) == ("", 141)


def test_works_outside_of_the_root_and_with_spaces(course: Course) -> None:
    inner = Course(course.root / "a course, with spaces")
    inner.root.mkdir()
    folder = inner.add("one", RIGHT.replace("2 * x", "3 * x"))
    elsewhere = folder / "checks" / "deeper"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "grader", "check", "one"],
        cwd=elsewhere,
        env=inner.environment(GRADER_DEBUG="1"),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert "double(4) is 12; 8 is expected." in done.stdout
    assert done.returncode == 1
    shutil.rmtree(inner.root)  # nothing is held open


def test_where_nothing_is_started_it_says_where_to_begin(course: Course) -> None:
    for name in ("one", "two"):
        course.add(name, None)
        course.add_solution(name)
        course.run("stubs", name)
    done = course.run("check")
    assert done.returncode == 1
    first, second, _, open_it, type_it = done.stdout.splitlines()
    assert (first, second) == ("one  0 of 4 points, not started", "two  0 of 4 points, not started")
    assert str(Path("assignments", "one", "one.py")) in open_it
    assert type_it.startswith("make check A=one")


def test_ctrl_c_within_a_string_that_is_executed(tmp_path: Path) -> None:
    """As Python makes each dataclass: it would end itself by the signal, though that was caught."""
    (tmp_path / "stopped.py").write_text(
        "from grader import cli\nfrom grader.__main__ import main\n"
        "cli.main = lambda: exec('raise KeyboardInterrupt')\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-m", "stopped"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped.\n")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no')", 1, "no"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("pass", 0, ""),
    ],
)
def test_it_ends_at_once_and_loses_nothing(tmp_path: Path, body: str, status: int, said: str) -> None:
    """What is still in a buffer is written, threads are waited for, and what was to be done at the end is."""
    (tmp_path / "ending.py").write_text(
        f"""
import atexit, os, sys, threading, time
from grader import cli
from grader.__main__ import main

class Slow:
    def __del__(self):
        os.write(2, b"taken down")

slow = Slow()
def run():
    atexit.register(lambda: print("at the end"))
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread", end=" "))).start()
    print("here", end=" ")
    {body}

cli.main = run
main()
"""
    )
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-m", "ending"], cwd=tmp_path, env=buffered, capture_output=True, text=True)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == "here thread at the end\n"
    assert ("taken down" in done.stderr) == ("pass" in body or "/" in body)  # sys.exit is how the command line ends
