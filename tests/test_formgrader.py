"""nbgrader's formgrader in a real browser, on a course released, collected and autograded with our parts.

Its pages load MathJax from the network, which is not here: as for an instructor without one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import browser as real
import course as tiny
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbconvert import HTMLExporter
from nbcourse import HALF, NAME, Place, notebook
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, Page, expect

from grader.nbgrader_course.autograde import MAX_COLOURED, _is_slow
from grader.nbgrader_course.markdown import harmless

expect.set_options(timeout=real.PATIENCE * 1000)

EVIL = '<script>window.acted = 1</script><img src=x onerror="window.acted = 2">'
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PRINTING = f"""print({EVIL!r})


def double(x):
    print({EVIL!r})
    if x == 4:
        return {EVIL!r}
    raise ValueError({EVIL!r})


def triple(x):
    return {EVIL!r}
"""
WRITTEN = [
    EVIL,
    "a [link](javascript:alert(1)), [another](JaVa&#x73;cript:alert(2)) and <svg/onload=window.acted=3>",
    f"```mermaid\n{EVIL}\n```",
    f"```\n{EVIL}\n```",
    '<iframe srcdoc="<script>parent.acted = 4</script>"></iframe>',
    "![gone](attachment:gone.png)",
    "\\begin{a}" * 100_000,
]


def markdown(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A class that handed in by zip, with feedback: an honest notebook, and what would act in the browser."""
    place = Place(tiny.make(tmp_path_factory.mktemp("formgrader") / "project"))
    place.grader("release", NAME)
    release = place.course / "release" / NAME
    archive = place.course / "downloaded" / NAME / "archive"

    def hand_in(student: str, **files: str) -> None:
        (archive / student).mkdir(parents=True)
        for ending, content in files.items():
            (archive / student / f"{NAME}.{ending}").write_text(content, encoding="utf-8")

    honest = notebook(HALF, release)
    image = {"attachments": {"a.png": {"image/png": PIXEL}}}
    honest["cells"].append(markdown("It is **half** done: ![a plot](attachment:a.png)", id="mine", **image))
    hand_in("alice", ipynb=json.dumps(honest))
    hand_in("prints", py=PRINTING)
    (archive / "prints" / "timestamp.txt").write_text("this is no time")
    evil = notebook(tiny.RIGHT, release)
    evil["cells"][1:1] = [markdown(text, id=f"evil-{number}") for number, text in enumerate(WRITTEN)]
    evil["cells"].append({"cell_type": "raw", "metadata": {}, "source": EVIL, "id": "raw"})
    output = {"output_type": "display_data", "data": {"text/html": EVIL}, "metadata": {}}
    shown = {"source": "pass\n" + "\n " * 4_000, "outputs": [output], "execution_count": 1}
    evil["cells"].append({"cell_type": "code", "metadata": {}, "id": "shown", **shown})
    hand_in("writes", ipynb=json.dumps(evil))
    hand_in("<img src=x onerror=window.acted=5>", py=tiny.RIGHT)
    place.grader("collect", NAME, "--zip")
    place.grader("autograde", NAME)
    place.nbgrader("generate_feedback", NAME)
    return place


NAMED = "_img src=x onerror=window.acted=5_"
SCORES = {"alice": "4 / 10", "prints": "0 / 10", "writes": "10 / 10", NAMED: "10 / 10"}


@dataclass(frozen=True)
class Formgrader:
    """The page in which an instructor looks at formgrader."""

    address: str
    page: Page

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}formgrader/{path}")
        self.page.wait_for_load_state("networkidle")

    def row(self, text: str) -> Any:
        return self.page.locator("#main-table tr").filter(has=self.page.get_by_text(text, exact=True))

    def submission(self, student: str) -> None:
        """Where the list of submissions leads."""
        self.open(f"gradebook/{NAME}/{NAME}")
        link = self.page.locator("#main-table a.name-shown, #main-table .name-shown a").filter(has_text=student)
        self.page.goto(urljoin(self.address, link.first.get_attribute("href") or ""))
        self.page.wait_for_load_state("networkidle")

    def keep(self, name: str) -> None:
        """A screenshot for people."""
        real.KEPT.mkdir(exist_ok=True)
        self.page.screenshot(path=real.KEPT / f"formgrader_{name}.png", full_page=True)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with real.chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def server(graded: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with real.jupyter(graded.course, tmp_path_factory.mktemp("jupyter")) as started:
        yield started


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page without a network but this machine's, in which nothing must ask or act."""
    with closing(chromium.new_context(viewport={"width": 1200, "height": 900})) as context:
        made = context.new_page()
        made.set_default_timeout(real.PATIENCE * 1000)
        asked: list[str] = []
        made.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        context.route(lambda url: not url.startswith(("http://127.0.0.1:", "http://localhost:", "file:")), _abort)
        yield made
        assert not asked


def _abort(route: Any) -> None:
    route.abort()


@pytest.fixture
def formgrader(server: tuple[str, str], page: Page) -> Formgrader:
    address, token = server
    page.goto(f"{address}formgrader/manage_assignments?token={token}")
    return Formgrader(address, page)


def nothing_acted(page: Page) -> None:
    assert page.evaluate("window.acted") is None
    links = page.eval_on_selector_all("[href], [src]", "all => all.map(each => each.href || each.src || '')")
    assert links
    assert not [link for link in links if str(link).lower().startswith("javascript:")]


# Looking


def test_the_assignment_and_its_submissions_are_listed(formgrader: Formgrader) -> None:
    formgrader.open("manage_assignments")
    row = formgrader.row(NAME)
    expect(row.locator(".status")).to_have_text("released")
    expect(row.locator(".num-submissions")).to_have_text(str(len(SCORES)))
    formgrader.keep("assignments")
    formgrader.open(f"manage_submissions/{NAME}")
    for student, score in SCORES.items():
        row = formgrader.row(student)
        expect(row.locator(".status")).to_have_text("graded")
        expect(row.locator(".score")).to_have_text(score)
        expect(row.locator(".timestamp")).to_have_text("None")
    formgrader.keep("submissions")
    nothing_acted(formgrader.page)


def test_feedback_is_read_beside_the_grades(formgrader: Formgrader) -> None:
    formgrader.submission("alice")
    page = formgrader.page
    text = page.locator("#notebook-container").first.inner_text()
    for part in [
        "✓ double gives twice its argument: 2 of 2 points (passed)",
        "✗ triple gives three times its argument: 0 of 6 points (failed, hidden)",
        "Thrice.",
        "It is half done:",
    ]:
        assert part in text
    assert "reference.triple" not in page.content()
    assert "triple is wrong." not in page.content()
    failed = page.get_by_text("✗ triple gives")
    assert failed.evaluate("each => getComputedStyle(each).color") == "rgb(207, 34, 46)"
    assert page.get_by_alt_text("a plot").evaluate("each => each.naturalWidth") == 1
    for check, points in {"double": "2", "double_float": "2", "triple": "0"}.items():
        assert page.locator(f"input#{check}").get_attribute("placeholder") == points
    formgrader.keep("submission")


def test_the_file_that_was_graded_is_shown(formgrader: Formgrader) -> None:
    formgrader.submission(NAMED)
    text = formgrader.page.locator("#notebook-container").first.inner_text()
    assert f"What was handed in and graded: {NAME}.py" in text
    assert tiny.RIGHT.strip() in text.replace("\xa0", " ")


@pytest.mark.parametrize("student", SCORES)
def test_nothing_that_a_student_wrote_acts(formgrader: Formgrader, graded: Place, student: str) -> None:
    formgrader.submission(student)
    nothing_acted(formgrader.page)
    assert "points (" in formgrader.page.locator("#notebook-container").first.inner_text()
    if student == "prints":  # what it printed is there to be read
        assert formgrader.page.locator("#notebook-container pre").filter(has_text=EVIL).count() >= 5
        formgrader.keep("submission_that_prints")
    formgrader.page.goto((graded.course / "feedback" / student / NAME / f"{NAME}.html").as_uri())
    nothing_acted(formgrader.page)
    assert "points (" in formgrader.page.inner_text("body")


# Grading


def test_a_manual_grade_and_a_comment_stay(formgrader: Formgrader, graded: Place) -> None:
    page = formgrader.page
    formgrader.submission("alice")
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        page.locator("input#triple").fill("4.5")
        page.locator("input#triple").blur()
    comment = page.locator("textarea#solution_3-comment")
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        comment.fill("Well begun.")
        comment.blur()
    page.reload()
    page.wait_for_load_state("networkidle")
    expect(page.locator("input#triple")).to_have_value("4.5")
    expect(page.locator("textarea#solution_3-comment")).to_have_value("Well begun.")
    formgrader.keep("manual_grade")
    assert graded.scores()["alice"] == 8.5
    formgrader.open(f"gradebook/{NAME}/{NAME}")
    expect(formgrader.page.locator("#main-table tr").filter(has_text="alice")).to_contain_text("8.5 / 10")

    def press(button: str) -> None:
        formgrader.open(f"manage_submissions/{NAME}")
        formgrader.row("alice").locator(f".{button} a").click()
        expect(page.locator(".modal-title")).to_have_text("Success")

    press("autograde")
    assert graded.scores()["alice"] == 8.5
    graded.grader("autograde", NAME)
    formgrader.open(f"manage_submissions/{NAME}")
    expect(formgrader.row("alice").locator(".score")).to_have_text("8.5 / 10")
    press("generate-feedback")
    press("release-feedback")
    feedback = graded.feedback("alice")
    assert "Well begun." in feedback
    assert "(Score: 8.5 / 10.0)" in feedback
    secret = graded.course / "submitted" / "alice" / NAME / "submission_secret.txt"
    assert secret.is_file()
    assert len(list((graded.course / "exchange" / "course" / "feedback").glob("*.html"))) == 1
    with Gradebook(f"sqlite:///{graded.course}/gradebook.db") as gradebook:
        grade = gradebook.find_grade("triple", NAME, NAME, "alice")
        assert (grade.auto_score, grade.manual_score) == (0, 4.5)


def test_collecting_from_the_exchange(formgrader: Formgrader, graded: Place) -> None:
    """Who hands in by hand, without `nbgrader submit`, gets at no file of the instructor's and stops nobody."""
    inbound = graded.course / "exchange" / "course" / "inbound"

    def hand_in(name: str) -> Path:
        folder = inbound / name
        folder.mkdir(parents=True)
        (folder / f"{NAME}.py").write_text(HALF)
        (folder / "timestamp.txt").write_text("no time")
        return folder

    hand_in(f"bob+{NAME}+2026-01-01 10:00:00 UTC+x")
    hand_in(f"<b>+{NAME}+2026-01-01 10:00:00 UTC+x")
    hand_in(f"when+{NAME}+never")
    hand_in(f"..+{NAME}+2026-01-01 10:00:00 UTC+x")
    linked = hand_in(f"links+{NAME}+2026-01-01 10:00:00 UTC+x")
    (linked / f"{NAME}.py").unlink()
    (linked / f"{NAME}.py").symlink_to(graded.root / "solutions" / NAME / f"{NAME}.py")
    (linked / "more").symlink_to(graded.root / "solutions")
    os.mkfifo(linked / "pipe")
    (inbound / f"thief+{NAME}+2026-01-01 10:00:00 UTC+x").symlink_to(graded.root / "solutions" / NAME)
    formgrader.open("manage_assignments")
    formgrader.row(NAME).locator(".collect a").click()
    expect(formgrader.page.locator(".modal-title")).to_have_text("Success")
    assert not (graded.course / NAME).exists()
    submitted = {path.parent.name for path in (graded.course / "submitted").glob(f"*/{NAME}")}
    assert submitted == {*SCORES, "bob", "links", "thief"}
    formgrader.open(f"manage_submissions/{NAME}")
    for student, score in {"bob": "4 / 10", "links": "0 / 10", "thief": "0 / 10"}.items():
        formgrader.open(f"manage_submissions/{NAME}")
        formgrader.row(student).locator(".autograde a").click()
        expect(formgrader.page.locator(".modal-title")).to_have_text("Success")
        formgrader.open(f"manage_submissions/{NAME}")
        expect(formgrader.row(student).locator(".score")).to_have_text(score)


# Markdown


@pytest.mark.parametrize(
    "source",
    [
        "# A title\n\n* one\n* `two`",
        "$a < b$ and $$a<2$$",
        "1 < 2 <3",
        "[here](README.md#how), https://example.org",
        "",
    ],
)
def test_ordinary_markdown_is_as_it_was(source: str) -> None:
    assert harmless(source, {}) == source


PIECES = [
    "<",
    ">",
    "</",
    "script",
    "a",
    '"',
    "'",
    "`",
    "```",
    "\n",
    "\n\n",
    "    ",
    "[",
    "](",
    ")",
    "]: ",
    "javascript:",
    "&#106;",
]
PIECES += [
    "!",
    "!--",
    "?",
    "$",
    "$$",
    "\\",
    "\\begin{a}",
    "\\end{a}",
    "&lt;",
    "|",
    "-",
    "*",
    "data:text/html,",
    "\t",
    "mermaid",
]


BASIC = HTMLExporter(template_name="basic")
SOURCE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@settings(deadline=None, max_examples=20)
@given(st.lists(SOURCE, min_size=20, max_size=20))
def test_no_markdown_makes_a_tag_of_its_own(sources: list[str]) -> None:
    found = new_notebook(cells=[new_markdown_cell(harmless(source, {})) for source in sources])
    page, _ = BASIC.from_notebook_node(nbformat.from_dict(found))
    assert "<script" not in page
    assert "<a>" not in page
    assert 'href="javascript:' not in page.lower()
    assert 'href="data:' not in page.lower()


def test_what_would_take_minutes_to_colour_is_not_coloured() -> None:
    assert not _is_slow([tiny.RIGHT])
    assert all(_is_slow([code]) for code in ("a." * 1_000, "\n " * 1_000, "pass\n" * MAX_COLOURED))
