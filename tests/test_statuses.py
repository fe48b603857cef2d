"""Whatever a submission does, each check ends in a status of its own, and the checks it did not spoil are graded."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis.internal.conjecture import providers

from grader import assignment, submission
from grader.judge.grade import grade
from grader.judge.workers import Workers
from grader.result import Result, Status

TOML = """
title = "Two functions"
files = ["work.py"]
points = 10
[limits]
import_seconds = 6
check_seconds = 6
memory_mb = 500
"""

CHECKS = '''
import torch
from grader.checks import check
from grader.checks.architecture import expect_module, expect_shape
from grader.checks.numerics import expect_same_function
from torch import nn


@check(points=4, hint="Return a tensor.")
def test_first(student):
    """first(x) keeps the shape"""
    expect_shape(student.first(torch.ones(2, 3)), (2, 3), "first")


@check(points=3)
def test_second(student):
    """second(x) returns its input"""
    if student.second(1) != 1:
        raise AssertionError("second(1) is not 1")


@check(points=3, requires=["first"])
def test_third(student):
    """third is only asked once first is right"""
    expect_same_function(expect_module(student.Third(), "Third()"), nn.Identity(), [torch.ones(2, 2)])
'''

RIGHT = """
from torch import nn

def first(x):
    return x * 2

def second(x):
    return x

class Third(nn.Module):
    def forward(self, x):
        return x
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    (folder / "assignments" / "two" / "checks").mkdir(parents=True)
    (folder / "assignments" / "two" / "assignment.toml").write_text(TOML)
    (folder / "assignments" / "two" / "checks" / "test_two.py").write_text(CHECKS)
    return folder


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(memory_mb=500) as started:
        yield started


@pytest.fixture
def graded(root: Path, workers: Workers, tmp_path: Path):
    def run(code: str) -> Result:
        file = tmp_path / "work.py"
        file.write_text(textwrap.dedent(code))
        two = assignment.load("two", root)
        return grade(two, submission.read(two, file), workers)

    return run


def statuses(result: Result) -> dict[str, Status]:
    return {test.extra_data.check: test.extra_data.status for test in result.tests}


def with_first(body: str) -> str:
    """RIGHT with another body for first(x)."""
    return RIGHT.replace("    return x * 2\n", textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n")


def test_right(graded) -> None:
    result = graded(RIGHT)
    assert statuses(result) == {"first": "passed", "second": "passed", "third": "passed"}
    assert (result.score, result.extra_data.status) == (10, "passed")


def test_what_torchvision_has_can_be_imported_but_not_used(graded) -> None:
    imports = (
        "import torchvision.models as models\nfrom torchvision.models.resnet import Bottleneck, ResNet50_Weights\n"
    )
    assert graded(imports + RIGHT).score == 10
    result = graded(imports + with_first("return models.resnet50(weights=ResNet50_Weights.DEFAULT)(x)"))
    assert statuses(result)["first"] == "error"
    assert "torchvision.models.resnet50 cannot be used here" in result.tests[0].extra_data.message
    result = graded(f"{imports}{RIGHT}\n\nclass Block(Bottleneck):\n    pass\n")
    assert "torchvision.models.resnet.Bottleneck cannot be used here" in result.extra_data.message


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ("raise NotImplementedError()", "not_attempted", "not written yet"),
        ("return y", "error", "NameError"),
        ("return None", "failed", "returned None"),
        ("return 'hello'", "failed", "returned a str"),
        ("return x[0]", "failed", "(2, 3) is expected"),
        ("while True: pass", "timeout", "did not finish within 6 s"),
        ("import time; time.sleep(100)", "timeout", "did not finish within 6 s"),
        ("import os; os._exit(0)", "crashed", "exit code 0"),
        ("import sys; sys.exit(0)", "error", "ended the program with exit()"),
        ("import os; os.kill(os.getpid(), 11)", "crashed", "SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "crashed", "SIGKILL"),
        ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
        ("return x.new_zeros(int(3e9))", "out_of_memory", "more memory"),
        ("kept = []\nwhile True: kept.append(bytearray(10**7))", "out_of_memory", "more memory"),
        ("return first(x)", "error", "RecursionError"),
        (
            "import os\nfor fd in range(3, 50):\n    try: os.write(fd, b'x' * 100)\n    except OSError: pass",
            "crashed",
            "connection",
        ),
        ("import os\nos.closerange(3, 100)\nreturn x", "crashed", "ended"),
        ("import os, time\nif os.fork() == 0: time.sleep(30)\nos._exit(3)", "crashed", "exit code 3"),
    ],
)
def test_one_function_spoilt(graded, body: str, status: Status, sentence: str) -> None:
    result = graded(with_first(body))
    assert statuses(result) == {"first": status, "second": "passed", "third": "blocked"}
    assert sentence in result.tests[0].extra_data.message
    assert result.score == 3
    assert result.extra_data.status == status


def test_after_a_check_out_of_time_the_next_has_a_third_of_its_limit(graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.judge.run.LEAST", 2)
    hanging = with_first("while True: pass").replace("    return x\n\nclass", "    while True: pass\n\nclass")
    messages = [test.extra_data.message for test in graded(hanging).tests]
    assert "did not finish within 6 s" in messages[0]
    assert "did not finish within 2 s" in messages[1]


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        ("def first(x:\n    return x\n", "error", "SyntaxError"),
        ("import nothing_of_the_kind\n", "error", "ModuleNotFoundError"),
        ("raise ValueError('no')\n", "error", "ValueError: no"),
        ("while True: pass\n", "timeout", "did not finish within 6 s"),
        ("import os; os._exit(0)\n", "crashed", "exit code 0"),
        ("exit()\n", "error", "exit()"),
        ("x = bytearray(10**10)\n", "out_of_memory", "more memory"),
        ("\x00", "error", "SyntaxError"),
    ],
)
def test_import_spoilt(graded, code: str, status: Status, sentence: str) -> None:
    result = graded(code)
    assert set(statuses(result).values()) == {"blocked"}
    assert (result.score, result.extra_data.status) == (0, status)
    assert sentence in result.extra_data.message


def test_syntax_error_shows_the_line(graded) -> None:
    assert graded("x = 1\ndef first(x:\n").extra_data.frames == ["work.py, line 2: def first(x:"]


def test_only_the_students_frames_are_shown(graded) -> None:
    frames = graded(with_first("import json\nreturn json.loads('{')")).tests[0].extra_data.frames
    assert [frame.split(":")[0] for frame in frames] == ["work.py, line 6 in first"]


def test_missing_name_is_suggested(graded) -> None:
    result = graded(RIGHT.replace("def second", "def secnd"))
    assert "work.py defines no second. It has secnd" in result.tests[1].extra_data.message


def test_nan_is_a_failure(graded) -> None:
    result = graded(
        RIGHT.replace("return x\n", "return x\n", 1).replace("        return x", "        return x / 0 * 0")
    )
    assert statuses(result)["third"] == "failed"
    assert "nan" in result.tests[2].extra_data.message


def test_printed_text_is_kept_and_bounded(graded) -> None:
    detail = graded(with_first("print('hello')\nreturn x")).tests[0].extra_data
    assert detail.printed == "hello\n"
    endless = graded(with_first("for _ in range(100_000): print('x' * 80)\nreturn x")).tests[0].extra_data
    assert endless.status == "passed"
    assert len(endless.printed) <= 4_000


def test_endless_printing_is_ended(graded) -> None:
    result = graded(with_first("while True: print('x' * 10**6)"))
    assert statuses(result)["first"] == "crashed"
    assert "printed more than" in result.tests[0].extra_data.message


@pytest.mark.parametrize(
    "reply",
    [
        "None",
        "{'result': 1}",
        "{'result': x, 'mutated': 'no'}",
        "[]",
        "{'result': x, 'mutated': [None]}",
    ],
)
def test_forged_reply_of_the_wrong_form(graded, reply: str) -> None:
    code = f"""
    import gc
    from grader.worker.server import Server

    for each in gc.get_objects():
        if isinstance(each, Server):
            each.operations["call"] = lambda **body: (lambda x: {reply})(body["args"][0])
    """
    result = graded(textwrap.dedent(code))
    assert statuses(result)["first"] in ("crashed", "failed")
    assert result.score == 0


def test_same_file_same_result(graded) -> None:
    first, second = graded(RIGHT), graded(RIGHT)
    assert first.extra_data.seed == second.extra_data.seed
    assert [test.score for test in first.tests] == [test.score for test in second.tests]


PROPERTY = """
from grader.checks import check
from hypothesis import given
from hypothesis import strategies as st


@check(points=10, seconds=120)
@given(numbers=st.lists(st.integers(0, 1_000), min_size=10))
def test_second(student, numbers):
    \"\"\"second(x) returns its input\"\"\"
    assert student.second(numbers) == numbers
"""


def test_examples_do_not_depend_on_what_is_imported(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_our_source() -> None:
        raise RuntimeError("hypothesis looks for constants in our source")

    monkeypatch.setattr(providers, "_get_local_constants", read_our_source)
    checks = tmp_path / "assignments" / "property" / "checks"
    checks.mkdir(parents=True)
    (checks.parent / "assignment.toml").write_text(TOML)
    (checks / "test_property.py").write_text(PROPERTY)
    file = tmp_path / "work.py"
    file.write_text(RIGHT)
    chosen = assignment.load("property", tmp_path)
    result = grade(chosen, submission.read(chosen, file), workers)
    assert result.score == 10
    assert providers._get_local_constants is read_our_source  # put back: the process may have tests of its own


def test_nothing_is_left_behind(root: Path, tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    file = tmp_path / "work.py"
    file.write_text(with_first("import subprocess\nsubprocess.Popen(['sleep', '60'])\nwhile True: pass"))
    two = assignment.load("two", root)
    with Workers(memory_mb=500) as workers:
        grade(two, submission.read(two, file), workers)
    for _ in range(50):
        left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
        if not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]:
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"still running: {left}")
