"""An nbgrader course from release to feedback: nbgrader's real commands, one tiny assignment, all kinds of students."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import course as tiny
import nbformat
import pytest

pytest.importorskip("nbgrader")

from nbgrader.api import Gradebook
from nbgrader.utils import determine_grade

NAME = "multiples"
BWRAP = shutil.which("bwrap") is not None
HALF = tiny.RIGHT.replace("x + x + x", "x + x")
FULL, PARTIAL = 10.0, 4.0


@dataclass(frozen=True)
class Place:
    """A project with the tiny assignment, and nbgrader's course in it."""

    root: Path

    @property
    def course(self) -> Path:
        return self.root / "course"

    def grader(self, *arguments: object) -> str:
        done = tiny.run(self.root, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def nbgrader(self, *arguments: str, where: Path | None = None, home: Path | None = None) -> str:
        environment = tiny.environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if home is not None:
            environment |= {"HOME": str(home), "JUPYTER_DATA_DIR": str(home / "data")}
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=where or self.course,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def scores(self) -> dict[str, float]:
        """By student, as the gradebook has them."""
        with Gradebook(f"sqlite:///{self.course}/gradebook.db") as gradebook:
            return {each.student.id: float(each.score) for each in gradebook.assignment_submissions(NAME)}

    def feedback(self, student: str) -> str:
        return (self.course / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tiny.make(tmp_path_factory.mktemp("released") / "project"))
    place.grader("release", NAME)
    return place


def notebook(code: str, folder: Path) -> dict[str, Any]:
    """The released notebook, its solution cells filled from ``code``: a function each, as in the tiny assignment."""
    found = json.loads((folder / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    functions = [part for part in code.split("\n\n\n") if part.strip()]
    cells = [cell for cell in found["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
    for cell, function in zip(cells, functions, strict=True):
        cell["source"] = function.strip()
    return found


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
        for name, text in texts.items():
            assert "return 2 * x" not in text, name
            assert "return 3 * x" not in text, name
            assert "reference.triple" not in text, name  # the hidden check, and how it finds the expected value
            assert "test_hidden" not in text, name
            assert "BEGIN SOLUTION" not in text or ".whl/" in name, name


def test_one_grade_cell_for_each_check_with_its_points(released: Place) -> None:
    found = nbformat.read(released.course / "release" / NAME / f"{NAME}.ipynb", 4)
    nbformat.validate(found)
    about = [cell.metadata.nbgrader for cell in found.cells if "nbgrader" in cell.metadata]
    assert {each.grade_id: each.points for each in about if each.grade} == {"double": 2, "double_float": 2, "triple": 6}
    assert [each.grade_id for each in about if each.solution] == ["solution_2", "solution_3"]


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
    assert "VALIDATION FAILED ON 2 CELL" in released.nbgrader("validate", f"{NAME}.ipynb", where=fetched)
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


# A class


def hang(code: str) -> str:
    return f"{code}\nwhile True:\n    pass\n"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A class that handed in by the exchange or by zip, autograded, with feedback."""
    if not BWRAP:
        pytest.skip("no bubblewrap")
    place = Place(tiny.make(tmp_path_factory.mktemp("graded") / "project"))
    toml = place.root / "assignments" / NAME / "assignment.toml"
    toml.write_text(toml.read_text().replace("import_seconds = 30", "import_seconds = 4"))
    place.grader("release", NAME)
    release = place.course / "release" / NAME
    archive = place.course / "downloaded" / NAME / "archive"
    archive.mkdir(parents=True)

    def by_zip(student: str, **files: bytes) -> None:
        with zipfile.ZipFile(archive / f"{student}.zip", "w") as made:
            for name, content in files.items():
                made.writestr(f"{NAME}/{name.replace('__', '.')}", content)

    def cells(code: str, **changes: Any) -> bytes:
        return json.dumps(notebook(code, release) | changes).encode()

    stub = (release / f"{NAME}.py").read_bytes()
    py, ipynb = f"{NAME}__py", f"{NAME}__ipynb"
    by_zip("in_file", **{py: tiny.RIGHT.encode(), ipynb: (release / f"{NAME}.ipynb").read_bytes()})
    by_zip("in_notebook", **{py: stub, ipynb: cells(tiny.RIGHT)})
    by_zip("partly", **{py: stub, ipynb: cells(HALF)})
    by_zip("untouched", **{py: stub, ipynb: (release / f"{NAME}.ipynb").read_bytes()})
    by_zip("hangs", **{ipynb: cells(hang(tiny.RIGHT.rstrip()))})
    by_zip("exits", **{ipynb: cells(tiny.RIGHT + "import os\nos._exit(0)\n")})
    by_zip("corrupt", **{ipynb: b'{"cells": [{"cell_type": "code", "sour'})
    (archive / "no_notebook").mkdir()
    (archive / "no_notebook" / f"{NAME}.py").write_text(tiny.RIGHT)
    (archive / f"flat_{NAME}.py").write_text(HALF)
    found = notebook(tiny.RIGHT, release)
    found["cells"] = [cell for cell in found["cells"] if "nbgrader" not in cell["metadata"]]
    found["cells"].append({"cell_type": "code", "metadata": {}, "source": tiny.RIGHT, "outputs": [], "id": "mine"})
    by_zip("no_cells", **{ipynb: json.dumps(found).encode()})
    found = notebook(HALF, release)
    for cell in found["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = "1000000.0"
            cell["metadata"]["nbgrader"] |= {"points": 1000, "schema_version": 1, "locked": False}
    by_zip("edited", **{ipynb: json.dumps(found).encode()})
    (archive / "damaged.zip").write_bytes(b"PK\x03\x04 and no more")
    place.grader("collect", NAME, "--zip")
    place.grader("autograde", NAME)
    place.nbgrader("generate_feedback", NAME)
    place.nbgrader("release_feedback", NAME)
    return place


EXPECTED = {
    "in_file": FULL,
    "in_notebook": FULL,
    "partly": PARTIAL,
    "untouched": 0.0,
    "hangs": 0.0,
    "exits": 0.0,
    "corrupt": 0.0,
    "no_notebook": FULL,
    "flat": PARTIAL,
    "no_cells": FULL,
    "edited": PARTIAL,
    "damaged": 0.0,
}


def test_everyone_has_the_grade_of_the_class_run(graded: Place) -> None:
    assert graded.scores() == EXPECTED
    with (graded.course / "class_run" / NAME / "grades.csv").open(encoding="utf-8-sig") as file:
        assert {row["student"]: float(row["score"]) for row in csv.DictReader(file)} == EXPECTED


def test_everyone_has_feedback_and_nothing_hidden_is_in_it(graded: Place) -> None:
    for student in EXPECTED:
        page = graded.feedback(student)
        assert "triple gives three times its argument" in page or "What happened" in page, student
        assert "reference.triple" not in page
        assert "triple is wrong." not in page  # the hidden check's own words
    assert "did not finish within 4 s" in graded.feedback("hangs")
    assert "ended the Python process" in graded.feedback("exits")
    assert "could not be read" in graded.feedback("corrupt")
    assert "Thrice." in graded.feedback("partly")
    assert len(list((graded.course / "exchange" / "course" / "feedback").glob("*.html"))) == len(EXPECTED)


def test_the_students_files_stay(graded: Place) -> None:
    assert (graded.course / "autograded" / "in_file" / NAME / f"{NAME}.py").read_text() == tiny.RIGHT
    assert not (graded.course / "autograded" / "in_file" / NAME / "grading_kit" / "requirements.txt").exists()


def test_manual_grades_stay_when_graded_again(graded: Place) -> None:
    with Gradebook(f"sqlite:///{graded.course}/gradebook.db") as gradebook:
        grade = gradebook.find_grade("double", NAME, NAME, "untouched")
        grade.manual_score = 1.5
        gradebook.find_comment("solution_2", NAME, NAME, "untouched").manual_comment = "Well begun."
        gradebook.db.commit()
    said = graded.grader("autograde", NAME)
    assert "Traceback" not in said
    assert graded.scores() == EXPECTED | {"untouched": 1.5}
    with Gradebook(f"sqlite:///{graded.course}/gradebook.db") as gradebook:
        assert gradebook.find_comment("solution_2", NAME, NAME, "untouched").comment == "Well begun."


def test_stock_execute_gives_honest_submissions_the_same(graded: Place, tmp_path: Path) -> None:
    stock = Place(Path(shutil.copytree(graded.root, tmp_path / "project")))
    settings = stock.course / "nbgrader_config.py"
    text = settings.read_text().replace(str(graded.root), str(stock.root))
    settings.write_text(
        f"{text}\nfrom nbgrader.converters import Autograde\n"
        'c.Autograde.autograde_preprocessors = Autograde.class_traits()["autograde_preprocessors"].default()\n'
    )
    for student in EXPECTED.keys() - {"in_notebook", "partly", "flat"}:
        shutil.rmtree(stock.course / "submitted" / student)
    stock.nbgrader("autograde", NAME, "--force")
    scores = stock.scores()
    assert {student: scores[student] for student in ("in_notebook", "partly", "flat")} == {
        "in_notebook": FULL,
        "partly": PARTIAL,
        "flat": PARTIAL,
    }


def test_fetch_submit_and_collect(graded: Place, tmp_path: Path) -> None:
    settings = (graded.course / "nbgrader_config.py").read_text()
    student = tmp_path / "student"
    student.mkdir()
    lines = [line for line in settings.splitlines() if "course_id" in line or "Exchange.root" in line]
    (student / "nbgrader_config.py").write_text("\n".join(["c = get_config()", *lines]))
    graded.nbgrader("fetch_assignment", NAME, where=student, home=student)
    (student / NAME / f"{NAME}.py").write_text(tiny.RIGHT)
    graded.nbgrader("submit", NAME, "--student=exchanged", where=student, home=student)
    graded.grader("collect", NAME)
    handed_in = graded.course / "submitted" / "exchanged" / NAME
    assert {path.name for path in handed_in.iterdir()} >= {f"{NAME}.py", "timestamp.txt", "submission_secret.txt"}
    assert not (handed_in / "grading_kit").exists()
    graded.grader("autograde", NAME, "--student", "exchanged")
    assert graded.scores()["exchanged"] == FULL
    graded.nbgrader("generate_feedback", NAME, "--student=exchanged")
    graded.nbgrader("release_feedback", NAME, "--student=exchanged")
    graded.nbgrader("fetch_feedback", NAME, "--student=exchanged", where=student, home=student)
    pages = list((student / NAME / "feedback").rglob("*.html"))
    assert len(pages) == 1
    assert "triple gives three times its argument" in pages[0].read_text()


def test_export(graded: Place) -> None:
    graded.nbgrader("export")
    rows = list(csv.DictReader(io.StringIO((graded.course / "grades.csv").read_text())))
    assert {row["student_id"]: float(row["max_score"]) for row in rows} == dict.fromkeys(
        {row["student_id"] for row in rows}, 10.0
    )
