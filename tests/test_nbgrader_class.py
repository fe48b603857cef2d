"""A class through nbgrader, from collecting to feedback: right, wrong and hostile hand-ins of every form.

In the real sandbox, with some twenty of nbgrader's commands.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import course as tiny
import pytest
from nbcourse import HALF, NAME, Place, notebook
from nbgrader.api import Gradebook

# One process runs these one after the other: they share a course.
pytestmark = pytest.mark.xdist_group("nbgrader")

FULL, PARTIAL = 10.0, 4.0


def hang(code: str) -> str:
    return f"{code}\nwhile True:\n    pass\n"


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A class that handed in by the exchange or by zip, autograded, with feedback."""
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
