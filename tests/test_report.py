"""grader.report: what a student reads, and that nothing a submission says can do more than be read."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from grader import report
from grader.result import STATUSES, CheckDetail, Result, Status, Summary, TestResult

Golden = Callable[[str, str], None]


def outcome(check: str, title: str, status: Status, points: float, **detail: object) -> TestResult:
    passed = status == "passed"
    extra = CheckDetail(check, status, **detail)  # type: ignore[arg-type]
    return TestResult(title, points if passed else 0, points, "passed" if passed else "failed", "", extra)


def result_of(tests: list[TestResult], **summary: object) -> Result:
    values = {"assignment": "vgg16", "title": "VGG-16 for CIFAR-10", "submission": "vgg16.py", "status": "failed"}
    score, points = sum(test.score for test in tests), sum(test.max_score for test in tests)
    return Result(score, 3.2, tests, Summary(**{**values, "max_score": points, **summary}))  # type: ignore[arg-type]


MIXED = result_of(
    [
        outcome(
            "make_layers_shape",
            "make_layers gives the right output shape, for any cfg",
            "failed",
            6,
            message="make_layers([1, 'M']) on (2, 3, 2, 2) has shape (2, 1, 2, 2); (2, 1, 1, 1) is expected.",
            expected="(2, 1, 1, 1)",
            actual="(2, 1, 2, 2)",
            printed="\n".join(f"layer {number}" for number in range(9)) + "\n\n",
            hint="Each 'M' halves height and width (rounded down); a convolution keeps them.",
        ),
        outcome(
            "make_layers_state",
            "make_layers has the right parameters under the right names, for any cfg and with batch norm",
            "blocked",
            6,
            message="Not run: first “make_layers gives the right output shape, for any cfg”.",
            waits_for=["make_layers_shape"],
        ),
        outcome(
            "vgg_shape",
            "VGG(features) gives 10 logits per image",
            "error",
            6,
            message="VGG(features)(tensor of shape (2, 3, 32, 32)) raised RuntimeError: 행렬의 크기가 맞지 않습니다",
            frames=[f"vgg16.py, line {number} in again: return again(x)" for number in range(10, 16)]
            + ["vgg16.py, line 52 in forward: return self.classifier(x)"],
            hint="Flatten everything but the batch: torch.flatten(x, 1).",
        ),
        outcome("vgg_state", "The right parameters under the right names", "not_attempted", 10, message="Not yet."),
        outcome(
            "accuracy",
            "With the reference weights vgg16() gets at least 85 % right",
            "passed",
            12,
            message="CIFAR-10: 88.2% of 350 images, enough to decide; on all 10,000: 86.1% to 90.0%.",
            dataset="CIFAR-10",
        ),
        outcome("loop", "It ends", "timeout", 4, message="f() did not finish within 60 s. Is there an endless loop?"),
        outcome(
            "memory", "It is frugal", "out_of_memory", 4, message="f() used more than 4,000 MB of memory and was ended."
        ),
        outcome(
            "crash", "It stands", "crashed", 4, message="f() crashed the Python process (SIGSEGV).", expected="≥ 85 %",
            actual="nothing",
        ),
        outcome("order", "Layers in order", "blocked", 4, waits_for=["crash", "loop"]),
        outcome("own_work", "Nothing is taken from torchvision.models", "passed", 4),
    ],
    data="/data/cifar10/test.tar.xz",
    not_run_points=40,
)  # fmt: skip

UNTOUCHED = result_of(
    [
        outcome(
            "make_layers",
            "make_layers gives the right output shape, for any cfg",
            "not_attempted",
            60,
            message="make_layers([1], batch_norm=False): not written yet (vgg16.py, line 19).",
            frames=["vgg16.py, line 19 in make_layers: raise NotImplementedError()"],
            hint="Each 'M' halves height and width.",
        ),
        outcome("vgg", "VGG gives 10 logits", "blocked", 40, waits_for=["make_layers"]),
    ],
    status="not_attempted",
)

NOT_IMPORTABLE = result_of(
    [outcome(name, name, "blocked", 10) for name in ("first", "second")],
    status="error",
    message="Importing vgg16.py raised SyntaxError: expected ':'",
    frames=["vgg16.py, line 7: def make_layers(cfg)"],
    printed="starting\n",
)

FULL = result_of([outcome("f", "f adds one", "passed", 100)], status="passed")


@pytest.mark.parametrize(
    ("name", "result"),
    [("mixed", MIXED), ("untouched", UNTOUCHED), ("not_importable", NOT_IMPORTABLE), ("full", FULL)],
)
def test_report_at_80_columns(name: str, result: Result, golden: Golden) -> None:
    golden(f"{name}.txt", printed(result))


def test_report_on_a_narrow_ascii_terminal(golden: Golden) -> None:
    golden("mixed_narrow_ascii.txt", printed(MIXED, width=48, encoding="ascii"))


def test_colour_adds_nothing_but_colour() -> None:
    coloured = printed(MIXED, colour=True)
    assert "\x1b[" in coloured
    assert report.plain(coloured) == printed(MIXED)


def test_every_status_has_its_word() -> None:
    text = printed(result_of([outcome(status, status, status, 1) for status in STATUSES]))
    words = [line.split()[2] for line in text.splitlines() if line.startswith(" ")]
    assert words == ["PASS", "FAIL", "ERROR", "TIMEOUT", "MEMORY", "CRASH", "BLOCKED", "TODO"]


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    message = "model.load_state_dict(...) raised\n" + "    [0., 0., 0.],\n" * 200 + "size mismatch for fc.weight"
    text = printed(result_of([outcome("f", "f", "error", 1, message=message)]))
    assert "load_state_dict" in text
    assert "size mismatch for fc.weight" in text
    assert len(text.splitlines()) < 30


def test_next_is_the_first_that_can_be_worked_on() -> None:
    tests = [
        outcome("a", "a", "passed", 1),
        outcome("b", "b", "blocked", 1, waits_for=["c"]),
        outcome("c", "c is right", "failed", 1, message="c(1) is 2; 3 is expected."),
        outcome("d", "d", "error", 1, message="d", hint="Look at d."),
    ]
    assert report.next_step(result_of(tests)) == "Next: check 3, c is right. c(1) is 2; 3 is expected."
    assert report.next_step(result_of(tests[:1])) == "Next: nothing. All checks passed."


def test_overview() -> None:
    second = result_of([outcome("f", "f", "failed", 3, message="")], assignment="resnet50")
    stub = [outcome("g", "g", "not_attempted", 2), outcome("h", "h", "blocked", 2, waits_for=["g"])]
    third = result_of(stub, assignment="vgg")
    assert report.overview_lines([FULL, second, third]) == [
        "vgg16     100 of 100 points",
        "resnet50  0 of 3 points",
        "vgg       0 of 4 points, not started",
    ]


def test_what_is_started() -> None:
    stub = [outcome("g", "g", "not_attempted", 2), outcome("h", "h", "blocked", 2, waits_for=["g"])]
    assert not report.is_started(result_of(stub))
    assert report.is_started(result_of([*stub, outcome("f", "f", "failed", 1, message="")]))
    assert report.is_started(result_of([], status="error", message="It cannot be imported."))


def hostile(text: str) -> list[Result]:
    """``text`` wherever a submission can put some."""
    check = outcome(
        "f", text, "error", 1, message=text, hint=text, expected=text + "1", actual=text + "2", frames=[text] * 9,
        printed=text,
    )  # fmt: skip
    failed_import = {"message": text or "?", "frames": [text], "printed": text}
    return [result_of([check], submission=text, data=text), result_of([check], status="error", **failed_import)]


@pytest.mark.parametrize(
    "text",
    [
        "[bold red]markup[/bold red] [link=http://x]y[/link] :smile:",
        "\x1b[31mred\x1b[0m\x1b[2J\x1b[H\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x9b31m \x08 \x00",
        "a\rb\r\nc\x0bd\u2028e\u202eright to left\u2066 \ufeff \ud800 \U000e0041",
        "\x1b]0;never ended\nbut the next line is there",
    ],
)
def test_a_submission_cannot_write_escape_sequences_or_markup(text: str) -> None:
    for result in hostile(text):
        assert_harmless(printed(result, colour=False))
        assert_harmless(report.plain(printed(result, colour=True)))
    if text.startswith("[bold"):
        assert text[:24] in printed(hostile(text)[0])
    if "never ended" in text:
        assert "but the next line is there" in printed(hostile(text)[0])


@settings(deadline=None, max_examples=60)
@given(
    st.text(st.one_of(st.characters(), st.sampled_from("\x1b[]();m\x07\n\t[/] 한글✓")), max_size=300),
    st.integers(20, 130),
    st.sampled_from(["utf-8", "ascii", "cp949", "cp1252"]),
)
def test_any_text_fits(text: str, width: int, encoding: str) -> None:
    for result in hostile(text):
        output = printed(result, width=width, encoding=encoding)
        output.encode(encoding)
        assert_harmless(output)
        room = min(max(width, report.NARROWEST), report.WIDEST)
        assert max(map(cell_len, output.split("\n"))) <= room


def assert_harmless(output: str) -> None:
    allowed = {"\n", "\u200c", "\u200d"}
    assert not [char for char in output if unicodedata.category(char)[0] == "C" and char not in allowed]


def printed(result: Result, *, width: int = 80, encoding: str = "utf-8", colour: bool = False) -> str:
    """What `report.show` writes to a terminal, or to a pipe."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    console = Console(file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None)
    report.show(result, console)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
