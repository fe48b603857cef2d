"""The diagnosis names the right module and hyper-parameter of the bank's mistakes, and nothing of right submissions."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch

import pytest
from bank import ROOT, compare_all, look_at_all, some, submissions

from grader.diagnosis.finding import Finding

SHARE = 0.8  # of the mistakes that are in a module: those whose module and hyper-parameter are named
BUILT = {"vgg16": ("vgg16", (4, 3, 32, 32)), "resnet50": ("ResNet50_layer4", (4, 3, 32, 32))}


def right(finding: Finding, places: list[list[str]]) -> bool:
    """Whether one of ``places``, [place, what], is what was found; "missing ReLU" wants the ReLU named, too."""
    last = finding.maker.rpartition(".")[2]
    for place, what in places:
        word, _, named = what.partition(" ")
        inside = finding.module or last
        here = fnmatch(finding.module, place) or fnmatch(finding.module, f"*.{place}") or inside == place
        here = here or finding.type == place
        if here and finding.what == word and named in finding.said:
            return True
    return False


@pytest.mark.parametrize("name", BUILT)
def test_mistakes_of_the_bank(name: str) -> None:
    """The table is solutions/NAME/mistakes/diagnoses.toml, written from the headers; it is printed with -s."""
    table = tomllib.loads((ROOT / "solutions" / name / "mistakes" / "diagnoses.toml").read_text(encoding="utf-8"))
    assert set(table) == {file.stem for file in (ROOT / "solutions" / name / "mistakes").glob("*.py")}
    told_right, wrong, silent = [], [], []
    for file, found in look_at_all(name, some(submissions(name, "mistakes"))).items():
        places = table[file.stem]
        if any(right(each, places) for each in found):
            told_right.append(file.stem)
        elif places:
            silent.append(file.stem)
        wrong += [f"{file.stem}: {each}" for each in found if each.confident and not right(each, places)]
    print(f"\n{name}: {len(told_right)} named, {len(silent)} not: {', '.join(silent)}")
    assert wrong == []
    assert len(told_right) >= SHARE * (len(told_right) + len(silent))


@pytest.mark.parametrize("name", BUILT)
def test_right_submissions(name: str) -> None:
    """Nothing is found between the solution and what is right, even when it is looked for."""
    files = sorted((ROOT / "solutions" / name / "variants").glob("*.py"))
    for file, found in compare_all(name, some(files), *BUILT[name]).items():
        assert found is None or not found.confident, f"{file.stem}: {found}"
