"""Feedback in Korean: nothing is untranslated, nothing goes past gettext, and a student reads it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from grader import assignment, bootstrap, language, translations
from grader.class_run import fingerprint

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = sorted(ROOT.glob("*/locale/*/LC_MESSAGES/*.po")) + sorted(ROOT.glob("*/*/locale/*/LC_MESSAGES/*.po"))
# Whatever students read is said here. Instructors' commands speak English.
SAID = sorted(
    path
    for pattern in (
        "grader/checks/*.py",
        "grader/student/*.py",
        "grader/diagnosis/*.py",
        "grader/intake/*.py",
        "assignments/*/checks/*.py",
        "solutions/*/checks/*.py",
        "grader/report.py",
        "grader/submission.py",
        "grader/datasets.py",
        "grader/bootstrap.py",
        "grader/exports/feedback.py",
        "grader/exports/told.py",
        "grader/judge/session.py",
        "grader/nbgrader_course/cells.py",
    )
    for path in ROOT.glob(pattern)
)


# Catalogues


def test_catalogues_are_in_step_with_the_sources() -> None:
    made = translations.written(ROOT)
    assert [path for path, content in made.items() if not path.is_file() or path.read_bytes() != content] == [], (
        "run: make translations"
    )
    assert {path.with_suffix(".po") for path in made} == set(CATALOGUES)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT).parts[:2]))
def test_everything_is_translated(path: Path) -> None:
    messages = [message for message in translations.read(path) if message.id]
    assert messages
    for message in messages:
        assert not message.fuzzy, f"{message.id} has changed: see that its translation still fits, then drop the mark"
        assert all(translations.strings(message)), f"{message.id} is not translated"
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        for text in translations.strings(message):
            assert placeholders(text) == placeholders(ids[-1]), message.id


def placeholders(text: str) -> set[tuple[str, str, str]]:
    """(name, conversion, format) of each: {x!r:>3}."""
    return {(name, how or "", spec or "") for _, name, spec, how in string.Formatter().parse(text) if name is not None}


# Sentences in the code

OUTCOMES = {"CheckFailed", "GradientDiffers", "StudentError", "MissingName"}
TRANSLATORS = {"gettext", "ngettext", "later"}
# What these are given is no student's to read: a bug of ours, a pattern, a key, a name.
OURS = {
    *("ValueError", "TypeError", "ProtocolError", "OSError", "AttributeError", "BrokenCheck", "IntakeError", "compile"),
    *("match", "fullmatch", "sub", "search", "split", "startswith", "endswith", "run", "parametrize", "print"),
}
WORD = re.compile(r"[^\W\d_]{2,}")
PROSE = re.compile(r"(?<![\w.])[A-Za-z]?[a-z]{2,}'?[,:;]? (?:\{\} )?[a-z]{2,}(?![\w.(=])|\{\} [a-z]{2,}|[a-z]{2,} \{\}")
NOT_SAID = {
    "None": "the same in every language",
    "is_leaf": "an attribute of a tensor",
    " in {}": "Frame: `grader.report.frame_line` reads it",
    "{}, line {}{}: {}": "Frame",
    "def {}(": "looked for in the source",
    "can't allocate memory": "what torch says",
    "incompatible tensor type": "what torch says",
    "(mean, std)": "the names of two values",
    "evaluate(model, loader, criterion, k={})": "source code",
    "the content of {}": "what is in a file",
    "no extension": "the name of a file",
    "due parole": "the name of a folder",
    "# %% code cell {}": "source code",
    "from __future__ import {}": "source code",
    "# The code cells of a notebook. Lines that only a notebook understands are commented out.": "source code",
    "import sys; print(*sys.version_info[:2])": "source code",
    **dict.fromkeys(("bold red", "bold magenta", "bold yellow", "bold green"), "a style"),
    **dict.fromkeys(bootstrap.CAUSES, "what tools say"),
}


def past_gettext(source: str) -> list[tuple[int, str]]:
    """(line, text) of each string that students can read and that goes past gettext, as far as the text tells.

    All that is put into an outcome, and whatever looks like prose.
    """
    tree = ast.parse(source)
    hints = {
        each.id
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "hint"
        for each in ast.walk(node.value)
        if isinstance(each, ast.Name)
    }
    found: dict[tuple[int, str], None] = {}
    for node in nodes(tree, hints):
        if isinstance(node, ast.Call) and called(node) in OUTCOMES:
            for given in (*node.args, *(keyword.value for keyword in node.keywords)):
                sides = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
                for text in map(literal, sides):
                    if WORD.search(text.replace("{}", "")):
                        found[node.lineno, text] = None
        if isinstance(node, ast.Call) and called(node) in TRANSLATORS:
            for given in node.args[:2] if called(node) == "ngettext" else node.args:
                if isinstance(given, (ast.JoinedStr, ast.BinOp, ast.Call)):
                    found[node.lineno, ast.unparse(given)] = None
        elif PROSE.search(literal(node)):
            found[node.lineno, literal(node)] = None
    return [(line, text) for line, text in found if text not in NOT_SAID]


def nodes(node: ast.AST, hints: set[str]) -> Iterator[ast.AST]:
    """``node`` and what is in it, but for docstrings, ``hints``, what gettext is given, and what no student reads."""
    inner: Iterator[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Assign) and any(isinstance(each, ast.Name) and each.id in hints for each in node.targets):
        return
    if isinstance(node, ast.keyword) and node.arg in ("hint", "label"):  # hints are collected; a label is hypothesis's
        return
    if isinstance(node, ast.Assert):
        inner = iter([node.test])
    elif isinstance(node, ast.Call) and called(node) in TRANSLATORS | OURS:
        inner = iter([])
    elif isinstance(node, ast.JoinedStr):
        inner = iter([part.value for part in node.values if isinstance(part, ast.FormattedValue)])
    yield node
    for each in inner:
        yield from nodes(each, hints)


def called(node: ast.AST) -> str:
    """The name of the function that is called."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", getattr(function, "attr", ""))


def literal(node: ast.AST) -> str:
    """A string as written, {} for what an f-string puts in; "" of anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.mark.parametrize("path", SAID, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_goes_past_gettext(path: Path) -> None:
    assert past_gettext(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code",
    [
        'raise CheckFailed("Wrong.")',
        'raise CheckFailed("New sentence")',
        'raise CheckFailed(f"{name} is wrong")',
        'raise CheckFailed(gettext(f"{name} is wrong"))',
        'raise CheckFailed(gettext("It is " + name))',
        'raise CheckFailed(gettext("{name} is wrong").format(name="the model"))',
        'raise CheckFailed(gettext("It is wrong"), expected="a tensor")',
        'said = "the model is wrong"\nraise CheckFailed(said)',
        'raise MissingName(f"{file} has no {name}")',
        'def test_shape(student):\n    expect_shape(y, (2, 3), f"{model} on a batch")',
    ],
)
def test_what_goes_past_gettext_is_seen(code: str) -> None:
    assert past_gettext(code)


# The language


@pytest.mark.parametrize(
    ("settings", "spoken"),
    [
        ({}, "en"),
        ({"GRADER_LANG": "ko"}, "ko"),
        ({"GRADER_LANG": "ko_KR.UTF-8", "LANG": "en_US.UTF-8"}, "ko"),
        ({"GRADER_LANG": "en", "LANG": "ko_KR.UTF-8"}, "en"),
        ({"GRADER_LANG": "", "LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "ko_KR"}, "ko"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"GRADER_LANG": "fr", "LANG": "ko_KR.UTF-8"}, "en"),
    ],
)
def test_the_language(settings: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert language.current() == spoken
    assert (language.gettext("Tidying up") == "Tidying up") == (spoken == "en")


def test_an_unknown_language_is_a_sentence() -> None:
    done = grader("check", "--list", speaking="tlh")
    assert done.stderr.startswith("GRADER_LANG=tlh: there is no such language here.")
    assert "VGG-16 for CIFAR-10 (100 points" in done.stdout


def test_a_title_is_that_of_the_assignment_that_was_loaded_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADER_LANG", "ko")
    monkeypatch.setattr(language, "_folders", [])
    for name, said in (("one", "하나"), ("two", "둘")):
        folder = tmp_path / "assignments" / name
        (folder / "checks").mkdir(parents=True)
        (folder / "assignment.toml").write_text(f'title = "Count"\nfiles = ["{name}.py"]\npoints = 1\n')
        catalogue = language.catalogue(folder, language.CHECKS_DOMAIN, "ko").with_suffix(".po")
        catalogue.parent.mkdir(parents=True)
        catalogue.write_text(f'msgid "Count"\nmsgstr "{said}"\n', encoding="utf-8")
    translations.main(tmp_path)
    one, two = (assignment.load(name, tmp_path) for name in ("one", "two"))
    assert [one.title, two.title, one.title] == ["하나", "둘", "하나"]


def test_a_changed_sentence_keeps_its_translation_to_be_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "assignments" / "one"
    (folder / "checks").mkdir(parents=True)
    (folder / "assignment.toml").write_text('title = "Count to 20"\nfiles = ["one.py"]\npoints = 1\n')
    path = language.catalogue(folder, language.CHECKS_DOMAIN, "ko").with_suffix(".po")
    path.parent.mkdir(parents=True)
    path.write_text('msgid "Count to 10"\nmsgstr "10까지"\n', encoding="utf-8")
    translations.main(tmp_path)
    (message,) = (message for message in translations.read(path) if message.id)
    assert (message.id, message.string, message.fuzzy) == ("Count to 20", "10까지", True)
    assert b"10\xea" not in path.with_suffix(".mo").read_bytes()


def test_a_stored_result_depends_on_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = assignment.load("vgg16", ROOT)
    found = []
    for spoken in ("en", "ko", "en"):
        monkeypatch.setenv("GRADER_LANG", spoken)
        found.append(fingerprint.surroundings(chosen, "digits", False))
    assert found[0] == found[2] != found[1]


# What a student reads

ENGLISH = re.compile(r"(?<![\w.])[A-Za-z]?[a-z]{2,} [a-z]{2,}(?![\w.(])")
HANGUL = re.compile(r"[가-힣]")


def grader(*arguments: str, speaking: str = "ko") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GRADER_LANG": speaking, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    environment.pop("GRADER_DATA", None)
    return subprocess.run(
        [sys.executable, "-m", "grader", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )


def texts(found: Any) -> Iterator[str]:
    """All values of a JSON document that are sentences: not names, statuses and paths."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key not in ("printed", "frames", "submission", "check", "status", "assignment", "dataset"):
                yield from texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from texts(value)
    elif isinstance(found, str):
        yield found


STUB = "assignments/inception/inception.py"
MISTAKE = "solutions/vgg16/mistakes/conv_without_bias.py"


@pytest.mark.parametrize(
    ("name", "submission", "said"),
    [
        ("inception", STUB, "아직 작성하지 않았습니다"),
        ("vgg16", MISTAKE, "원인 추정: "),
        ("inception", "x = 1\n", "정의되어 있지 않습니다"),
        ("inception", "while True: pass\n", "1초 안에 끝나지 않았습니다"),
        ("inception", "import os; os._exit(3)\n", "(종료 코드 3)"),
    ],
)
def test_korean(name: str, submission: str, said: str, tmp_path: Path) -> None:
    path = ROOT / submission
    if submission.endswith("\n"):
        path = tmp_path / f"{name}.py"
        path.write_text(submission)
    done = grader("check", name, "-s", str(path), *(["--timeout", "1"] if "while" in submission else []))
    assert done.returncode == 1, done.stderr
    assert said in done.stdout
    assert "점수: " in done.stdout
    lines = done.stdout.splitlines()
    assert [line for line in lines if ENGLISH.search(line) and "파일: " not in line] == []
    assert [line for line in lines if cell_len(line) > 80 and "파일: " not in line] == []


def test_korean_json() -> None:
    result = json.loads(grader("check", "vgg16", "-s", MISTAKE, "--json").stdout)
    assert [text for text in texts(result) if ENGLISH.search(text)] == []
    for test in result["tests"]:
        assert HANGUL.search(test["name"])
        assert all(HANGUL.search(test["extra_data"][key]) for key in ("message", "hint") if test["extra_data"][key])
    assert HANGUL.search(result["extra_data"]["title"])


def test_korean_help() -> None:
    for command in ("check", "visualize"):
        assert "기본값" in grader(command, "--help").stdout


def test_the_set_up_speaks_korean_with_its_catalogue_and_english_without(tmp_path: Path) -> None:
    (tmp_path / "grader").mkdir()
    shutil.copy(ROOT / "grader" / "bootstrap.py", tmp_path / "grader")

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-I", "-S", "grader/bootstrap.py"],
            cwd=tmp_path,
            env={**os.environ, "GRADER_LANG": "ko_KR.UTF-8", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        ).stderr

    assert "requirements.txt is missing" in run()
    shutil.copytree(ROOT / "grader" / "locale", tmp_path / "grader" / "locale")
    assert HANGUL.search(run()) or "\\u" in run()
    assert "is missing" not in run()
