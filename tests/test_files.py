"""Trees of files, loaders and devices in a worker, with a sandbox around it and without."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import torch

from grader.checks.files import expect_kept, files
from grader.judge.sandbox import find
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.student import CheckFailed, Student, StudentError, call

SOURCE = """
import os
from os import listdir, scandir
from pathlib import Path

import torch


def make(folder, count):
    for number in range(count):
        Path(folder, f"{number}.txt").write_text(str(number))

def tidy(folder):
    try:
        os.rename(folder + "/a", folder + "/b")
        os.rename(folder + "/c", folder + "/d")
    except BaseException:
        os.rename(folder + "/b", folder + "/a")
    finally:
        os.remove(folder + "/e")

def look(folder):
    return sorted(str(path) for path in Path(folder).rglob("*"))

def link(folder):
    os.symlink("/", folder + "/everything")

def listed(folder):
    with scandir(folder) as entries:
        scanned = [entry.name for entry in entries]
    iterated = [path.name for path in Path(folder).iterdir()]
    return [os.listdir(folder), listdir(folder), iterated, scanned, [path.name for path in Path(folder).glob("*")]]

def program(folder):
    return os.system("touch " + folder + "/new")

def layer(width):
    return torch.nn.Linear(width, 3)

def batches(loader):
    return [[x.tolist(), y.tolist()] for x, y in loader], len(loader.dataset)
"""


@pytest.fixture(scope="module", params=["plain", "sandboxed"])
def student(request: pytest.FixtureRequest) -> Iterator[Student]:
    with Workers(sandbox=find([]) if request.param == "sandboxed" else None) as workers:
        session = Session(workers, {"work.py": SOURCE.encode()})
        session.begin(300)
        try:
            yield Student(session)
        finally:
            session.close()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_tree_is_there_for_the_student_and_read_back(student: Student) -> None:
    given = {"a b/강아지.jpg": b"1", "a b/.hidden": b"", "[x]/*.png": b"\xff\x00", "empty/": b"", "line\nbreak": b"2"}
    student.write_tree("tree", given)
    assert set(student.look("tree")) == {f"tree/{path.rstrip('/')}" for path in given} | {"tree/a b", "tree/[x]"}
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in given.items() if path != "empty/"}
    assert student.read_tree("tree") == expected | {"a b": "folder", "[x]": "folder", "empty": "folder"}


def test_a_tree_is_made_anew(student: Student) -> None:
    student.write_tree("tree", {"old/1": b"1"})
    student.write_tree("tree", {"new": b"2"})
    assert student.read_tree("tree") == {"new": sha256("2")}
    assert student.read_tree("nothing") == {}


def test_links_are_not_followed(student: Student) -> None:
    student.write_tree("tree", {})
    student.link("tree")
    assert student.read_tree("tree") == {"everything": "link"}
    student.write_tree("tree", {"1": b""})
    assert student.read_tree("tree") == {"1": sha256("")}


def test_more_than_a_check_has_given_is_refused(student: Student) -> None:
    student.write_tree("large", {"file": bytes((1 << 20) + 1)})
    with pytest.raises(StudentError, match="more than 1,048,576 bytes"):
        student.read_tree("large")
    student.write_tree("many", {f"{number}/": b"" for number in range(5_001)})
    with pytest.raises(StudentError, match="more than 5,000 files"):
        student.read_tree("many")
    student.write_tree("many", {})


@pytest.mark.parametrize("changes", [0, 1, 3])
def test_a_call_is_interrupted_after_so_many_changes(student: Student, changes: int) -> None:
    student.write_tree("tree", {})
    with pytest.raises(StudentError) as caught:
        call(student.make, "tree", 4, stop_after=changes)
    assert caught.value.types[:2] == ["Interrupted", "KeyboardInterrupt"]
    assert student.read_tree("tree") == {f"{number}.txt": sha256(str(number)) for number in range(changes)}
    call(student.make, "tree", 4, stop_after=4)
    student.make("tree", 5)  # the next call is not interrupted
    assert len(student.read_tree("tree")) == 5


def test_nothing_that_it_does_on_its_way_out_reaches_the_disk(student: Student) -> None:
    given = {"a": b"1", "c": b"2", "e": b"3"}
    student.write_tree("tree", given)
    with pytest.raises(StudentError):
        call(student.tidy, "tree", stop_after=1)
    assert student.read_tree("tree") == {"b": sha256("1"), "c": sha256("2"), "e": sha256("3")}
    student.write_tree("tree", {})
    with pytest.raises(StudentError):
        call(student.program, "tree", stop_after=0)  # nor what programs would do for it
    assert student.read_tree("tree") == {}


def test_what_was_kept_is_told_from_what_was_lost() -> None:
    before = files(["a/1", "a/2"])
    one, two = (hashlib.sha256(content).hexdigest() for content in before.values())
    assert expect_kept(before, {"x": one, "y": two, "z": "folder"}, "move") == {"a/1": "x", "a/2": "y"}
    with pytest.raises(CheckFailed, match=r"lost 1 of 2 files: 'a/2' .* \('y' is a link, not a file\)"):
        expect_kept(before, {"x": one, "y": "link"}, "move")
    with pytest.raises(CheckFailed, match="leaves 'a/1' in two places: 'w' and 'x'"):
        expect_kept(before, {"x": one, "w": one, "y": two}, "move")
    assert expect_kept(before, {"x": one, "w": one, "y": two}, "move", once=False)["a/1"] == "w"


def test_a_network_on_the_meta_device_has_shapes_only(student: Student) -> None:
    layer = call(student.layer, 10**9, device="meta").result  # 12 GB of weights
    assert [parameter.shape for parameter in layer.parameters()] == [(3, 10**9), (3,)]
    assert student.layer(2)(torch.ones(1, 2)).shape == (1, 3)  # and the next call is an ordinary one


def test_a_loader_yields_batches_in_order(student: Student) -> None:
    loader = student.probe("loader", torch.arange(5.0), torch.arange(5), batch_size=2)
    assert str(loader) == "loader"
    found, size = student.batches(loader)
    assert found == [[[0.0, 1.0], [0, 1]], [[2.0, 3.0], [2, 3]], [[4.0], [4]]]
    assert size == 5


def test_folders_can_be_listed_backwards(student: Student) -> None:
    """To whatever asks, also where the function has been imported by name."""
    student.write_tree("listed", files(["b", "a", "d", "c"]))
    forwards = student.listed("listed")
    assert sorted(forwards[0]) == ["a", "b", "c", "d"]
    assert all(each == forwards[0] for each in forwards)
    assert call(student.listed, "listed", backwards=True).result == [each[::-1] for each in forwards]
    assert student.listed("listed") == forwards
