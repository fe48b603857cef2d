"""An nbgrader course's release, and what a student has of it: nbgrader's real commands on one tiny assignment."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import course as tiny
import nbformat
import pytest
from nbcourse import HALF, NAME, Place, notebook
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import determine_grade
from traitlets import Any as AnyTrait
from traitlets.config import Configurable

from grader import language, translations
from grader.nbgrader_course import CourseError
from grader.nbgrader_course.autograde import Reader
from grader.nbgrader_course.cells import answer
from grader.nbgrader_course.class_run import ClassRun
from grader.nbgrader_course.collect import complete
from grader.nbgrader_course.source import parts
from grader.nbgrader_course.zips import Collector
from grader.result import CheckDetail, Result, Summary, TestResult
from grader.stubs import BEGIN, cut

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tiny.make(tmp_path_factory.mktemp("released") / "project"))
    for folder, english, korean in (
        ("assignments", "double gives twice its argument", "double은 인자의 두 배를 돌려줍니다"),
        ("solutions", "triple gives three times its argument", "triple은 인자의 세 배를 돌려줍니다"),
    ):
        path = language.catalogue(place.root / folder / NAME, language.CHECKS_DOMAIN, "ko").with_suffix(".po")
        path.parent.mkdir(parents=True)
        path.write_text(f'msgid "{english}"\nmsgstr "{korean}"\n', encoding="utf-8")
    translations.main(place.root)
    place.grader("release", NAME, "--db", f"sqlite:///{place.root}/elsewhere.sqlite")
    return place


# Release


def every_text(folder: Path) -> Iterator[tuple[str, str]]:
    """(path, text) of all files below, those in wheels too."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    yield f"{path.name}/{name}", wheel.read(name).decode("utf-8", "replace")
        elif path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes().decode("utf-8", "replace")


def test_what_is_released_tells_nothing(released: Place) -> None:
    for place in ("release", "exchange/course/outbound"):
        folder = released.course / place / NAME
        texts = dict(every_text(folder))
        assert {"README.md", "Makefile", f"{NAME}.py", f"{NAME}.ipynb", "grading_kit/bootstrap.py"} <= texts.keys()
        assert any(name.endswith("checks/test_public.py") for name in texts)
        catalogues = {name.partition(".whl/")[2] or name for name in texts if name.endswith((".mo", ".po"))}
        assert catalogues == {
            "grader/locale/ko/LC_MESSAGES/grader.mo",
            "grading_kit/locale/ko/LC_MESSAGES/grader.mo",
            f"grading_kit/assignments/{NAME}/locale/ko/LC_MESSAGES/checks.mo",
        }
        for name, text in texts.items():
            assert "return 2 * x" not in text, name
            assert "return 3 * x" not in text, name
            assert "reference.triple" not in text, name  # the hidden check, and how it finds the expected value
            assert "test_hidden" not in text, name
            assert "세 배를" not in text, name  # a hidden check's sentence, translated
            assert "BEGIN SOLUTION" not in text or ".whl/" in name, name


def test_one_grade_cell_for_each_check_with_its_points(released: Place) -> None:
    found = nbformat.read(released.course / "release" / NAME / f"{NAME}.ipynb", 4)
    nbformat.validate(found)
    about = [cell.metadata.nbgrader for cell in found.cells if "nbgrader" in cell.metadata]
    assert {each.grade_id: each.points for each in about if each.grade} == {"double": 2, "double_float": 2, "triple": 6}
    assert [each.grade_id for each in about if each.solution] == ["solution_2", "solution_3"]


def test_the_gradebook_is_where_it_was_asked_for(released: Place) -> None:
    with Gradebook(f"sqlite:///{released.root}/elsewhere.sqlite") as gradebook:
        assert gradebook.find_assignment(NAME).max_score == 10
    assert not (released.course / "gradebook.db").exists()


def test_a_course_is_set_up_once(released: Place) -> None:
    settings = released.course / "nbgrader_config.py"
    settings.write_text(settings.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    source = released.course / "source" / NAME / "README.md"
    source.write_text("# Mine\n", encoding="utf-8")
    again = tiny.run(released.root, "release", NAME)
    assert again.returncode == 2
    assert "Traceback" not in again.stderr
    assert "already exists, add --force" in again.stderr  # nbgrader's words
    assert source.read_text(encoding="utf-8") == "# Mine\n"
    released.grader("release", NAME, "--force")
    assert settings.read_text(encoding="utf-8").endswith("# mine\n")
    assert source.read_text(encoding="utf-8") != "# Mine\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["release", "other"], "There is no assignment 'other'"),
        (["collect", NAME, "--course", "nowhere"], "There is no course in"),
        (["autograde", NAME, "--course", "nowhere"], "There is no course in"),
    ],
)
def test_mistakes_are_sentences(released: Place, arguments: list[str], complaint: str) -> None:
    done = tiny.run(released.root, *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert complaint in done.stderr


# A student's copy


@pytest.fixture
def fetched(released: Place, tmp_path: Path) -> Path:
    """The folder as a student fetches it, outside of the project."""
    return Path(shutil.copytree(released.course / "exchange" / "course" / "outbound" / NAME, tmp_path / NAME))


def executed(folder: Path) -> dict[str, tuple[float, str]]:
    """Run the notebook in a kernel: for each grade cell the points that nbgrader finds, and what is shown."""
    from nbclient import NotebookClient

    found = nbformat.read(folder / f"{NAME}.ipynb", 4)
    NotebookClient(found, resources={"metadata": {"path": str(folder)}}, allow_errors=True, timeout=300).execute()
    cells = [cell for cell in found.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    return {cell.metadata.nbgrader.grade_id: (determine_grade(cell)[0], str(cell.outputs)) for cell in cells}


@pytest.mark.parametrize("where", ["notebook", "file"])
def test_a_grade_cell_in_a_kernel(fetched: Path, where: str) -> None:
    wrong_float = HALF.replace("return x + x\n", "return int(x) + int(x)\n", 1)
    if where == "file":
        (fetched / f"{NAME}.py").write_text(wrong_float)
    else:
        (fetched / f"{NAME}.ipynb").write_text(json.dumps(notebook(wrong_float, fetched)))
    cells = executed(fetched)
    assert [cells[check][0] for check in ("double", "double_float")] == [2.0, 0.0]
    assert "double(1.5) is not 3.0." in cells["double_float"][1]
    assert "Of floats, too." in cells["double_float"][1]
    assert "your instructor runs it" in cells["triple"][1]


def test_nbgrader_validate(released: Place, fetched: Path) -> None:
    (fetched / f"{NAME}.ipynb").write_text(json.dumps(notebook(tiny.RIGHT, fetched)))
    assert "Success!" in released.nbgrader("validate", f"{NAME}.ipynb", where=fetched)


@pytest.mark.parametrize("where", ["notebook", "file"])
def test_grader_check_in_a_fetched_folder(fetched: Path, where: str) -> None:
    if where == "file":
        (fetched / f"{NAME}.py").write_text(tiny.RIGHT)
    else:
        (fetched / f"{NAME}.ipynb").write_text(json.dumps(notebook(tiny.RIGHT, fetched)))
    done = tiny.run(fetched, "check", NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Score: 4 of 4 points" in done.stdout
    assert "6 more points" in done.stdout
    korean = tiny.run(fetched, "check", NAME, GRADER_LANG="ko", PYTHONIOENCODING="utf-8").stdout
    assert "double은 인자의 두 배를 돌려줍니다" in korean
    assert "점수: 4점 중 4점" in korean


# Parts


@pytest.mark.parametrize("name", [path.name for path in sorted((ROOT / "solutions").iterdir()) if path.is_dir()])
def test_the_cells_of_a_solution_are_its_lines_and_each_can_be_cut(name: str) -> None:
    text = (ROOT / "solutions" / name / f"{name}.py").read_text(encoding="utf-8")
    cells = parts(text)
    assert [line for cell in cells for line in cell.splitlines() if line] == [
        line for line in text.splitlines() if line
    ]
    for cell in cells:
        compile(cut(cell) if BEGIN in cell else cell, name, "exec")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"cells": 1}', b'{"cells": [{"cell_type": 5}], "nbformat": 4}']
)
def test_any_notebook_can_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ipynb").write_bytes(content)
    text, _ = Reader().from_filename(str(tmp_path / "a.ipynb"))
    nbformat.validate(nbformat.reads(text, 4))


def test_a_result_is_there_before_the_class_run_is_over(tmp_path: Path) -> None:
    root = tiny.make(tmp_path / "project")
    settings = root / "assignments" / NAME / "assignment.toml"
    settings.write_text(settings.read_text().replace("import_seconds = 30", "import_seconds = 5"))
    (root / "class").mkdir()
    (root / "class" / "alice.py").write_text(tiny.RIGHT)
    (root / "class" / "bob.py").write_text("while True:\n    pass\n")
    command = [sys.executable, "-m", "grader", "grade", "class", "-a", NAME, "--out", "out", "--stream", "--jobs", "1"]
    said: list[str] = []
    run = ClassRun(command, root, root / "out", said.append)
    alice = run.found("alice")
    assert alice is not None
    assert sum(cell.points for cell in alice.answer.checks.values()) == 10
    assert alice.files == {f"{NAME}.py": tiny.RIGHT}
    assert not (root / "out" / "grades.csv").exists()  # bob is still at it
    again = ClassRun(command, root, root / "out", said.append)  # waits: two runs cannot grade into one folder
    assert run.found("bob") is not None
    assert run.found("carol") is None
    assert again.found("alice") == alice
    assert again.found("carol") is None
    assert sum("students" in line for line in said) == 2
    assert not any("\x1e" in line for line in said)


def test_a_class_run_that_does_not_go_through_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    failing = ClassRun([sys.executable, "-c", "exit('No room is left.')"], tmp_path, tmp_path / "out", lambda _: None)
    with pytest.raises(CourseError, match=r"did not go through.*\n.*No room is left"):
        failing.found("alice")
    missing = ClassRun([str(tmp_path / "no such program")], tmp_path, tmp_path / "out", lambda _: None)
    with pytest.raises(CourseError, match="cannot be started"):
        missing.found("alice")
    told = [sys.executable, "-c", r"print('\x1e{')"]
    with pytest.raises(CourseError, match="JSONDecodeError"):
        ClassRun(told, tmp_path, tmp_path / "out", lambda _: None).found("alice")


def test_a_grade_is_within_its_bounds() -> None:
    detail = CheckDetail("f", "passed")
    test = TestResult("F", 7, 5, "passed", "", detail)
    found = answer(Result(7, 0.1, [test], Summary("a", "A", "a.py", "passed", 5)))
    assert found.checks["f"].points == 5.0
    assert type(found.checks["f"].points) is float


@pytest.mark.parametrize(
    ("path", "student", "file"),
    [
        ("alice/multiples/multiples.py", "alice", "multiples.py"),
        ("alice_multiples.py", "alice", "multiples.py"),
        ("alice.py", "alice", "alice.py"),
        ("alice/grading_kit/__init__.py", None, None),
        ("alice/.ipynb_checkpoints/multiples.ipynb", None, None),
        ("alice/multiples/timestamp.txt", None, None),
        ("alice/submission_secret.txt", None, None),
        ("alice/multiples/notes/timestamp.txt", "alice", "notes/timestamp.txt"),
    ],
)
def test_whose_a_file_is(path: str, student: str | None, file: str | None) -> None:
    collector = Collector(parent=SimpleParent(coursedir=CourseDirectory(assignment_id=NAME)))
    found = collector.collect(f"/course/downloaded/{NAME}/extracted/{path}")
    assert found == (None if student is None else {"student_id": student, "file_id": file})


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"2026-11-22 04:00:00.000000 UTC", True),
        (b"", False),
        (b"soon", False),
        (b"2026-11-22 99:00:00 UTC", False),
        (b"0001-01-01 00:00:00 +1400", False),
        (b"\xff\xfe", False),
        (b"1" * 5_000, False),
    ],
)
def test_what_is_no_timestamp_does_not_stop_nbgrader(
    released: Place, tmp_path: Path, content: bytes, kept: bool
) -> None:
    (tmp_path / "timestamp.txt").write_bytes(content)
    complete(f"{NAME}.ipynb", tmp_path)
    assert (CourseDirectory().get_existing_timestamp(str(tmp_path)) is not None) == kept


@pytest.mark.parametrize(
    ("content", "kept"), [(b"5ec4e7", True), (b"", False), (b" \n", False), (b"\xff", False), (b"1" * 5_000, False)]
)
def test_what_is_no_secret_does_not_stop_nbgrader(released: Place, tmp_path: Path, content: bytes, kept: bool) -> None:
    path = tmp_path / "submission_secret.txt"
    path.write_bytes(content)
    complete(f"{NAME}.ipynb", tmp_path)
    assert path.read_text(encoding="ascii").strip()
    assert (path.read_bytes() == content) == kept


class SimpleParent(Configurable):
    """Stands for the application that has the plug-in."""

    coursedir = AnyTrait()
