"""grader.stubs: what is cut, what is kept, and that the stubs here are in step with their solutions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import assignment, stubs
from grader.stubs import BEGIN, END, Stub, StubError

ROOT = Path(__file__).parent.parent
SOLUTION = '''
class Net(nn.Module):
    """Doubles."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.factor = 2
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        if x is None:
            return None
        return self.factor * x
        ### END SOLUTION
'''
STUB = '''
class Net(nn.Module):
    """Doubles."""

    def __init__(self):
        super().__init__()
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x):
        # YOUR CODE HERE
        raise NotImplementedError()
'''


def test_cut() -> None:
    assert stubs.cut(SOLUTION) == STUB


def test_cut_keeps_windows_newlines_and_tabs() -> None:
    solution = f"def f():\r\n\t{BEGIN}\r\n\treturn 1\r\n\t{END}\r\nx = 1\r\n"
    assert stubs.cut(solution) == "def f():\r\n\t# YOUR CODE HERE\r\n\traise NotImplementedError()\r\nx = 1\r\n"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["x = 1", BEGIN, "y = 2"], "net.py, line 2: ### BEGIN SOLUTION without ### END SOLUTION after it"),
        (["x = 1", END], "net.py, line 2: ### END SOLUTION without ### BEGIN SOLUTION before it"),
        ([BEGIN, "x", BEGIN, END, END], "net.py, line 3: ### BEGIN SOLUTION within the one of line 1"),
        ([BEGIN, END, END], "net.py, line 3: ### END SOLUTION without"),
        (["x = 1"], "net.py has no ### BEGIN SOLUTION"),
    ],
)
def test_wrong_markers_are_named_by_file_and_line(lines: list[str], complaint: str) -> None:
    with pytest.raises(StubError, match="^" + complaint):
        stubs.cut("\n".join(lines), "net.py")


WORDS = st.text(st.characters(exclude_characters="#\n", exclude_categories=["Cs"]), max_size=10)


PARTS = st.tuples(st.lists(WORDS, max_size=3), st.lists(WORDS.map("SECRET {}".format), max_size=3))


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=3))
def test_all_outside_of_the_markers_stays_and_nothing_inside(parts: list[tuple[list[str], list[str]]]) -> None:
    text = "\n".join(line for kept, cut in parts for line in [*kept, BEGIN, *cut, END])
    expected = "\n".join(line for kept, _ in parts for line in [*kept, *stubs.REPLACEMENT])
    assert stubs.cut(text) == expected


def test_write_keeps_what_was_there(tmp_path: Path) -> None:
    stub = Stub(tmp_path / "net.py", b"new")
    assert stubs.write(stub) is None
    assert stub.in_step
    for content, kept in ((b"work", "net.py.bak"), (b"more work", "net.py.bak2")):
        stub.path.write_bytes(content)
        assert not stub.in_step
        assert stubs.write(stub) == tmp_path / kept
        assert (tmp_path / kept).read_bytes() == content
    assert stubs.write(stub) is None
    stub.path.write_bytes(b"nothing to keep")
    assert stubs.write(stub, force=True) is None
    assert stub.in_step
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "net.py.bak", "net.py.bak2"]


@pytest.mark.parametrize("name", assignment.names(ROOT))
def test_the_stubs_here_are_in_step(name: str) -> None:
    here = assignment.load(name, ROOT)
    if here.secret is None:
        pytest.skip("a student's copy: no solutions")
    for stub in stubs.stubs(here):
        assert stub.in_step, f"{stub.path}: run `make stubs`"
