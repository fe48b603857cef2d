"""The shipped assignments tell right from wrong: every mistake of the bank loses points, no variant does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from bank import ROOT, grade_all, submissions

from grader import assignment
from grader.audit.bank import catchers, topics
from grader.result import FAILURES, Result

ASSIGNMENTS = tuple(assignment.names(ROOT))
_graded: dict[str, dict[Path, Result] | str] = {}


def graded(name: str) -> dict[Path, Result]:
    """All of an assignment's bank, its solution and its stub, graded once; where that fails, so does each test."""
    if name not in _graded:
        files = [*submissions(name, "mistakes"), *submissions(name, "variants")]
        own = [folder / name / f"{name}.py" for folder in (ROOT / "solutions", ROOT / "assignments")]
        try:
            _graded[name] = grade_all(name, [*own, *files])
        except Exception as error:  # else each further test would grade for minutes, up to the same error
            _graded[name] = f"the bank of {name} was not graded: {error!r}"
            raise
    found = _graded[name]
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


def lost(result: Result) -> str:
    """What went wrong, for the assertion's message."""
    return "; ".join(
        f"{test.extra_data.check} {test.extra_data.status}: {test.extra_data.message}"
        for test in result.tests
        if test.score < test.max_score and test.extra_data.status != "blocked"
    )


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_solution_gets_full_points(name: str) -> None:
    result = graded(name)[ROOT / "solutions" / name / f"{name}.py"]
    assert result.score == result.extra_data.max_score, lost(result)
    assert result.extra_data.status == "passed"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_stub_gets_no_points(name: str) -> None:
    result = graded(name)[ROOT / "assignments" / name / f"{name}.py"]
    assert result.score == 0
    assert {test.extra_data.status for test in result.tests} <= {"not_attempted", "blocked"}
    assert result.tests[0].extra_data.status == "not_attempted"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_bank_is_large_enough(name: str) -> None:
    """All of it, also what is not graded here."""
    mistakes, variants = (60, 40) if name in ("vgg16", "resnet50") else (30, 20)
    assert len(list((ROOT / "solutions" / name / "mistakes").glob("*.py"))) >= mistakes
    assert len(list((ROOT / "solutions" / name / "variants").glob("*.py"))) >= variants


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=f"{name}-{file.stem}") for name in ASSIGNMENTS for file in submissions(name, "variants")],
)
def test_variant_is_accepted(file: Path) -> None:
    result = graded(file.parent.parent.name)[file]
    assert result.score == result.extra_data.max_score, lost(result)


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, id=f"{name}-{file.stem}") for name in ASSIGNMENTS for file in submissions(name, "mistakes")],
)
def test_mistake_is_rejected(file: Path) -> None:
    """By a check that the file names: only those are run (see `grade_all`), so no other can have caught it."""
    result = graded(file.parent.parent.name)[file]
    assert not result.extra_data.message, f"not graded, so not caught either: {result.extra_data.message}"
    caught = {test.extra_data.check for test in result.tests if test.extra_data.status in FAILURES}
    assert caught, "full points for a wrong submission"
    assert caught <= set(catchers(file))


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_what_mistakes_name_is_there(name: str) -> None:
    """Each names checks that exist, and not all; each check but accuracy is of some topic. Headers: test_audit.py."""
    checks = [test.extra_data.check for test in graded(name)[ROOT / "solutions" / name / f"{name}.py"].tests]
    mistakes = ROOT / "solutions" / name / "mistakes"
    for file in mistakes.glob("*.py"):
        assert set(catchers(file)) < set(checks), file.name
    named = {check for wanted in topics(mistakes).values() for check in wanted}
    assert set(checks) - named <= {"accuracy"}  # which catches a lot, and says nothing of where the mistake is


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_no_mistake_looks_like_a_fault_of_the_grader(name: str) -> None:
    for file, result in graded(name).items():
        for test in result.tests:
            assert "broke by itself" not in test.extra_data.message, f"{file.name}: {test.extra_data.check}"


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_which_check_catches_what(name: str) -> None:
    """Each mistake is caught once: it stops at the check that catches it. The table is printed with -s.

    That it is a check the mistake names is held by `test_mistake_is_rejected`; that each check catches some mistake is
    not: of those that a mistake names the later ones are not run.
    """
    mistakes = submissions(name, "mistakes")
    caught = Counter(
        test.extra_data.check
        for file in mistakes
        for test in graded(name)[file].tests
        if test.extra_data.status in FAILURES
    )
    print(f"\n{name}: mistakes caught by each check (of {len(mistakes)})")
    for check, count in caught.most_common():
        print(f"  {check:32} {count:3}")
    assert caught.total() == len(mistakes)
