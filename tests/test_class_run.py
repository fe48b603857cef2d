"""`grader grade`, `show` and `regrade`, as an instructor runs them, in the real sandbox."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import course
import pytest
from course import grades, hand_in, results

from grader import assignment
from grader.assignment import Assignment
from grader.class_run import judging
from grader.class_run.judging import conditions_for
from grader.class_run.run import compute, entries, plan, take_in
from grader.class_run.store import Store
from grader.exports import stream
from grader.gradebook import Entry
from grader.intake import collect
from grader.judge.grade import grade
from grader.result import CheckDetail, Result
from grader.submission import Submission

WRONG = "def double(x):\n    return 2 * x\n\n\ndef triple(x):\n    return 2 * x\n"
CLASS = {
    "alice": course.RIGHT,
    "bob": course.RIGHT.replace("return", "# as it should be\n    return"),
    "carol": WRONG,
    "dave": "import os\n\n\ndef double(x):\n    os._exit(0)\n",
    "erin": "def double(x):\n    raise ValueError(x)\n",
    "frank": "def double(x:\n",
    "grace": course.STUB,
    "heidi": "",
    "ivan": "while True:\n    pass\n",
}
SCORES = {"alice": 10, "bob": 10, "carol": 4} | dict.fromkeys(("dave", "erin", "frank", "grace", "heidi", "ivan"), 0)
STATUS = {
    "alice": "passed",
    "bob": "passed",
    "carol": "failed",
    "dave": "crashed",
    "erin": "error",
    "frank": "error",
    "grace": "not_attempted",
    "heidi": "not_attempted",
    "ivan": "timeout",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The course with `CLASS` graded into out/."""
    root = course.make(tmp_path_factory.mktemp("course"))
    settings = root / "assignments" / "multiples" / "assignment.toml"
    settings.write_text(settings.read_text().replace("import_seconds = 30", "import_seconds = 3"))
    hand_in(root / "class", CLASS)
    return root, course.run(root, "grade", "class", "--assignment", "multiples", "--out", "out")


def test_everyone_has_a_grade_and_a_status(graded: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, done = graded
    assert done.returncode == 0, done.stderr
    found = grades(root / "out")
    assert {student: float(row["score"]) for student, row in found.items()} == SCORES
    assert {student: row["status"] for student, row in found.items()} == STATUS
    assert len(list((root / "out" / "feedback").glob("*.md"))) == len(CLASS)


def test_what_differs_in_comments_only_is_computed_once(
    graded: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    root, _ = graded
    assert grades(root / "out")["bob"]["flags"] == "duplicate"
    with contextlib.closing(sqlite3.connect(root / "out" / "results.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM results").fetchone() == (len(CLASS) - 2,)  # heidi: nothing there


def test_the_same_class_again_is_not_graded_again(graded: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = graded
    before = (root / "out" / "grades.csv").read_bytes()
    done = course.run(root, "grade", "class", "-a", "multiples", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (root / "out" / "grades.csv").read_bytes() == before


def test_grades_do_not_depend_on_jobs(graded: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = graded
    done = course.run(root, "grade", "class", "-a", "multiples", "--out", "one", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert (root / "one" / "grades.csv").read_bytes() == (root / "out" / "grades.csv").read_bytes()
    assert results(root / "one") == results(root / "out")


def test_each_result_is_told_at_once_to_whoever_asks(graded: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = graded
    for _ in range(2):  # the second time nothing is left to grade
        done = course.run(root, "grade", "class", "-a", "multiples", "--out", "told", "--stream")
        assert done.returncode == 0, done.stderr
        told = [found for line in done.stdout.split("\n") if (found := stream.read(line))]
        assert len(told) == len(CLASS)
        written = {path.stem: json.loads(path.read_bytes()) for path in (root / "told" / "results").glob("*.json")}
        assert {student: json.loads(result.to_json()) for student, result in told} == written


def test_a_class_run_says_what_grader_check_says(graded: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = graded
    file = root / "class" / "carol.py"
    course.run(root, "check", "multiples", "--submission", file, "--json", "alone.json")
    alone = json.loads((root / "alone.json").read_bytes())
    together = json.loads((root / "out" / "results" / "carol.json").read_bytes())
    assert [
        (test["score"], test["extra_data"]["status"], test["extra_data"]["message"]) for test in alone["tests"]
    ] == [(test["score"], test["extra_data"]["status"], test["extra_data"]["message"]) for test in together["tests"]]
    assert alone["extra_data"]["seed"] == together["extra_data"]["seed"]


def test_show(graded: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = graded
    done = course.run(root, "show", "car", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "triple is wrong." in done.stdout
    missing = course.run(root, "show", "zoe", "--out", "out")
    assert missing.returncode == 2
    assert "There is no 'zoe'" in missing.stderr


@contextlib.contextmanager
def in_this_process(jobs: int) -> Iterator[tuple[Executor, int]]:
    """An executor that any function of `concurrent.futures`' shape may stand for: here, one thread."""
    with ThreadPoolExecutor(1) as executor:
        yield executor, 1


def grade_here(root: Path, out: str = "out", **options: Any) -> dict[str, Entry]:
    """A class run without the command line: the entries by student."""
    chosen = assignment.load("multiples", root)
    with Store(root / out) as store:
        take_in(store, collect(root / "class", chosen))
        conditions = conditions_for(chosen, root, Path("digits"), False, True, [], 1)
        work = plan(store, conditions, **options)
        log: list[str] = []
        compute(
            store,
            chosen,
            conditions,
            work,
            jobs=1,
            open_executor=in_this_process,
            finished=lambda work, result: None,
            log=log.append,
        )
        return {entry.student: entry for entry in entries(store, chosen)}


def test_what_anybody_imports_is_imported_once_for_all(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    asks = course.RIGHT + "\nimport sys\n\nassert ('torch' + 'vision' in sys.modules) is {}\n"
    hand_in(root / "class", {"alice": asks.format(False)})
    assert grade_here(root, "without")["alice"].result.score == 10
    (root / "class" / "alice.py").write_text(asks.format(True))
    (root / "class" / "bob.py").write_text(course.RIGHT + "\nimport torchvision\n")
    assert {name: entry.result.score for name, entry in grade_here(root, "with").items()} == {"alice": 10, "bob": 10}


def details(entry: Entry) -> dict[str, CheckDetail]:
    return {test.extra_data.check: test.extra_data for test in entry.result.tests}


def test_after_a_check_is_changed_only_what_it_affects_is_run_again(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT, "carol": WRONG})
    before = grade_here(root)
    path = root / "solutions" / "multiples" / "checks" / "test_hidden.py"
    path.write_text(course.HIDDEN + "# to be made harder\n")
    assert grade_here(root) == before  # to the times it took
    path.write_text(course.HIDDEN.replace("context.seed % 1000", "0"))
    after = grade_here(root)
    assert (after["carol"].previous, after["carol"].result.score) == (4, 10)  # thrice 0 is twice 0
    assert (after["alice"].previous, after["alice"].result.score) == (10, 10)
    for student in ("alice", "carol"):
        old, new = details(before[student]), details(after[student])
        assert (new["double"], new["double_float"]) == (old["double"], old["double_float"])  # to the time it took
        assert new["triple"].seconds != old["triple"].seconds
    assert grade_here(root) == after
    public = root / "assignments" / "multiples" / "checks" / "test_public.py"
    public.write_text(course.PUBLIC.replace("student.double(4) != 8", "student.double(5) != 10"))
    again = details(grade_here(root)["alice"])
    assert again["double_float"] == details(after["alice"])["double_float"]
    assert again["triple"].seconds != details(after["alice"])["triple"].seconds  # it requires the one that changed


def test_forced_everything_is_graded_anew(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT})
    before, after = grade_here(root)["alice"], grade_here(root, force=True)["alice"]
    assert after.previous == before.result.score == after.result.score
    assert details(after)["double"].seconds != details(before)["double"].seconds


def test_what_names_lines_is_not_shared(tmp_path: Path) -> None:
    """The traceback of one student would show the other's text."""
    root = course.make(tmp_path / "course")
    raises = "def double(x):\n    raise ValueError(x)\n"
    hand_in(root / "class", {"alice": raises, "bob": "# mine\n\n" + raises.replace("(x)\n", "(x)  # secret\n")})
    found = grade_here(root)
    assert "line 2" in details(found["alice"])["double"].frames[-1]
    assert "line 4" in details(found["bob"])["double"].frames[-1]
    assert "secret" not in str(found["alice"])
    assert found["bob"].same_as == ""


def test_a_resubmission_is_graded_and_has_no_old_score(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    folder = hand_in(root / "class", {"alice": WRONG})
    assert grade_here(root)["alice"].result.score == 4
    (folder / "alice.py").write_text(course.RIGHT)
    entry = grade_here(root)["alice"]
    assert (entry.result.score, entry.previous) == (10, None)


def test_whatever_a_hand_in_does_to_the_judge_is_its_own_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT, "bob": WRONG})

    def fails(chosen: Assignment, handed_in: Submission, *arguments: Any, **options: Any) -> Result:
        if "alice" in str(handed_in.path):
            raise RecursionError("in the judge")
        return grade(chosen, handed_in, *arguments, **options)

    monkeypatch.setattr(judging, "grade", fails)
    found = grade_here(root)
    assert found["alice"].result.extra_data.status == "error"
    assert "Tell your instructor" in found["alice"].result.extra_data.message
    assert found["bob"].result.score == 4


def test_a_hand_in_that_ends_its_judge_every_time_is_given_up(tmp_path: Path) -> None:
    """With an executor whose judge dies of it; the others are graded."""
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT, "bob": WRONG, "carol": course.RIGHT + "X = 1\n"})
    chosen = assignment.load("multiples", root)

    class Breaking(ThreadPoolExecutor):
        broken = False

        def submit(self, function: Any, *arguments: Any, **options: Any) -> Future[Any]:
            if b"bob" in arguments[1]:
                self.broken = True
            if self.broken:
                future: Future[Any] = Future()
                future.set_exception(BrokenProcessPool("a judge was ended"))
                return future
            return super().submit(function, *arguments, **options)

    @contextlib.contextmanager
    def breaking(jobs: int) -> Iterator[tuple[Executor, int]]:
        with Breaking(1) as executor:
            yield executor, jobs

    with Store(root / "out") as store:
        take_in(store, collect(root / "class", chosen))
        conditions = conditions_for(chosen, root, Path("digits"), False, True, [], 1)
        compute(
            store,
            chosen,
            conditions,
            plan(store, conditions),
            jobs=2,
            open_executor=breaking,
            finished=lambda work, result: None,
            log=print,
        )
        found = {entry.student: entry.result for entry in entries(store, chosen)}
    assert found["bob"].extra_data.status == "crashed"
    assert (found["alice"].score, found["carol"].score) == (10, 10)


def test_a_check_that_breaks_is_named_and_the_rest_is_graded(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    path = root / "assignments" / "multiples" / "checks" / "test_public.py"
    path.write_text(course.PUBLIC.replace("student.double(1.5) != 3.0", "undefined"))
    hand_in(root / "class", {"alice": course.RIGHT})
    done = course.run(root, "grade", "class", "-a", "multiples", "--out", "out")
    assert done.returncode == 2
    assert "double_float" in done.stderr
    assert float(grades(root / "out")["alice"]["score"]) == 8
    assert "NameError" in (root / "out" / "broken_checks.log").read_text()


def test_checks_that_contradict_each_other_are_a_sentence(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    settings = root / "assignments" / "multiples" / "assignment.toml"
    settings.write_text(settings.read_text().replace("points = 10", "points = 11"))
    hand_in(root / "class", {"alice": course.RIGHT})
    done = course.run(root, "grade", "class", "-a", "multiples", "--out", "out")
    assert done.returncode == 2
    assert "add up to 10 points" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("grade", "nowhere", "-a", "multiples", "--out", "out"), "nowhere"),
        (("grade", "class", "-a", "tripels", "--out", "out"), "There is no assignment 'tripels'"),
        (("grade", "class", "-a", "multiples", "--out", "class/alice.py"), "cannot be used"),
        (
            ("grade", "class", "-a", "multiples", "--out", "out", "--scheduler", "tcp://127.0.0.1:1"),
            "No dask scheduler",
        ),
        (("grade", "class", "-a", "multiples", "--out", "out", "--data", "nowhere"), "nowhere"),
        (("regrade", "--out", "nothing"), "There is no class run in nothing"),
        (("show", "alice", "--out", "nothing"), "There is no class run in nothing"),
    ],
)
def test_bad_input_is_a_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT})
    done = course.run(root, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_bubblewrap_nothing_is_graded_unless_said(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    hand_in(root / "class", {"alice": course.RIGHT})
    arguments = ("grade", "class", "-a", "multiples", "--out", "out")
    refused = course.run(root, *arguments, PATH=str(tmp_path))
    assert refused.returncode == 2
    assert "There is no bubblewrap here." in refused.stderr
    assert "--sandbox none" in refused.stderr
    assert not (root / "out" / "grades.csv").exists()
    allowed = course.run(root, *arguments, "--sandbox", "none", PATH=str(tmp_path))
    assert allowed.returncode == 0
    assert "WARNING" in allowed.stderr
    assert grades(root / "out")["alice"]["status"] == "passed"


def test_one_folder_cannot_hold_two_assignments(tmp_path: Path) -> None:
    root = course.make(tmp_path / "course")
    shutil.copytree(root / "assignments" / "multiples", root / "assignments" / "others")
    hand_in(root / "class", {"alice": "x = 1\n"})
    course.run(root, "grade", "class", "-a", "multiples", "--out", "out")
    done = course.run(root, "grade", "class", "-a", "others", "--out", "out")
    assert done.returncode == 2
    assert "holds the grades of multiples" in done.stderr
