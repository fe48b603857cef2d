"""A class through nbgrader, from release to export: right, wrong, late and hostile hand-ins of every form.

In the real sandbox, with some forty of nbgrader's commands, once on SQLite and once on PostgreSQL.
"""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import course as tiny
import postgres
import psutil
import psycopg
import pytest
from nbcourse import HALF, NAME, Place, notebook
from nbexploits import READER, TRANSFORMER, TRIGGER
from sqlalchemy.engine import URL

from grader import assignment
from grader.judge.grade import validate
from grader.nbgrader_course import source
from grader.nbgrader_course.export import Checks

FULL, PARTIAL = 10.0, 4.0
FORMULA = "=1+1"  # a student's name, as good as any other
ESSAY = 5.0  # points of a cell that people grade
# What the hidden check expects stands out from all other numbers on a page.
HIDDEN = tiny.HIDDEN.replace("context.seed % 1000", "7_100_000_000 + context.seed % 1000")


def hang(code: str) -> str:
    return f"{code}\nwhile True:\n    pass\n"


@pytest.fixture(scope="module")
def server() -> Iterator[URL]:
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def graded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A class that handed in by the exchange or by zip, autograded, with feedback."""
    db = postgres.database(request.getfixturevalue("server"), "grades") if request.param == "postgres" else ""
    place = Place(tiny.make(tmp_path_factory.mktemp("graded") / "project"), db)
    toml = place.root / "assignments" / NAME / "assignment.toml"
    toml.write_text(toml.read_text().replace("import_seconds = 30", "import_seconds = 4"))
    (place.root / "solutions" / NAME / "checks" / "test_hidden.py").write_text(HIDDEN)
    release(place)
    hand_in_by_zip(place)
    hand_in_by_exchange(place)
    place.grader("collect", NAME, "--zip")
    place.grader("collect", NAME)
    place.grader("autograde", NAME)
    place.nbgrader("generate_feedback", NAME)
    place.nbgrader("release_feedback", NAME)
    return place


def release(place: Place) -> None:
    """With a cell that people grade added to the source, and no points for whoever is late."""
    chosen = assignment.load(NAME, place.root)
    source.write(chosen, validate(chosen), place.root, place.course / "source" / NAME)
    path = place.course / "source" / NAME / f"{NAME}.ipynb"
    found = json.loads(path.read_text(encoding="utf-8"))
    about = {"grade": True, "solution": True, "locked": False, "task": False, "schema_version": 3}
    about |= {"grade_id": "essay", "points": ESSAY}
    found["cells"].append({"cell_type": "markdown", "id": "essay", "metadata": {"nbgrader": about}, "source": "Why?"})
    path.write_text(json.dumps(found), encoding="utf-8")
    place.grader("release", NAME, *(["--db", place.db] if place.db else []))
    settings = place.course / "nbgrader_config.py"
    settings.write_text(f'{settings.read_text()}\nc.LateSubmissionPlugin.penalty_method = "zero"\n')


def hand_in_by_zip(place: Place) -> None:
    released = place.course / "release" / NAME
    archive = place.course / "downloaded" / NAME / "archive"
    archive.mkdir(parents=True)

    def by_zip(student: str, **files: bytes) -> None:
        with zipfile.ZipFile(archive / f"{student}.zip", "w") as made:
            for name, content in files.items():
                made.writestr(f"{NAME}/{name.replace('__', '.')}", content)

    def cells(code: str, **changes: Any) -> bytes:
        return json.dumps(notebook(code, released) | changes).encode()

    stub = (released / f"{NAME}.py").read_bytes()
    py, ipynb = f"{NAME}__py", f"{NAME}__ipynb"
    by_zip("in_file", **{py: tiny.RIGHT.encode(), ipynb: (released / f"{NAME}.ipynb").read_bytes()})
    by_zip("in_notebook", **{py: stub, ipynb: cells(tiny.RIGHT)})
    by_zip("partly", **{py: stub, ipynb: cells(HALF)})
    by_zip("untouched", **{py: stub, ipynb: (released / f"{NAME}.ipynb").read_bytes()})
    by_zip("hangs", **{ipynb: cells(hang(tiny.RIGHT.rstrip()))})
    by_zip("exits", **{ipynb: cells(tiny.RIGHT + "import os\nos._exit(0)\n")})
    by_zip("corrupt", **{ipynb: b'{"cells": [{"cell_type": "code", "sour'})
    (archive / "no_notebook").mkdir()
    (archive / "no_notebook" / f"{NAME}.py").write_text(tiny.RIGHT)
    (archive / f"{FORMULA}_{NAME}.py").write_text(HALF)
    found = notebook(tiny.RIGHT, released)
    found["cells"] = [cell for cell in found["cells"] if "nbgrader" not in cell["metadata"]]
    found["cells"].append({"cell_type": "code", "metadata": {}, "source": tiny.RIGHT, "outputs": [], "id": "mine"})
    by_zip("no_cells", **{ipynb: json.dumps(found).encode()})
    found = notebook(HALF, released)
    for cell in found["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = "1000000.0"
            cell["metadata"]["nbgrader"] |= {"points": 1000, "schema_version": 1, "locked": False}
    by_zip("edited", **{ipynb: json.dumps(found).encode()})
    (archive / "damaged.zip").write_bytes(b"PK\x03\x04 and no more")
    # The exploits
    by_zip("transformer", **{ipynb: cells(HALF + TRANSFORMER)})
    by_zip("reader", **{py: (HALF + reader([place.course, place.root])).encode()})
    by_zip("trigger", **{py: (HALF + trigger([place.course / "gradebook.db"], place.db)).encode()})
    found = notebook(HALF, released)
    graded = [cell for cell in found["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]
    for cell in [cell for cell in graded if cell["cell_type"] == "code"]:
        output = {"output_type": "execute_result", "data": {"text/plain": "6.0"}, "metadata": {}, "execution_count": 1}
        cell["outputs"] = [output]
        found["cells"].append(cell | {"id": f"{cell['id']}-again", "source": "6.0"})  # a second one of the same name
    forged = {"timestamp__txt": b"2000-01-01 00:00:00 UTC", "submission_secret__txt": b""}
    forged |= {"nbgrader_config__py": b"1 / 0\n", "grading_kit/__init____py": b"def grade(check):\n    return True\n"}
    by_zip("forger", **{ipynb: json.dumps(found).encode()}, **forged)
    with zipfile.ZipFile(archive / "forger.zip", "a") as made:
        made.writestr(f"{NAME}.ipynb", cells(HALF))  # twice, in two places


def reader(places: list[Path]) -> str:
    return READER.replace("@PLACES@", repr([str(place) for place in places]))


def trigger(files: list[Path], db: str) -> str:
    server = postgres.dsn(postgres.parsed(db)) if db else ""
    return TRIGGER.replace("@FILES@", repr([str(path) for path in files])).replace("@SERVER@", repr(server))


def student_of(place: Place) -> Path:
    """A student's own folder, with the settings that the course's students have."""
    home = place.root / "student"
    home.mkdir(exist_ok=True)
    settings = (place.course / "nbgrader_config.py").read_text()
    lines = [line for line in settings.splitlines() if "course_id" in line or "Exchange.root" in line]
    (home / "nbgrader_config.py").write_text("\n".join(["c = get_config()", *lines]))
    return home


def hand_in_by_exchange(place: Place) -> None:
    """One in time, one late."""
    home = student_of(place)
    place.nbgrader("fetch_assignment", NAME, where=home, home=home)
    (home / NAME / f"{NAME}.py").write_text(tiny.RIGHT)
    place.nbgrader("submit", NAME, "--student=exchanged", where=home, home=home)
    with place.gradebook() as gradebook:
        gradebook.update_or_create_assignment(NAME, duedate=datetime.now(UTC).replace(tzinfo=None))
    place.nbgrader("submit", NAME, "--student=late", where=home, home=home)


EXPECTED = {
    "in_file": FULL,
    "in_notebook": FULL,
    "partly": PARTIAL,
    "untouched": 0.0,
    "hangs": 0.0,
    "exits": 0.0,
    "corrupt": 0.0,
    "no_notebook": FULL,
    FORMULA: PARTIAL,
    "no_cells": FULL,
    "edited": PARTIAL,
    "damaged": 0.0,
    "exchanged": FULL,
    "late": FULL,
    # What has beaten other graders gains nothing.
    "transformer": PARTIAL,
    "reader": PARTIAL,
    "trigger": PARTIAL,
    "forger": PARTIAL,
}
sqlite_only = pytest.mark.parametrize("graded", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("graded", ["postgres"], indirect=True)


def rows(path: Path) -> dict[str, dict[str, str]]:
    """By student, a row of a table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {(row.get("student") or row["student_id"]).removeprefix("'"): row for row in csv.DictReader(file)}


def test_everyone_has_the_grade_of_the_class_run(graded: Place) -> None:
    assert graded.scores() == EXPECTED
    found = rows(graded.course / "class_run" / NAME / "grades.csv")
    assert {student: float(row["score"]) for student, row in found.items()} == EXPECTED


@sqlite_only
def test_grader_grade_says_the_same(graded: Place) -> None:
    out = graded.root / "by_itself"
    graded.grader("grade", graded.course / "submitted", "--nbgrader", "--assignment", NAME, "--out", out)
    assert {student: float(row["score"]) for student, row in rows(out / "grades.csv").items()} == EXPECTED


def test_everyone_has_feedback_and_nothing_hidden_is_in_it(graded: Place) -> None:
    results = graded.course / "class_run" / NAME / "results"
    wrong = json.loads((results / "partly.json").read_bytes())["tests"][-1]["extra_data"]
    assert wrong["expected"].startswith("213")
    hidden = [wrong["expected"], f"{int(wrong['expected']):_}", wrong["message"], "test_hidden", "solutions"]
    hidden += [line.strip() for line in HIDDEN.splitlines() if "triple(" in line or "number" in line]
    released = sorted((graded.course / "exchange" / "course" / "feedback").glob("*.html"))
    assert len(released) == len(EXPECTED)
    pages = {student: graded.feedback(student) for student in EXPECTED}
    assert sorted(pages.values()) == sorted(path.read_text(encoding="utf-8") for path in released)
    for student, page in pages.items():
        assert "triple gives three times its argument" in page or "What happened" in page, student
        assert [text for text in hidden if text in page] == [], student
    assert "did not finish within 4 s" in pages["hangs"]
    assert "ended the Python process" in pages["exits"]
    assert "could not be read" in pages["corrupt"]
    assert "Thrice." in pages["partly"]


def test_the_students_files_stay(graded: Place) -> None:
    assert (graded.course / "autograded" / "in_file" / NAME / f"{NAME}.py").read_text() == tiny.RIGHT
    assert not (graded.course / "autograded" / "in_file" / NAME / "grading_kit" / "requirements.txt").exists()
    collected = {path.name for path in (graded.course / "submitted" / "exchanged" / NAME).iterdir()}
    assert {f"{NAME}.py", "timestamp.txt", "submission_secret.txt"} <= collected
    assert "grading_kit" not in collected


def test_when_a_hand_in_came_is_not_for_its_zip_to_say(graded: Place) -> None:
    with graded.gradebook() as gradebook:
        found = {each.student.id: each.timestamp for each in gradebook.assignment_submissions(NAME)}
    assert {student for student, when in found.items() if when is not None} == {"exchanged", "late"}


@sqlite_only
def test_a_student_fetches_the_feedback(graded: Place) -> None:
    home = student_of(graded)
    graded.nbgrader("fetch_feedback", NAME, "--student=exchanged", where=home, home=home)
    pages = [path.read_text(encoding="utf-8") for path in (home / NAME / "feedback").rglob("*.html")]
    assert graded.feedback("exchanged") in pages


def test_manual_grades_and_comments_stay_when_graded_again(graded: Place) -> None:
    with graded.gradebook() as gradebook:
        assert gradebook.find_grade("essay", NAME, NAME, "edited").needs_manual_grade
        gradebook.find_grade("essay", NAME, NAME, "edited").manual_score = 3.5
        gradebook.find_grade("double", NAME, NAME, "edited").manual_score = 1.5
        gradebook.find_comment("essay", NAME, NAME, "edited").manual_comment = "Say more."
        gradebook.find_comment("solution_2", NAME, NAME, "edited").manual_comment = "Well begun."
        gradebook.db.commit()
    said = graded.grader("autograde", NAME)
    assert "Traceback" not in said
    assert graded.scores() == EXPECTED | {"edited": PARTIAL - 2 + 1.5 + 3.5}
    with graded.gradebook() as gradebook:
        assert gradebook.find_comment("essay", NAME, NAME, "edited").comment == "Say more."
        assert gradebook.find_comment("solution_2", NAME, NAME, "edited").comment == "Well begun."
    graded.nbgrader("generate_feedback", NAME, "--student=edited", "--force")
    assert "Say more." in graded.feedback("edited")
    assert "Well begun." in graded.feedback("edited")


def test_who_is_late_has_nbgraders_penalty(graded: Place) -> None:
    graded.nbgrader("export")
    found = rows(graded.course / "grades.csv")
    assert {row["max_score"] for row in found.values()} == {str(FULL + ESSAY)}
    assert {student: float(row["raw_score"]) for student, row in found.items()} == graded.scores()
    assert {student for student, row in found.items() if float(row["late_submission_penalty"])} == {"late"}
    assert [float(found["late"][name]) for name in ("raw_score", "late_submission_penalty", "score")] == [FULL, FULL, 0]
    assert float(found["exchanged"]["score"]) == FULL
    assert "Late submission penalty" in graded.feedback("late")


def test_the_export_of_each_check(graded: Place) -> None:
    with graded.gradebook() as gradebook:
        gradebook.update_or_create_student("absent", last_name="@SUM(A1)", first_name="Kim, Alice")
    graded.nbgrader("export", "--exporter=grader.nbgrader_course.export.Checks", "--to=each.csv")
    found = rows(graded.course / "each.csv")
    checks = ["double", "double_float", "essay", "triple"]
    assert list(found["partly"])[-4:] == checks
    assert [found["partly"][name] for name in checks] == ["2", "2", "0", "0"]
    assert [found["late"][name] for name in (*checks, "raw_score", "score")] == ["2", "2", "0", "6", "10", "0"]
    assert float(found["late"]["seconds_late"]) > 0
    assert float(found["exchanged"]["seconds_late"]) == 0
    assert [found["absent"][name] for name in (*checks, "score", "max_score")] == ["", "", "", "", "0", "15"]
    assert found[FORMULA]["student_id"] == f"'{FORMULA}"
    assert (found["absent"]["last_name"], found["absent"]["first_name"]) == ("'@SUM(A1)", "Kim, Alice")
    one = graded.course / "one.csv"
    with graded.gradebook() as gradebook:
        Checks(to=str(one), student=["partly"]).export(gradebook)
    assert rows(one) == {"partly": found["partly"]}


# That the exploits are some


def alone(code: str, where: Path) -> float:
    """What triple(5) is after ``code`` has run in a process without the sandbox."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(triple(5))"], cwd=where, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.splitlines()[-1])


@sqlite_only
def test_the_reader_finds_solutions_without_the_sandbox(graded: Place, tmp_path: Path) -> None:
    assert alone(HALF + reader([]), tmp_path) == 10
    assert alone(HALF + reader([graded.course]), tmp_path) == 15


def test_the_trigger_works_without_the_sandbox(graded: Place, tmp_path: Path) -> None:
    update = "UPDATE grade SET auto_score = 1"
    if graded.db:
        with psycopg.connect(postgres.dsn(postgres.parsed(graded.db).set(database="postgres")), autocommit=True) as it:
            it.execute("CREATE DATABASE robbed TEMPLATE grades")
        robbed = postgres.dsn(postgres.parsed(graded.db).set(database="robbed"))
        alone(HALF + trigger([], robbed.replace("postgresql:", "postgresql+psycopg:", 1)), tmp_path)
        with psycopg.connect(robbed) as connection:
            connection.execute(update)
            found = connection.execute("SELECT DISTINCT auto_score FROM grade").fetchall()
    else:
        shutil.copyfile(graded.course / "gradebook.db", tmp_path / "gradebook.db")
        alone(HALF + trigger([tmp_path / "gradebook.db"], ""), tmp_path)
        with sqlite3.connect(tmp_path / "gradebook.db") as database:
            database.execute(update)
            found = database.execute("SELECT DISTINCT auto_score FROM grade").fetchall()
    assert found == [(6.0,)]


@sqlite_only
def test_stock_execute_gives_honest_submissions_the_same(graded: Place, tmp_path: Path) -> None:
    stock = Place(Path(shutil.copytree(graded.root, tmp_path / "project")))
    settings = stock.course / "nbgrader_config.py"
    text = settings.read_text().replace(str(graded.root), str(stock.root))
    settings.write_text(
        f"{text}\nfrom nbgrader.converters import Autograde\n"
        'c.Autograde.autograde_preprocessors = Autograde.class_traits()["autograde_preprocessors"].default()\n'
    )
    expected = {student: EXPECTED[student] for student in ("in_notebook", "partly", FORMULA)}
    for student in EXPECTED.keys() - expected.keys() - {"transformer"}:
        shutil.rmtree(stock.course / "submitted" / student)
    stock.nbgrader("autograde", NAME, "--force")
    scores = stock.scores()
    assert {student: scores[student] for student in expected} == expected
    assert scores["transformer"] == FULL  # in a kernel it does gain something


# A server's password


@postgres_only
def test_the_password_is_in_the_settings_alone_and_they_are_private(graded: Place) -> None:
    settings = graded.course / "nbgrader_config.py"
    assert settings.stat().st_mode & 0o077 == 0
    secrets = [postgres.PASSWORD, quote(postgres.PASSWORD, safe="")]
    for path in graded.root.rglob("*"):
        if path.is_file() and path != settings and path.suffix not in (".zip", ".sqlite"):
            text = path.read_bytes().decode("utf-8", "replace")
            if "full_marks" not in text:  # the attack, told it by this test, and where that is shown
                assert not any(secret in text for secret in secrets), path
    assert not any(secret in text for secret in secrets for text in graded.said)


@postgres_only
def test_the_password_is_on_no_command_line_but_ones_own(graded: Place) -> None:
    command = tiny.command("collect", NAME, "--db", graded.db)
    seen: set[str] = set()
    with subprocess.Popen(command, cwd=graded.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        process = psutil.Process(run.pid)
        own = " ".join(command)  # also that of a child until it has become the program that it was forked for
        while run.poll() is None:
            for child in process.children(recursive=True):
                try:
                    seen.add(" ".join(child.cmdline()))
                except psutil.Error:
                    continue
            time.sleep(0.02)
        assert run.stdout is not None
        said = run.stdout.read()
    assert run.returncode == 0, said
    seen.discard(own)
    assert any("nbgrader" in line and NAME in line for line in seen)
    assert not any(secret in line for line in [*seen, said] for secret in ("wörd", "w%C3%B6rd"))


@postgres_only
@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("{wrong}", "password authentication failed"),
        ("postgresql+psycopg://grader:s3cret@/grades?host=/nowhere&password=s3cret", "cannot be opened"),
        ("postgresql+psycopg2://grader:s3cret@localhost/grades", "needs psycopg2, which is not installed"),
        ("oracular://grader:s3cret@localhost/grades", "SQLAlchemy knows no database named oracular"),
        ("s3cret", "The gradebook's URL cannot be read"),
    ],
)
def test_a_gradebook_that_cannot_be_used_is_a_sentence(graded: Place, url: str, complaint: str) -> None:
    wrong = postgres.parsed(graded.db).set(password="s3cret").render_as_string(hide_password=False)
    done = tiny.run(graded.root, "collect", NAME, "--db", url.replace("{wrong}", wrong))
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
