"""assignments/*/README.md and README.ko.md: one handout in two languages, which say the same, and what is so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from grader import assignment
from grader.judge.grade import validate

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(path.parent.name for path in ROOT.glob("assignments/*/assignment.toml"))
ENGLISH, KOREAN = "README.md", "README.ko.md"
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
SIGN = re.compile(r"\d+|(?<!─)─|[^\w\s─,.;:'~]")  # of a formula or a drawing: what belongs to no language
HANGUL = re.compile(r"[가-힣]")


def parsed(name: str, file: str) -> list[Token]:
    text = (ROOT / "assignments" / name / file).read_text(encoding="utf-8")
    return MarkdownIt("commonmark").enable("table").parse(text)


def facts(sentence: Token) -> Counter[str]:
    """Its code, numbers, pictures and links: in another language they have another order, and are the same.

    >>> _, sentence, _ = MarkdownIt().parse("All 1,024 of `x`, [there](README.ko.md)")
    >>> sorted(facts(sentence))
    ['(README)', '1,024', '`x`']
    """
    found: list[str] = []
    for part in sentence.children or []:
        if part.type == "code_inline":
            found.append(f"`{part.content}`")
        elif part.type == "text":
            found += NUMBER.findall(part.content)
        elif target := part.attrs.get("src") or part.attrs.get("href"):
            found.append("(README)" if target in (ENGLISH, KOREAN) else f"({target})")
    return Counter(found)


def tables(found: list[Token]) -> Iterator[list[list[str]]]:
    """Each table's rows of cells, its heading first."""
    rows: list[list[str]] = []
    for token in found:
        if token.type == "table_open":
            rows = []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level > 3:
            rows[-1].append(token.content)
        elif token.type == "table_close":
            yield rows


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_say_the_same(name: str) -> None:
    """Heading by heading, paragraph by paragraph, cell by cell."""
    english, korean = parsed(name, ENGLISH), parsed(name, KOREAN)
    for one, other in zip(english, korean, strict=False):  # unequal lengths show best where they part
        where = f"{one.content}\n{other.content}"
        assert (one.type, one.tag) == (other.type, other.tag), where
        if one.type not in ("fence", "code_block"):
            assert facts(one) == facts(other), where
        elif HANGUL.search(other.content):
            assert SIGN.findall(one.content) == SIGN.findall(other.content), where
        else:
            assert one.content == other.content
    assert len(english) == len(korean)


@pytest.mark.parametrize("name", NAMES)
def test_each_leads_to_the_other_and_to_what_is_there(name: str) -> None:
    for file, other in ((ENGLISH, KOREAN), (KOREAN, ENGLISH)):
        targets = [target for token in parsed(name, file) for target in facts(token) if target.startswith("(")]
        assert targets.count("(README)") == 1
        assert f"]({other})" in (ROOT / "assignments" / name / file).read_text(encoding="utf-8")
        for target in set(targets) - {"(README)"}:
            assert (ROOT / "assignments" / name / target.strip("()")).exists(), target
    assert f"(assignments/{name}/{KOREAN})" in (ROOT / ENGLISH).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_points_are_those_of_the_checks(name: str) -> None:
    chosen = assignment.load(name, ROOT)
    checks = validate(chosen)
    public, hidden = (sum(each.spec.points for each in checks if each.hidden is kind) for kind in (False, True))
    total = chosen.settings.points
    assert public + hidden == total
    for file, said in (
        (ENGLISH, rf"^{total:g} points\b[^#]*?\({public:g} points\)"),
        (KOREAN, rf"{total:g}점(?: 만점)?입니다\.[^#]*?\({public:g}점\)"),
    ):
        text = (ROOT / "assignments" / name / file).read_text(encoding="utf-8")
        assert re.search(said, text, re.MULTILINE), file
        (table,) = (found for found in tables(parsed(name, file)) if {"hidden", "비공개"} & set(found[0]))
        rows = [[int(cell or 0) for cell in row[1:]] for row in table[1:]]
        assert [sum(column) for column in zip(*rows, strict=True)] == [public, hidden, total][: len(table[0]) - 1]
        assert all(row[0] + row[1] == row[-1] for row in rows if len(row) == 3)
