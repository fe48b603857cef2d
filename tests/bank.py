"""Grade many submissions at once, for the tests that run a whole bank of them."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from grader.result import Result, TestResult

ROOT = Path(__file__).resolve().parent.parent
LEAST = {"mistakes": 26, "variants": 16}  # how many of each an ordinary test run grades
# A mistake's file says "Caught by: make_layers": then one of these checks must catch it, whatever others do.
CATCHERS = {
    "vgg16": {
        "make_layers": [
            "make_layers_shape",
            "make_layers_state",
            "make_layers_defaults",
            "make_layers_function",
            "make_layers_gradient",
            "make_layers_calls",
        ],
        "classifier": ["vgg_shape", "vgg_state", "vgg_function", "vgg_dropout", "vgg_training"],
        "forward": ["vgg_shape", "vgg_function", "vgg_dropout", "vgg_training"],
        "dropout": ["vgg_function", "vgg_dropout", "vgg_training"],
        "gradient": ["vgg_gradient"],
        "init": ["vgg_init"],
        "vgg16": ["vgg16_architecture", "vgg16_function"],
        "source": ["own_work"],
    },
    "resnet50": {
        "block": ["block_shape", "block_function"],
        "block_downsample": ["block_downsample_shape", "block_downsample_function"],
        "layer1": ["layer1_shape", "layer1_function"],
        "layer2": ["layer2_shape", "layer2_function"],
        "layer3": ["layer3_shape", "layer3_function"],
        "layer4": ["layer4_shape", "layer4_function"],
        "avgpool": ["avgpool"],
        "fc": ["fc"],
        "num_classes": ["num_classes"],
        "whole": ["resnet50_architecture", "resnet50_function", "resnet50_gradient"],
        "accuracy": ["accuracy"],
        "source": ["own_work"],
    },
}
_state: dict[str, object] = {}


def submissions(name: str, kind: str) -> list[Path]:
    """The files of solutions/<name>/<kind>/ ("mistakes" or "variants"): all with WHOLE_BANK=1, else every few."""
    files = sorted((ROOT / "solutions" / name / kind).glob("*.py"))
    least = LEAST[kind]
    return files if os.environ.get("WHOLE_BANK") == "1" else files[:: max(1, len(files) // least)]


def catchers(mistake: Path) -> list[str]:
    """The checks one of which must catch ``mistake`` (solutions/<name>/mistakes/<file>), as the file itself says.

    >>> catchers(ROOT / "solutions" / "vgg16" / "mistakes" / "init_missing.py")
    ['vgg_init']
    """
    (topic,) = re.findall(r"^Caught by: (\w+)$", mistake.read_text(encoding="utf-8"), re.MULTILINE)
    return CATCHERS[mistake.parent.parent.name][topic]


def grade_all(name: str, files: list[Path]) -> dict[Path, Result]:
    """Grade ``files`` as submissions of assignment ``name`` on the embedded digits, on all cores.

    A mistake has to be caught by a check that its file names. So of it only those are run, up to the first that does
    not pass; all others are taken as passed, as they are by the solution.
    """
    context = multiprocessing.get_context("spawn")
    solution = ROOT / "solutions" / name / f"{name}.py"
    mistakes = [file for file in files if file.parent.name == "mistakes"]
    others = [solution, *(file for file in files if file != solution and file not in mistakes)]
    with ProcessPoolExecutor(os.cpu_count(), context, _start) as pool:
        found = {file: pool.submit(_grade, name, file) for file in others}
        passed = found[solution].result().tests
        for file in mistakes:
            wanted = catchers(file)
            known = [test for test in passed if test.extra_data.check not in wanted]
            found[file] = pool.submit(_grade, name, file, known, fail_fast=True)
        return {file: found[file].result() for file in files}


def _start() -> None:
    from grader.judge.workers import Workers

    _state["workers"] = Workers()


def _grade(name: str, file: Path, known: Iterable[TestResult] = (), fail_fast: bool = False) -> Result:
    from grader import submission
    from grader.cli import assignments
    from grader.judge.grade import grade
    from grader.judge.workers import Workers

    workers = _state["workers"]
    assert isinstance(workers, Workers)
    # None of them hangs. On a busy machine importing torchvision alone can take longer than an assignment allows.
    chosen = assignments.load(name, ROOT, timeout=600)
    handed_in = submission.read(chosen, file)
    return grade(chosen, handed_in, workers, data=Path("digits"), known=known, fail_fast=fail_fast)
