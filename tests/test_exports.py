"""grader.exports: files that every program reads back, and that no submission can make say or do anything else."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich
from markdown_it.token import Token
from rich.cells import cell_len

from grader.exports import changes, feedback, grades, junit, show, summary, told, write_all
from grader.exports.cells import cell, csv_bytes
from grader.exports.folder import MANIFEST
from grader.exports.names import LONGEST_BYTES, file_names
from grader.gradebook import Entry
from grader.result import STATUSES, CheckDetail, Result, Status, Summary, TestResult

Golden = Callable[[str, str], None]
TITLE, POINTS = "VGG-16 for CIFAR-10", 20


def outcome(check: str, title: str, status: Status, points: float, **detail: object) -> TestResult:
    passed = status == "passed"
    extra = CheckDetail(check, status, **detail)  # type: ignore[arg-type]
    return TestResult(title, points if passed else 0, points, "passed" if passed else "failed", "", extra)


def result_of(tests: Sequence[TestResult], seconds: float = 3.2, **summary: object) -> Result:
    values = {"assignment": "vgg16", "title": TITLE, "submission": "vgg16.py", "status": "failed", "max_score": POINTS}
    total = sum(test.score for test in tests)
    return Result(total, seconds, list(tests), Summary(**{**values, **summary}))  # type: ignore[arg-type]


def checks(shape: Status, function: Status, exam: Status = "blocked") -> list[TestResult]:
    """The outcomes of three checks, of which the last is hidden."""
    return [
        outcome(
            "shape",
            "make_layers gives the right output shape, for any cfg",
            shape,
            6,
            **({} if shape == "passed" else FAILED_SHAPE),
        ),
        outcome("function", "VGG computes the right function", function, 4, message="VGG(features)(x) did not finish."),
        outcome("exam", "The classifier drops half of its inputs", exam, 10, **HIDDEN),
    ]


FAILED_SHAPE = {
    "message": "make_layers([1, 'M']) on (2, 3, 2, 2) has shape (2, 1, 2, 2); (2, 1, 1, 1) is expected.",
    "expected": "(2, 1, 1, 1)",
    "actual": "(2, 1, 2, 2)",
    "frames": ["vgg16.py, line 52 in forward: return self.classifier(x)"],
    "printed": "layer 1\nlayer 2\n",
    "hint": "Each 'M' halves height and width; a convolution keeps them: nn.MaxPool2d(2, 2).",
}
HIDDEN = {
    "hidden": True,
    "message": "In train mode 31% of the signals pass; 25% are expected.",
    "expected": "25%",
    "actual": "31%",
    "frames": ["vgg16.py, line 60 in forward: return self.drop(x)"],
    "printed": "what the hidden check gave me",
    "hint": "nn.Dropout() before each of the two linear layers.",
}
CLASS = [
    Entry(
        "dave",
        result_of([], 0.1, status="error", message="dave.zip holds no Python file and no notebook."),
        ("refused",),
        ("dave.zip holds no Python file and no notebook.",),
        {"moodle_id": "12347"},
        previous=4,
    ),
    Entry(
        "김 철수",
        result_of(checks("failed", "timeout", "failed"), 61.25),
        ("late", "renamed"),
        ("It came late.", "vgg16_final (2).py was taken for vgg16.py: it defines make_layers."),
        {"moodle_id": "12345", "email": "chulsu@example.org"},
        previous=6,
    ),
    Entry("alice", result_of(checks("passed", "passed", "passed"), status="passed"), identifiers={"canvas_id": "71"}),
    Entry(
        "Bob",
        result_of(checks("passed", "timeout", "failed"), 30, status="timeout"),
        ("regraded", "resubmitted"),
        identifiers={"canvas_id": "72", "moodle_id": "12346", "email": "bob@example.org"},
        previous=10,
    ),
    Entry("bob", result_of(checks("passed", "passed", "failed")), same_as="alice", previous=10),
    Entry("=1+1", result_of(checks("error", "not_attempted"), 0.0, status="error")),
]


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def write(entries: Sequence[Entry], out: Path) -> dict[str, bytes]:
    """What write_all says it has written: path from ``out``: bytes."""
    paths = write_all(entries, out, title=TITLE, max_score=POINTS)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def everything(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


# All files


def test_what_is_written(tmp_path: Path) -> None:
    written = write(CLASS, tmp_path / "new" / "out")
    names = ["=1+1", "Bob", "alice", "bob", "dave", "김 철수"]
    files = file_names(names)
    assert list(written) == [
        *("grades.csv", "index.csv", "junit.xml", "canvas.csv", "moodle.csv"),
        *(f"results/{files[name]}.json" for name in names),
        *(f"feedback/{files[name]}.md" for name in names),
    ]
    assert everything(tmp_path / "new" / "out").keys() == written.keys() | {MANIFEST}


def test_the_same_class_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder, order in (("a", CLASS), ("b", random.Random(1).sample(CLASS, len(CLASS)))):
        write(order, tmp_path / folder)
    first = everything(tmp_path / "a")
    write(CLASS, tmp_path / "a")
    assert everything(tmp_path / "a") == first == everything(tmp_path / "b")


def test_times_are_in_results_only(tmp_path: Path) -> None:
    slower = [msgspec.structs.replace(entry, result=slow(entry.result)) for entry in CLASS]
    first, second = write(CLASS, tmp_path), write(slower, tmp_path)
    assert {name.split("/")[0] for name in first if first[name] != second[name]} == {"results"}


def slow(result: Result) -> Result:
    tests = [
        msgspec.structs.replace(test, extra_data=msgspec.structs.replace(test.extra_data, seconds=9))
        for test in result.tests
    ]
    return msgspec.structs.replace(result, execution_time=99, tests=tests)


def test_an_empty_class(tmp_path: Path) -> None:
    assert read(write([], tmp_path)["grades.csv"]) == [list(grades.HEADER)]
    assert summary([], title=TITLE, max_score=POINTS) == f"{TITLE}: 0 students"


def test_two_entries_of_a_student_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'alice'"):
        write([CLASS[2], CLASS[2]], tmp_path)
    assert not everything(tmp_path)


def test_a_file_that_cannot_be_replaced_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(CLASS, tmp_path)
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if target.name == "grades.csv":
            raise OSError("the disk is full")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="full"):
        write(CLASS[:2], tmp_path)
    assert (tmp_path / "grades.csv").read_bytes() == before["grades.csv"]
    assert not list(tmp_path.rglob("*.tmp"))


# Files of students who are no longer there


def test_only_what_was_written_is_removed(tmp_path: Path) -> None:
    write(CLASS, tmp_path)
    mine = tmp_path / "results" / "notes.json"
    mine.write_text("mine", encoding="utf-8")
    edited = tmp_path / "feedback" / "dave.md"
    edited.write_text("# By hand", encoding="utf-8")
    written = write(CLASS[2:3], tmp_path)
    assert written.keys() == {*FIXED, "results/alice.json", "feedback/alice.md"}
    assert everything(tmp_path).keys() == {*written, MANIFEST, "results/notes.json", "feedback/dave.md"}


FIXED = ("grades.csv", "index.csv", "junit.xml", "canvas.csv", "moodle.csv")


@pytest.mark.parametrize("manifest", [b"", b"\xff", b"[1]", b'{"results/notes.json": "0"}', b"PATHS"])
def test_a_damaged_manifest_removes_nothing(tmp_path: Path, manifest: bytes) -> None:
    outside = tmp_path / "kept.json"
    outside.write_bytes(b"kept")
    digest = hashlib.sha256(b"kept").hexdigest()
    out = tmp_path / "out"
    (out / "results").mkdir(parents=True)
    (out / "results" / "notes.json").write_bytes(b"kept")
    paths = ["../kept.json", "results/../../kept.json", str(outside), "grades.csv"]
    paths_with_digest = msgspec.json.encode(dict.fromkeys(paths, digest))
    (out / MANIFEST).write_bytes(paths_with_digest if manifest == b"PATHS" else manifest)
    write(CLASS, out)
    assert outside.read_bytes() == (out / "results" / "notes.json").read_bytes() == b"kept"


def test_a_run_that_was_stopped_leaves_nothing_behind_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def stop(self: Path, target: Path) -> Path:
        if target.parent.name == "feedback":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            write(CLASS, tmp_path)
    assert (tmp_path / "results" / "dave.json").exists()
    written = write(CLASS[2:3], tmp_path)
    assert everything(tmp_path).keys() == {*written, MANIFEST}


def test_a_name_that_changes_its_case_keeps_its_file(tmp_path: Path) -> None:
    write([Entry("alice", CLASS[2].result)], tmp_path)
    write([Entry("Alice", CLASS[2].result)], tmp_path)
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["Alice.json"]


# Names

ODD = [
    "", ".", "..", "a/b", "a\\b", "a:b", "dots...", " blank ", "x" * 300, "x" * 299 + "y", "가" * 300, "CON", "con.txt",
    "nul", "COM1", "lpt9.x", "-rf", "~", "$HOME", "a\0b", "a\nb", "\x1b[31mred", "<b>", "*?", "\udc80", "é", "e\u0301",
    "É", "Straße", "STRASSE", "ﬁ", "fi", "😀", "\u202eevil", "a-0123456789ab", "A-0123456789AB", "a", "A",
]  # fmt: skip


def test_plain_names_stay_as_they_are() -> None:
    names = ["alice", "김 철수", "O.Neil, Bob (2)", "bob@example.org", "Łukasz", "student_17"]
    assert file_names(names) == {name: name for name in names}
    decomposed = unicodedata.normalize("NFD", "김 철수")  # as a Mac writes it
    assert file_names([decomposed]) == {decomposed: "김 철수"}


def test_odd_names_get_names_that_every_system_takes(tmp_path: Path) -> None:
    assert_file_names(ODD)
    written = write([Entry(name, CLASS[2].result) for name in ODD], tmp_path)
    assert len(written) == len(FIXED) + 2 * len(ODD)
    assert len(read(written["grades.csv"])) == len(read(written["index.csv"])) == len(ODD) + 1
    assert {row[1] for row in read(written["index.csv"])[1:]} == {path.stem for path in tmp_path.glob("results/*")}


@given(st.lists(st.one_of(st.sampled_from(ODD), st.text(st.characters(codec=None), max_size=20)), unique=True))
@settings(deadline=None, max_examples=100)
def test_any_names_get_safe_and_different_files(names: list[str]) -> None:
    assert_file_names(names)


def assert_file_names(names: list[str]) -> None:
    files = file_names(names)
    assert list(files) == names
    assert files == file_names(names[::-1])
    seen = {unicodedata.normalize("NFKC", name.casefold()) for name in files.values()}
    assert len(seen) == len(names)
    for name in files.values():
        assert len(name.encode()) <= LONGEST_BYTES + 20
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f]|^[-. ]|[. ]$', name)
        assert name.split(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}


def test_a_file_name_does_not_depend_on_others() -> None:
    alone = {name: file_names([name])[name] for name in ("alice", "a/b", "김 철수")}
    together = file_names(["alice", "bob", "a/b", "a:b", "김 철수", "carol"])
    assert together | alone == together


# Tables


def test_grades(golden: Golden, tmp_path: Path) -> None:
    content = write(CLASS, tmp_path)["grades.csv"]
    assert content.startswith(b"\xef\xbb\xbf")  # else Excel does not know that it is UTF-8
    golden("exports_grades.csv", content.decode("utf-8-sig"))


HOSTILE = st.text(
    st.one_of(st.characters(codec=None), st.sampled_from("=+-@\t\r\n\"',;|<>&`*_[]()!#\\~\x1b\x07\0 한＝")), max_size=40
)


@given(HOSTILE)
@settings(deadline=None, max_examples=200)
def test_no_cell_is_a_formula(text: str) -> None:
    rows = read(csv_bytes(["first", "second"], [[cell(text), "1"], ["a", cell(text)]]))
    assert [len(row) for row in rows] == [2, 2, 2]
    assert rows[1][0] == rows[2][1] == cell(text)
    # A spreadsheet whose separator is another one sees other cells in the same line.
    for part in re.split("[,;|\t]", cell(text)):
        assert not part.strip().startswith(tuple("=+-@＝＋－＠"))


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1", "x;=1", 'x",=1', "x\n=1"]
)
def test_formulas(name: str, tmp_path: Path) -> None:
    for file in ("grades.csv", "index.csv", "canvas.csv", "moodle.csv"):
        entry = Entry(name, CLASS[0].result, identifiers={"moodle_id": "1", "canvas_id": name, "email": name})
        for row in read(write([entry], tmp_path)[file])[1:]:
            for part in row:
                assert part == "-" or not re.match(r"\s*[=+\-@＝]", part), row
                assert not re.search(r"[,;]\s*=", part), row


def test_canvas(golden: Golden, tmp_path: Path) -> None:
    content = write(CLASS, tmp_path)["canvas.csv"]
    golden("exports_canvas.csv", content.decode())
    header, points, *rows = read(content)
    assert header == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", TITLE]
    assert points == ["    Points Possible", "", "", "", "", "20"]
    assert len(rows) == len(CLASS)


def test_moodle(golden: Golden, tmp_path: Path) -> None:
    content = write(CLASS, tmp_path)["moodle.csv"]
    golden("exports_moodle.csv", content.decode())
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["Identifier"] for row in rows] == ["Participant 12346", "Participant 12347", "Participant 12345"]
    text = summary(CLASS, title=TITLE, max_score=POINTS)
    assert "moodle.csv leaves out 3 students without a participant number." in text
    assert "Canvas will ask who 3 students without an ID in canvas.csv may be." in text


def test_moodle_comments_are_harmless_html(tmp_path: Path) -> None:
    result = result_of([outcome("f", "<img src=x onerror=y> & more", "failed", 1, message="<script>")])
    content = write([Entry("<b>", result, identifiers={"moodle_id": "Participant 1"})], tmp_path)["moodle.csv"].decode()
    comment = read(content.encode())[1][-1]
    assert comment == "0 of 1 check passed. Not passed: &lt;img src=x onerror=y&gt; &amp; more (failed)."


# Results


def test_results_are_read_back(tmp_path: Path) -> None:
    written = write(CLASS, tmp_path)
    for entry in CLASS:
        name = f"results/{file_names([each.student for each in CLASS])[entry.student]}.json"
        assert msgspec.json.decode(written[name], type=Result) == entry.result


def test_a_result_with_what_is_no_unicode(tmp_path: Path) -> None:
    result = result_of(checks("failed", "passed"), submission="caf\udce9.py")
    written = write([Entry("alice", result)], tmp_path)["results/alice.json"]
    found = msgspec.json.decode(written, type=Result)
    assert found.extra_data.submission == "caf?.py"
    assert found.tests == result.tests


# Feedback


def test_feedback(golden: Golden, tmp_path: Path) -> None:
    written = write(CLASS, tmp_path)
    golden("exports_feedback.md", written["feedback/김 철수.md"].decode())
    golden("exports_feedback_refused.md", written["feedback/dave.md"].decode())


@pytest.mark.parametrize("status", STATUSES)
def test_a_hidden_check_does_not_tell_what_it_expects(status: Status) -> None:
    tells = "f(3) is 4711; 4712 is expected."
    detail = {"expected": "4712", "actual": "4711", "message": tells, "hint": "Return 4712.", "printed": "4712"}
    page = page_of(outcome("f", "f adds one", status, 5, hidden=True, frames=["a.py, line 7 in f: return x"], **detail))
    assert "4711" not in page
    assert "4712" not in page
    assert "f adds one" in page
    assert status.replace("_", " ") in page
    assert f"{5 if status == 'passed' else 0} of 5 points" in page
    assert ("a.py, line 7 in f: return x" in page) == (status != "passed")


def test_of_a_hidden_check_the_student_learns_what_went_wrong() -> None:
    raised = "f(tensor of shape (2, 3)) raised ValueError: too many values to unpack"
    page = page_of(outcome("f", "f", "error", 5, hidden=True, message=raised, hint="Unpack one.", expected="(2, 4)"))
    assert raised in page
    assert "Unpack one." in page
    page = page_of(outcome("f", "f", "failed", 5, hidden=True, message="f is 2.", hint="Add, do not multiply."))
    assert "Add, do not multiply." in page
    assert told.FAILED.split(".")[0] in page.replace("\n    ", " ")


def test_a_hidden_check_cannot_be_read_out_through_exceptions() -> None:
    page = page_of(outcome("f", "f", "error", 5, hidden=True, message="f raised " + "0123456789" * 390))
    assert len(page) < 1000


def test_a_public_check_tells_both_sides() -> None:
    page = page_of(outcome("shape", "shape", "failed", 5, **FAILED_SHAPE))
    assert "Expected:\n\n    (2, 1, 1, 1)\n\nActual:\n\n    (2, 1, 2, 2)\n" in page


def page_of(*tests: TestResult, student: str = "alice", notes: Sequence[str] = ()) -> str:
    entry = Entry(student, result_of(tests), notes=tuple(notes))
    return feedback.page(entry, title=TITLE, max_score=POINTS).decode()


MARKDOWN = [
    "<script>alert(1)</script>",
    "</code></pre><img src=x onerror=alert(1)>",
    "<!-- \n\n<div onclick=x>",
    "![image](http://example.org/x.png) [link](javascript:x) <http://example.org>",
    "```\n# not a heading\n```\n~~~\n````````",
    "` `` ``` a",
    "\n\n# heading\n\n- item\n\n    code\n> quote\n\n---\n===\n",
    "[x]: http://example.org\n\n[x]",
    "a\r# b\x0b# c\u2028# d\x85# e\u2029# f\x0c# g",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "**bold** __init__ ~~gone~~ $x$ &lt; &amp; \\",
    "\x1b[31mred\x1b]8;;http://example.org\x07 \u202eback \0",
    "x" * 5_000 + "\n" * 5_000,
]


@pytest.mark.parametrize("text", MARKDOWN)
def test_feedback_shows_text_as_text(text: str) -> None:
    assert_harmless(text)


@given(st.lists(st.one_of(st.sampled_from(MARKDOWN[:-1]), HOSTILE), max_size=4).map("".join))
@settings(deadline=None, max_examples=40)
def test_no_text_breaks_the_feedback(text: str) -> None:
    assert_harmless(text)


def assert_harmless(text: str) -> None:
    """``text`` wherever a submission, or an assignment, can put some: only this program's Markdown is left."""
    details = {"message": text, "hint": text, "expected": f"{text}1", "actual": f"{text}2", "frames": [text] * 9}
    statuses: tuple[Status, ...] = ("passed", "failed", "error")
    tests = [outcome(status, text, status, 1, printed=text, **details) for status in statuses]
    page = page_of(*tests, student=text, notes=[text] * 30)
    assert len(page) < 60_000
    assert not [char for char in page if unicodedata.category(char)[0] == "C" and char not in "\n\u200c\u200d"]
    for markdown in (MarkdownIt("commonmark"), MarkdownIt("js-default", {"html": True})):
        tokens = markdown.parse(page)
        headings = [token for token in tokens if token.type == "heading_open"]
        assert [token.tag for token in headings] == ["h1", "h2", "h2", "h2"]
        assert {token.type for token in flat(tokens)} <= ALLOWED
        labels = [token.content for token in tokens if token.type == "inline"]
        assert sum(label.startswith("Student: ") for label in labels) == 1


ALLOWED = {
    "heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "text_special",
    "strong_open", "strong_close", "code_inline", "code_block",
}  # fmt: skip


def flat(tokens: Sequence[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *flat(token.children or []))]


def test_what_a_viewer_shows_is_what_was_said() -> None:
    title, line = "`f` keeps __init__ & <b> [x](y) *z* #", "<script> `x` [y](z) **w**"
    page = page_of(outcome("f", title, "failed", 1, message=line, printed=line), student="``a` <b>")
    tokens = flat(MarkdownIt("commonmark").parse(page))
    assert [token.content for token in tokens if token.type == "code_block"] == [f"{line}\n"] * 2
    assert [token.content for token in tokens if token.type == "code_inline"] == ["``a` <b>"]
    start = next(place for place, token in enumerate(tokens) if token.tag == "h2")
    assert "".join(part.content for part in tokens[start + 1].children or []) == f"✗ 1. {title}"


# JUnit


def test_junit(golden: Golden, tmp_path: Path) -> None:
    content = write(CLASS, tmp_path)["junit.xml"]
    golden("exports_junit.xml", content.decode())
    root = ElementTree.fromstring(content)
    assert [suite.get("name") for suite in root] == ["=1+1", "Bob", "alice", "bob", "dave", "김 철수"]
    assert counts(root) == {"tests": 16, "failures": 5, "errors": 4, "skipped": 1}
    assert counts(root) == {key: sum(counts(suite)[key] for suite in root) for key in counts(root)}
    assert counts(root[2]) == {"tests": 3, "failures": 0, "errors": 0, "skipped": 0}


def counts(element: ElementTree.Element) -> dict[str, int]:
    return {name: int(element.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}


def test_junit_has_a_word_for_every_status() -> None:
    tests = [outcome(status, status, status, 1) for status in STATUSES]
    root = ElementTree.fromstring(junit.document([Entry("alice", result_of(tests))], title=TITLE))
    assert counts(root) == {"tests": 8, "failures": 2, "errors": 4, "skipped": 1}
    for kind, count in (("failure", 2), ("error", 4), ("skipped", 1)):
        assert len(root.findall(f".//{kind}")) == count


@given(st.one_of(st.sampled_from(["]]>", "\0\x08\x0b", "\ufffe\uffff", "\ud800", "<![CDATA[", *MARKDOWN]), HOSTILE))
@settings(deadline=None, max_examples=40)
def test_junit_is_valid_whatever_a_submission_says(text: str) -> None:
    details = {"message": text, "hint": text, "expected": text, "actual": text, "frames": [text] * 9, "printed": text}
    entries = [
        Entry(text, result_of([outcome("f", text, "failed", 1, **details)])),
        Entry(f"{text}2", result_of([], status="error", message=f"?{text}", frames=[text], printed=text)),
    ]
    root = ElementTree.fromstring(junit.document(entries, title=text))
    assert counts(root) == {"tests": 2, "failures": 1, "errors": 1, "skipped": 0}


# The screen


def test_summary(golden: Golden) -> None:
    golden("exports_summary.txt", summary(CLASS, title=TITLE, max_score=POINTS) + "\n")


def test_summary_counts_everyone_once() -> None:
    entries = [Entry(f"student{place}", scored(place * 0.1)) for place in range(201)]
    text = summary(entries, title=TITLE, max_score=POINTS)
    rows = [line for line in text.splitlines() if re.match(r" +[\d.]+ to", line)]
    assert [int(row.split()[3]) for row in rows] == [20] * 9 + [21]
    assert max(len(row) for row in rows) <= 80
    assert "mean 10, median 10, lowest 0, highest 20, of 20 points" in text


def scored(score: float) -> Result:
    return msgspec.structs.replace(result_of([]), score=score)


@pytest.mark.parametrize("max_score", [0, 0.5, 7, 1e6])
def test_summary_of_any_scores(max_score: float) -> None:
    entries = [Entry(f"s{score}", scored(score)) for score in (-1.0, 0.0, max_score / 2, max_score, 2 * max_score + 1)]
    rows = [line for line in summary(entries, title=TITLE, max_score=max_score).splitlines() if " to " in line]
    assert len(rows) == 10
    assert sum(int(row.split()[3]) for row in rows) == 5


@given(HOSTILE, st.integers(20, 130))
@settings(deadline=None, max_examples=40)
def test_the_screen_is_never_too_narrow_and_never_written_on(text: str, width: int) -> None:
    test = outcome("f", text, "failed", 1, message=text, frames=[text])
    entries = [
        Entry(text * 3, result_of([test]), ("late",), (text,), previous=5, same_as=text),
        Entry(f"{text}2", result_of([], message=f"?{text}" * 9), ("refused",), identifiers={"canvas_id": "1"}),
    ]
    room = min(max(width, 40), 100)
    shown = show(entries[0], width, "cp949").plain
    shown.encode("cp949")
    for output, limit in (
        (summary(entries, title=text, max_score=POINTS, width=width), room),
        (changes(entries), 80),
        (shown, room),
    ):
        assert max(map(cell_len, output.split("\n"))) <= limit
        assert not [char for char in output if unicodedata.category(char)[0] == "C" and char not in "\n\u200c\u200d"]


def test_many_who_were_refused_do_not_fill_the_screen() -> None:
    entries = [Entry(f"student{place:04}", result_of([], message="Nothing.")) for place in range(1_000)]
    text = summary(entries, title=TITLE, max_score=POINTS)
    assert len(text.splitlines()) < 50
    assert "... and 980 more" in text


def test_show(golden: Golden) -> None:
    golden("exports_show.txt", show(CLASS[1]).plain + "\n")


def test_changes(golden: Golden) -> None:
    golden("exports_changes.txt", changes(CLASS) + "\n")
    assert changes(CLASS[5:]) == ""
    assert changes(CLASS[4:]) == "Unchanged: 1 student\nWithout an old score: 1 student"
