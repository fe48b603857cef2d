"""pytest reads checks once for many submissions, and no run of them leaves anything to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import assignment
from grader.assignment import Assignment, AssignmentError
from grader.judge.context import Kept
from grader.judge.grade import grade, validate
from grader.judge.plugin import BrokenCheck
from grader.judge.workers import Workers
from grader.result import Result
from grader.submission import Submission

TOML = 'title = "One"\nfiles = ["work.py"]\npoints = 2\n'
LOG: list[str] = []  # what the fixtures below did; the checks find it in this very module
CONFTEST = f"""
import pytest
from {__name__} import LOG
from grader.assignment import AssignmentError

@pytest.fixture(scope="session")
def once(student):
    LOG.append("begin")
    yield "once"
    LOG.append("end")

@pytest.fixture
def spoilt(student, once):
    if student.number() == 3:
        raise RuntimeError("spoilt")
    if student.number() == 4:
        raise AssignmentError("no checkpoint")
"""
CHECKS = f"""
from {__name__} import LOG
from grader.checks import CheckFailed, check

LOG.append("read")

@check(points=1, requires=["plain"])
def test_odd(student, once, spoilt):
    \"\"\"number is odd\"\"\"
    if student.number() % 2 == 0:
        raise CheckFailed("It is even.")

@check(points=1)
def test_plain(student, once, tmp_path):
    \"\"\"number is a number\"\"\"
    (tmp_path / "note").write_text("note")
    LOG.append(str(tmp_path))
    if type(student.number()) is not int:
        raise CheckFailed("It is none.")
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as started:
        yield started


@pytest.fixture
def one(tmp_path: Path) -> Assignment:
    folder = tmp_path / "assignments" / "one"
    (folder / "checks").mkdir(parents=True)
    (folder / "assignment.toml").write_text(TOML)
    (folder / "checks" / "conftest.py").write_text(CONFTEST)
    (folder / "checks" / "test_one.py").write_text(CHECKS)
    LOG.clear()
    return assignment.load("one", tmp_path)


def graded(one: Assignment, number: str, workers: Workers, kept: Kept | None) -> Result:
    work = Submission(Path("work.py"), {"work.py": f"def number(): return {number}".encode()})
    return grade(one, work, workers, kept=kept)


def told(result: Result) -> dict[str, str]:
    return {test.extra_data.check: test.extra_data.status for test in result.tests}


def test_once_for_all(one: Assignment, workers: Workers) -> None:
    kept = Kept(one)
    results = [graded(one, number, workers, kept) for number in ("1", "2", "'3'", "5")]
    assert [told(result) for result in results] == [
        {"odd": "passed", "plain": "passed"},
        {"odd": "failed", "plain": "passed"},
        {"odd": "blocked", "plain": "failed"},
        {"odd": "passed", "plain": "passed"},
    ]
    assert LOG.count("read") == 1
    folders = [Path(each) for each in LOG if each not in ("read", "begin", "end")]
    assert len(folders) == 4
    assert not any(folder.exists() for folder in folders)
    kept.close()
    assert not folders[0].parent.exists()
    # A session is one submission's: what a fixture made of its `student` is gone before the next one comes.
    assert [each for each in LOG if each in ("begin", "end")] == ["begin", "end"] * 4


def test_alone_they_are_read_each_time(one: Assignment, workers: Workers) -> None:
    assert [told(graded(one, "1", workers, None)) for _ in range(2)] == [{"odd": "passed", "plain": "passed"}] * 2
    assert [each for each in LOG if each in ("begin", "end")] == ["begin", "end"] * 2


@pytest.mark.parametrize("number", ["3", "4"])
def test_what_breaks_in_one_run_is_whole_in_the_next(one: Assignment, workers: Workers, number: str) -> None:
    kept = Kept(one)
    with pytest.raises(BrokenCheck):
        graded(one, number, workers, kept)
    assert told(graded(one, "1", workers, kept)) == {"odd": "passed", "plain": "passed"}
    assert [each for each in LOG if each in ("begin", "end")] == ["begin", "end"] * 2


def test_an_assignment_at_fault_half_way(one: Assignment, workers: Workers) -> None:
    path = one.folder / "checks" / "test_one.py"
    fault = "    if student.number() == 6:\n        raise AssignmentError('no checkpoint')\n"
    path.write_text("from grader.assignment import AssignmentError\n" + CHECKS + fault)
    kept = Kept(one)
    with pytest.raises(AssignmentError, match="no checkpoint"):
        graded(one, "6", workers, kept)
    assert told(graded(one, "1", workers, kept)) == {"odd": "passed", "plain": "passed"}
    assert [each for each in LOG if each in ("begin", "end")] == ["begin", "end"] * 2


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("conftest.py", "1 / 0", "division by zero"),
        ("conftest.py", "exit(3)", "3"),
        ("test_one.py", "1 / 0", "ZeroDivisionError"),
        ("test_one.py", "exit('enough')", "enough"),
        ("test_one.py", "import pytest; pytest.exit('enough')", "enough"),
        ("test_one.py", "def test_more(): pass", "put @check(points=...) above it"),
        ("test_one.py", "test_again = test_odd", "Two checks are named odd"),
    ],
)
def test_what_cannot_be_read_is_a_fault_of_the_assignment(one: Assignment, file: str, line: str, said: str) -> None:
    path = one.folder / "checks" / file
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(BrokenCheck) as caught:
        validate(one)
    assert said in str(caught.value)


PROPERTY = """
from hypothesis import given
from hypothesis import strategies as st
from grader.checks import CheckFailed, check

@check(points=2)
@given(n=st.integers(0, 10**6))
def test_small(student, n):
    \"\"\"number is larger than anything\"\"\"
    if n >= student.number():
        raise CheckFailed(f"{n} is larger.")
"""


def test_a_counterexample_is_made_small_for_whoever_reads_it(one: Assignment, workers: Workers) -> None:
    (one.folder / "checks" / "test_one.py").write_text(PROPERTY)
    work = Submission(Path("work.py"), {"work.py": b"def number(): return 1000"})
    kept = Kept(one)
    said = []
    for shrink in (True, False, True):
        (test,) = grade(one, work, workers, kept=kept, shrink=shrink).tests
        assert test.extra_data.status == "failed"
        said.append(int(test.extra_data.message.split()[0]))
    assert said[0] == said[2] == 1000
    assert said[1] > 1000
