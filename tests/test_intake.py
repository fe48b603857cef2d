"""grader.intake: whatever a class hands in becomes one hand-in per student; nothing that one of them does stops it."""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import os
import socket
import struct
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grader import assignment, intake
from grader.assignment import Assignment
from grader.intake import Handin, IntakeError, choose, collect, encodings, gather, names, notebook, tree, zips
from grader.submission import MAX_FILE

STUB = (
    b"CFG = [1]\n\n\nclass Net:\n    raise NotImplementedError()\n\n\ndef make(cfg):\n    raise NotImplementedError()\n"
)
WORK = b"CFG = [1]\n\n\nclass Net:\n    pass\n\n\ndef make(cfg):\n    return Net()\n"
LATER = WORK + b"# later\n"
quietly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
TOML = 'title = "Two layers"\nfiles = ["work.py"]\npoints = 10\n'


@pytest.fixture
def work(tmp_path: Path) -> Assignment:
    return made(tmp_path)


@pytest.fixture
def subs(tmp_path: Path) -> Path:
    folder = tmp_path / "subs"
    folder.mkdir()
    return folder


def made(root: Path, toml: str = TOML, name: str = "work") -> Assignment:
    folder = root / "assignments" / name
    folder.mkdir(parents=True)
    (folder / "assignment.toml").write_text(toml, encoding="utf-8")
    for file in ("work.py", "more.py"):
        if file in toml:
            (folder / file).write_bytes(STUB if file == "work.py" else b"def more(): ...\n")
    return assignment.load(name, root)


def put(folder: Path, files: dict[str, bytes], *, time: float = 1_700_000_000) -> None:
    """Write ``files``, all with one time of modification."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time, time))


def zipped(files: dict[str, bytes], day: int = 1) -> bytes:
    """A zip of ``files``, by the names as they are."""
    made_of = io.BytesIO()
    with zipfile.ZipFile(made_of, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, day, 0, 0, 0)), content)
    return made_of.getvalue()


def cells(*sources: str | list[str]) -> bytes:
    """A notebook of nbformat 4 with these code cells, and text between them."""
    found: list[dict[str, object]] = [{"cell_type": "markdown", "source": "# Text\n%not code"}]
    found += [{"cell_type": "code", "source": source, "outputs": [], "metadata": {}} for source in sources]
    return json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def one(subs: Path, work: Assignment) -> Handin:
    """The only hand-in."""
    (handin,) = collect(subs, work)
    check(handin)
    return handin


def check(handin: Handin) -> None:
    """What is so of every hand-in."""
    assert (handin.submission is None) == bool(handin.problem)
    assert handin.attempted or handin.submission is None
    assert handin.flags == tuple(sorted(set(handin.flags)))
    for sentence in (handin.problem, *handin.notes):
        assert sentence == "" or sentence.endswith("."), sentence
        assert not {unicodedata.category(char) for char in sentence} & {"Cc", "Cs", "Zl", "Zp"}, sentence
        assert "/tmp" not in sentence
    handin.student.encode()
    if handin.submission is not None:
        assert not handin.submission.path.is_absolute()
        assert handin.submission.file == handin.submission.path
        str(handin.submission.path).encode()


def by_name(subs: Path, work: Assignment) -> dict[str, Handin]:
    handins = collect(subs, work)
    for handin in handins:
        check(handin)
    found = {handin.student: handin for handin in handins}
    assert len(found) == len(handins)
    assert list(found) == sorted(found)
    return found


def content(handin: Handin) -> bytes:
    assert handin.submission is not None, handin.problem
    assert list(handin.submission.files) == ["work.py"]
    return handin.submission.files["work.py"]


# -- the forms of a class's hand-ins


def test_every_form_in_one_folder(subs: Path, work: Assignment) -> None:
    put(
        subs,
        {
            "ann/work.py": WORK,
            "bob/work/work.py": WORK,  # nbgrader
            "bob/work/timestamp.txt": b"2024-01-01 00:00:00 UTC",
            "cat.py": WORK,
            "dan.ipynb": cells(WORK.decode()),
            "eve.zip": zipped({"work.py": WORK}),
            "fay.zip": zipped({"fay/work.py": WORK, "__MACOSX/fay/._work.py": b"\0", "fay/.DS_Store": b"\0"}),
            "grades.csv": b"student,score\n",
            "README.md": b"what this is",
            ".DS_Store": b"\0",
            "Thumbs.db": b"\0",
            "__pycache__/work.cpython-311.pyc": b"\0",
        },
    )
    found = by_name(subs, work)
    assert list(found) == ["ann", "bob", "cat", "dan", "eve", "fay"]
    for name, handin in found.items():
        assert b"return Net()" in content(handin)
        assert handin.flags == (("notebook",) if name == "dan" else ())
        assert len(handin.notes) == len(handin.flags)
    paths = [str(handin.submission.path) for handin in found.values() if handin.submission]
    assert paths == [
        *("ann/work.py", "bob/work/work.py", "cat.py", "dan.ipynb", "eve.zip/work.py", "fay.zip/fay/work.py"),
    ]


@pytest.mark.parametrize("around", ["", "class/", "a/b/"])
def test_a_zip_of_the_class(tmp_path: Path, work: Assignment, around: str) -> None:
    files = {"ann/work.py": WORK, "bob.py": WORK, "cat.zip": zipped({"work.py": WORK}), "dan/work/work.py": WORK}
    whole = tmp_path / "class.zip"
    whole.write_bytes(zipped({around + name: inner for name, inner in files.items()}))
    found = by_name(whole, work)
    assert list(found) == ["ann", "bob", "cat", "dan"]
    assert [content(handin) for handin in found.values()] == [WORK] * 4
    assert found["cat"].submission is not None
    assert str(found["cat"].submission.path) == f"{around}cat.zip/work.py"


def test_a_folder_with_one_zip_of_zips(subs: Path, work: Assignment) -> None:
    put(subs, {"all.zip": zipped({f"{name}.zip": zipped({"work.py": WORK}) for name in ("ann", "bob")})})
    found = by_name(subs, work)
    assert [content(handin) for handin in found.values()] == [WORK, WORK]
    assert list(found) == ["ann", "bob"]


def test_a_folder_around_the_class(subs: Path, work: Assignment) -> None:
    put(subs, {"class/ann.py": WORK, "class/bob.py": LATER})
    assert list(by_name(subs, work)) == ["ann", "bob"]


def test_one_zip_beside_others_is_one_students_whatever_is_in_it(subs: Path, work: Assignment) -> None:
    evil = zipped({"bob/work.py": LATER, "bob.zip": zipped({"work.py": LATER}), "bob_1_2_work.py": LATER})
    put(subs, {"eve.zip": evil, "bob/work.py": WORK})
    found = by_name(subs, work)
    assert list(found) == ["bob", "eve"]
    assert content(found["bob"]) == WORK
    assert found["bob"].flags == ()


def test_the_folder_or_zip_of_one_student(subs: Path, tmp_path: Path, work: Assignment) -> None:
    put(subs, {"work.py": WORK, "report.pdf": b"%PDF"})
    assert one(subs, work).student == "subs"
    (tmp_path / "alice.zip").write_bytes(zipped({"work.py": WORK}))
    assert one(tmp_path / "alice.zip", work).student == "alice"
    (tmp_path / "class.zip").write_bytes(zipped({"alice/work.py": WORK}))
    assert one(tmp_path / "class.zip", work).student == "alice"


def test_one_students_packages_are_no_class(subs: Path, work: Assignment) -> None:
    put(subs, {"alice.zip": zipped({"hw/src/work.py": WORK, "hw/utils/data.py": b"x = 1", "hw/old/x.py": b"y = 2"})})
    handin = one(subs, work)
    assert (handin.student, content(handin)) == ("alice", WORK)


def test_the_handout_beside_the_hand_ins_is_no_students(subs: Path, work: Assignment) -> None:
    put(subs, {"work.py": STUB, "alice.py": WORK})
    assert one(subs, work).student == "alice"


def test_several_files(subs: Path, tmp_path: Path) -> None:
    two = made(tmp_path, TOML.replace('"work.py"', '"work.py", "more.py"'))
    more = b"def more(): return 1\n"
    put(subs, {"ann/work.py": WORK, "ann/more.py": more, "bob/work.py": WORK, "cat/main.py": WORK, "cat/x.py": more})
    put(subs, {"dan.py": WORK})
    found = by_name(subs, two)
    for name in ("ann", "cat"):
        submission = found[name].submission
        assert submission is not None
        assert list(submission.files.items()) == [("work.py", WORK), ("more.py", more)]
    assert found["cat"].flags == ("renamed",)
    assert "bob holds no more.py" in found["bob"].problem
    assert "more.py" in found["dan"].problem


def test_the_shipped_assignments_stubs_tell_what_to_look_for() -> None:
    root = Path(__file__).resolve().parent.parent
    from grader.intake.source import wanted

    assert wanted(assignment.load("vgg16", root))[0].names == {"CFG", "make_layers", "VGG", "vgg16"}
    assert "ResNet50_layer4" in wanted(assignment.load("resnet50", root))[0].names


# -- nothing usable at all


def test_paths_that_hold_no_class(subs: Path, tmp_path: Path, work: Assignment) -> None:
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    (tmp_path / "empty.zip").write_bytes(zipped({}))
    with pytest.raises(IntakeError, match=r"There is no .*nowhere\. Give the folder"):
        collect(tmp_path / "nowhere", work)
    with pytest.raises(IntakeError, match=r"text\.txt is neither a folder nor a zip"):
        collect(tmp_path / "text.txt", work)
    with pytest.raises(IntakeError, match=r"broken\.zip is damaged or no zip file"):
        collect(tmp_path / "broken.zip", work)
    with pytest.raises(IntakeError, match="There are no hand-ins in"):
        collect(tmp_path / "empty.zip", work)
    put(subs, {"grades.csv": b"x", ".hidden.py": WORK})
    with pytest.raises(IntakeError, match="There are no hand-ins in"):
        collect(subs, work)


# -- LMS


def test_canvas(subs: Path, work: Assignment) -> None:
    put(
        subs,
        {
            "annlee_11_101_work.py": WORK,
            "bobray_LATE_12_102_work.py": WORK,
            "catfoo_13_103_work.py": STUB + b"# old",
            "catfoo_13_104_work-1.py": WORK,
            "catfoo_13_105_work-2.py": LATER,
            "danbar_14_106_work-1.py": WORK,
            "evequx_15_107_my_net.py": WORK,
            "fayzip_16_108_hand-in-3.zip": zipped({"hw/work.py": WORK}),
            "guspdf_17_109_report.pdf": b"%PDF",
            "haltxt_18_text.html": b"<p>see my mail</p>",
        },
    )
    found = by_name(subs, work)
    assert list(found) == ["annlee", "bobray", "catfoo", "danbar", "evequx", "fayzip", "guspdf", "haltxt"]
    assert [handin.identifiers for handin in found.values()] == [{"canvas_id": str(number)} for number in range(11, 19)]
    assert found["annlee"].flags == ()
    assert found["bobray"].flags == ("late",)
    assert found["bobray"].notes == ("Canvas marks this hand-in as late.",)
    assert found["catfoo"].flags == found["danbar"].flags == ("resubmitted",)
    assert content(found["catfoo"]) == LATER
    assert "the latest, catfoo_13_105_work-2.py, counts" in found["catfoo"].notes[0]
    assert found["evequx"].flags == ("renamed",)
    assert found["fayzip"].flags == ()
    for name in ("guspdf", "haltxt"):
        assert "is no Python file, notebook or zip" in found[name].problem
        assert found[name].attempted


def test_the_same_name_again_on_canvas_is_told_apart_by_the_attachment(subs: Path, work: Assignment) -> None:
    put(subs, {"annlee_11_99_work.py": WORK, "annlee_11_100_work.py": LATER})
    assert content(one(subs, work)) == LATER


def test_numbers_in_names_of_the_students_own_are_no_resubmissions(subs: Path, work: Assignment) -> None:
    put(subs, {"annlee_11_99_lab-3.py": WORK, "annlee_11_100_helper-3.py": b"x = 1"})
    assert one(subs, work).flags == ("renamed",)


def test_numbers_in_a_students_name_are_not_canvas(subs: Path, work: Assignment) -> None:
    put(subs, {"alice_input_512_7_7.py": WORK})
    handin = one(subs, work)
    assert (handin.student, handin.identifiers, handin.flags) == ("alice_input_512_7_7", {}, ())


def test_moodle(subs: Path, work: Assignment) -> None:
    put(
        subs,
        {
            "Ann Lee_11_assignsubmission_file_/work.py": WORK,
            "Ann Lee_11_assignsubmission_onlinetext_/onlinetext.html": b"<p>done</p>",
            "Bob Ray_12_assignsubmission_file_work.py": WORK,
            "Ann Lee_13_assignsubmission_file/work.py": LATER,
            "Dan Bar_14_assignsubmission_file_hw.zip": zipped({"hw/work.py": WORK}),
        },
    )
    found = by_name(subs, work)
    assert list(found) == ["Ann Lee (11)", "Ann Lee (13)", "Bob Ray", "Dan Bar"]
    assert [handin.identifiers["moodle_id"] for handin in found.values()] == ["11", "13", "12", "14"]
    assert [content(handin) for handin in found.values()] == [WORK, LATER, WORK, WORK]
    assert all("2 students are called Ann Lee" in found[name].notes[0] for name in ("Ann Lee (11)", "Ann Lee (13)"))
    assert all(handin.flags == () for handin in found.values())


METADATA = """---
submission_123:
  :submitters:
  - :name: Ann Lee
    :sid: '007'
    :email: ann@example.org
  :created_at: 2024-10-04 21:59:00.000000000 Z
  :score: 0.0
  :results:
    tests:
    - output: |-
        submission_124:
          :submitters:
          - :name: Nobody
submission_124:
  :submitters:
  - :name: "Zo\\xEB \\u00C9"
    :sid:
    :email: zoe@example.org
  - :name: 'Dan O''Hara/../x'
    :email: dan@example.org
  :created_at: 2024-10-04 22:59:00.000000000 Z
"""


@pytest.mark.parametrize("around", ["", "assignment_1_export/"])
def test_gradescope(subs: Path, work: Assignment, around: str) -> None:
    put(
        subs,
        {
            f"{around}submission_metadata.yml": METADATA.encode(),
            f"{around}submission_123/work.py": WORK,
            f"{around}submission_124/hw/work.py": LATER,
            f"{around}submission_125/work.py": WORK,
        },
    )
    found = by_name(subs, work)
    assert list(found) == ["Ann Lee", "Dan O'Hara_.._x", "Zoë É", "submission_125"]
    assert found["Ann Lee"].identifiers == {"email": "ann@example.org", "gradescope_id": "123"}
    assert content(found["Zoë É"]) == content(found["Dan O'Hara_.._x"]) == LATER
    assert found["submission_125"].notes == ("submission_metadata.yml does not name who handed this in.",)


def test_gradescope_without_its_metadata(subs: Path, work: Assignment) -> None:
    put(subs, {"submission_123/work.py": WORK})
    handin = one(subs, work)
    assert (handin.student, handin.identifiers) == ("submission_123", {"gradescope_id": "123"})
    assert handin.notes == ("There is no submission_metadata.yml that names who handed this in.",)


def test_brightspace(subs: Path, work: Assignment) -> None:
    put(
        subs,
        {
            "index.html": b"<html>",
            "11-99 - Ann Lee - Oct 4, 2024 959 PM/work.py": WORK,
            "11-99 - Ann Lee - Oct 5, 2024 1259 AM/work.py": LATER,
            "12-99 - Bob Ray - Oct 4, 2024 959 PM - work.py": WORK,
        },
    )
    found = by_name(subs, work)
    assert list(found) == ["Ann Lee", "Bob Ray"]
    assert content(found["Ann Lee"]) == LATER
    assert found["Ann Lee"].flags == ("resubmitted",)
    assert found["Bob Ray"].flags == ()


# -- which file it is


def test_the_latest_of_several_hand_ins_counts(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/work.py": LATER}, time=1_700_000_500)
    put(subs, {"ann.py": WORK}, time=1_700_000_300)
    put(subs, {"ann.zip": zipped({"work.py": WORK})}, time=1_700_000_100)
    handin = one(subs, work)
    assert content(handin) == LATER
    assert handin.flags == ("resubmitted",)
    assert handin.notes == ("There is more than one hand-in (ann, ann.py, ann.zip); ann, the latest, counts.",)
    put(subs, {"ann.zip": zipped({"work.py": WORK})}, time=1_700_000_900)
    assert content(one(subs, work)) == WORK


def test_a_later_one_that_cannot_be_read_does_not_count(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/work.py": WORK}, time=1_700_000_500)
    put(subs, {"ann.zip": b"damaged"}, time=1_700_000_900)
    handin = one(subs, work)
    assert content(handin) == WORK
    assert "ann, the latest that can be graded, counts" in handin.notes[-1]


@pytest.mark.parametrize("name", ["my_net.py", "Work.py", "work (1).py", "work.py.txt", "src/net.py", "work"])
def test_a_file_of_another_name_is_found_by_what_it_defines(subs: Path, work: Assignment, name: str) -> None:
    put(subs, {f"ann/{name}": WORK, "ann/helper.py": b"def helper(): ...", "ann/notes.txt": b"make = it"})
    handin = one(subs, work)
    assert content(handin) == WORK
    assert handin.flags == ("renamed",)
    assert handin.notes == (
        f"ann/{name} was taken for work.py because it defines CFG, Net, make. Name it work.py next time.",
    )


def test_a_syntax_error_does_not_hide_a_file(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/net.py": WORK + b"def broken(:\n"})
    assert one(subs, work).flags == ("renamed",)


def test_several_that_fit(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/a.py": WORK, "ann/b.py": LATER, "bob/a.py": WORK, "bob/b.py": WORK})
    put(subs, {"cat/a.py": WORK})
    put(subs, {"cat/b.py": LATER}, time=1_700_009_000)
    put(subs, {"dan/work.py": WORK, "dan/old/work.py": LATER, "dan/z.py": LATER})
    found = by_name(subs, work)
    assert found["ann"].problem == (
        "ann holds several files that could be work.py: ann/a.py, ann/b.py. Hand in only one, named work.py."
    )
    assert content(found["bob"]) == WORK
    assert content(found["cat"]) == LATER
    assert "cat/b.py, the latest, was graded" in found["cat"].notes[0]
    assert content(found["dan"]) == WORK
    assert found["dan"].notes == ("dan/work.py was graded; dan/old/work.py was not.",)


def test_a_stub_does_not_stand_before_the_work(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/work.py": STUB, "ann/work.ipynb": cells(WORK.decode())})
    put(subs, {"bob/work.py": WORK, "bob/work.ipynb": cells(LATER.decode())})
    put(subs, {"cat/work.py": STUB.replace(b"\n", b"\r\n"), "cat/final.py": WORK})
    put(subs, {"dan/work.py": STUB})
    put(subs, {"eve/work.py": b"print('nothing defined')", "eve/work.ipynb": cells(WORK.decode())})
    put(subs, {"fay.py": STUB, "fay.ipynb": cells(WORK.decode())})
    found = by_name(subs, work)
    assert [handin.flags for handin in found.values()] == [
        *(("notebook",), (), ("renamed",), (), ("notebook",), ("notebook",)),
    ]
    assert content(found["bob"]) == WORK
    assert content(found["dan"]) == STUB


def test_a_file_of_the_right_name_is_graded_whatever_it_defines(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/work.py": b"print(1)", "bob.py": b"print(2)", "cat.ipynb": cells("print(3)")})
    found = by_name(subs, work)
    assert content(found["ann"]) == b"print(1)"
    assert content(found["bob"]) == b"print(2)"
    assert b"print(3)" in content(found["cat"])


def test_nbgrader_folders_of_other_assignments(subs: Path, tmp_path: Path, work: Assignment) -> None:
    made(tmp_path, name="other")
    put(subs, {"ann/work/work.py": WORK, "ann/other/work.py": LATER, "bob/other/net.py": b"x = 1"})
    found = by_name(subs, work)
    assert content(found["ann"]) == WORK
    assert found["bob"].problem == "bob holds nothing for work, only bob/other/net.py. Hand in work.py."
    assert not found["bob"].attempted


@pytest.mark.parametrize(
    ("files", "said", "attempted"),
    [
        ({"ann/work.py": b""}, "ann/work.py is empty.", False),
        ({"ann.py": b" \n\t\n"}, "ann.py is empty.", False),
        ({"ann.py": b"\xef\xbb\xbf\n"}, "ann.py is empty.", False),
        ({"ann.ipynb": cells(" ", "\n")}, "ann.ipynb is empty.", False),
        ({"ann.zip": b""}, "ann.zip is empty.", False),
        ({"ann.zip": zipped({})}, "Nothing was handed in: ann.zip is empty.", False),
        ({"ann.zip": zipped({"hw/": b""})}, "Nothing was handed in: ann.zip is empty.", False),
        ({"ann/work/timestamp.txt": b"2024-01-01 00:00:00 UTC"}, "Nothing was handed in: ann is empty.", False),
        ({"ann/.hidden": b"x"}, "Nothing was handed in: ann is empty.", False),
        ({"ann/report.pdf": b"%PDF"}, "ann holds no Python file, only ann/report.pdf.", True),
        ({"ann.rar": b"Rar!"}, "ann.rar is no Python file, notebook or zip.", True),
        ({"ann/work.py": b"", "ann/report.pdf": b"%PDF"}, "ann/work.py is empty.", True),
        (
            {"ann/main.py": b"x = 1"},
            "ann holds no work.py, and no file that defines CFG, Net, make, only ann/main.py.",
            True,
        ),
    ],
)
def test_what_is_not_there(subs: Path, work: Assignment, files: dict[str, bytes], said: str, attempted: bool) -> None:
    put(subs, files)
    handin = one(subs, work)
    assert handin.student == "ann"
    assert handin.problem.startswith(said)
    assert "Hand in work.py" in handin.problem
    assert (handin.attempted, handin.flags) == (attempted, ())


def test_a_folder_named_like_the_file(subs: Path, work: Assignment) -> None:
    put(
        subs,
        {"ann/work.py/work.py": WORK, "bob.py/work.py": WORK, "cat/work.py/submitted": WORK, "dan.zip/work.py": WORK},
    )
    (subs / "eve" / "work.py").mkdir(parents=True)
    found = by_name(subs, work)
    assert [content(found[name]) for name in ("ann", "bob", "cat", "dan")] == [WORK] * 4
    assert [handin.flags for handin in found.values()] == [(), (), ("renamed",), (), ()]
    assert found["eve"].problem.startswith("Nothing was handed in")


# -- encodings

KOREAN = WORK + "# 과제 제출합니다\n".encode()


@pytest.mark.parametrize(
    "raw",
    [
        KOREAN,
        b"\xef\xbb\xbf" + KOREAN,
        b"# -*- coding: cp949 -*-\n" + KOREAN.decode().encode("cp949"),
        b"#!/usr/bin/python\n# vim: set fileencoding=euc-kr :\n" + KOREAN.decode().encode("euc-kr"),
        b"# coding: latin-1\n" + WORK + b"# \xe9\n",
        b"# coding: punycode\n" + WORK + b"\xff",  # Python's own to judge, in the sandbox
        KOREAN.replace(b"\n", b"\r\n"),
    ],
)
def test_what_python_can_read_stays_as_it_is(subs: Path, work: Assignment, raw: bytes) -> None:
    put(subs, {"ann/work.py": raw})
    handin = one(subs, work)
    assert content(handin) == raw
    assert handin.flags == handin.notes == ()


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (KOREAN.decode().encode("cp949"), "CP949 (EUC-KR)"),
        (KOREAN.decode().encode("utf-16"), "UTF-16"),
        (KOREAN.decode().encode("utf-16-le"), "UTF-16"),
        (KOREAN.decode().encode("utf-16-be"), "UTF-16"),
        (KOREAN.decode().encode("utf-32"), "UTF-32"),
        (WORK + b"# caf\xe9 .\n# 100 \x80 .\n", "Windows-1252"),
        (b"# coding: utf-8\n" + KOREAN.decode().encode("cp949"), "CP949 (EUC-KR)"),
        (b"# coding: no-such\n" + KOREAN, "UTF-8 with a wrong coding line"),
        (b"\xef\xbb\xbf# coding: cp949\n" + KOREAN, "UTF-8 with a wrong coding line"),
    ],
)
def test_what_python_cannot_read_is_converted(subs: Path, work: Assignment, raw: bytes, encoding: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        compile(importlib.util.decode_source(raw), "work.py", "exec")
    put(subs, {"ann/work.py": raw})
    handin = one(subs, work)
    assert content(handin).replace(b"# coding: utf-8\n", b"").startswith(WORK)
    assert KOREAN in content(handin) or encoding == "Windows-1252"
    compile(content(handin), "work.py", "exec")
    assert handin.flags == ("encoding",)
    assert handin.notes == (f"ann/work.py was converted from {encoding}. Save it as UTF-8 next time.",)


@quietly
@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-16")))
def test_any_bytes_are_text_or_not(raw: bytes) -> None:
    found = encodings.as_python(raw)
    if found is not None:
        converted, encoding = found
        assert bool(encoding) or converted == raw
        assert not encoding or converted.decode("utf-8") is not None
        assert encodings.as_python(converted) == (converted, "")  # once is enough


@quietly
@given(st.text(st.characters(codec="cp949", exclude_characters="\r\n\0"), max_size=30))
def test_a_comment_in_cp949_survives(comment: str) -> None:
    raw = f"x = 1  # {comment} 가\n".encode("cp949")
    with suppress(UnicodeDecodeError):
        raw.decode()
        return
    found = encodings.as_python(raw)
    assert found is not None
    assert found[0].decode("utf-8").split("# ", 1)[0] == "x = 1  "


def test_no_text_at_all(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/work.py": zipped({"work.py": WORK}), "bob.py": b"\x89PNG\r\n\x1a\n" + bytes(50)})
    found = by_name(subs, work)
    for name in ("ann", "bob"):
        assert "is no text. Hand in the Python source code itself." in found[name].problem
        assert found[name].flags == ("refused",)


# -- notebooks


def module(*sources: str | list[str]) -> str:
    """The module of a notebook with these cells, without its header."""
    return notebook.to_module(cells(*sources)).decode().split("\n", 2)[2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ny = 2", "x = 1\ny = 2"),
        ("%matplotlib inline\nx = 1", "pass  # %matplotlib inline\nx = 1"),
        ("if True:\n    !pip install x", "if True:\n    pass  # !pip install x"),
        ("!pip install \\\n  a \\\n  b\nx = 1", "pass  # !pip install \\\n  # a \\\n  # b\nx = 1"),
        ("?print", "pass  # ?print"),
        ("nn.Conv2d??", "pass  # nn.Conv2d??"),
        ("print?", "pass  # print?"),
        ("pip install torchinfo", "pass  # pip install torchinfo"),
        ("files = !ls", "files = None  # !ls"),
        ("t = %timeit -o f()", "t = None  # %timeit -o f()"),
        ("%time net = Net()", "net = Net()"),
        ("%%time\nx = 1", "pass  # %%time\nx = 1"),
        ("%%capture out\nx = 1", "pass  # %%capture out\nx = 1"),
        ("\n%%bash\necho 1\n\nls", "#\n# %%bash\n# echo 1\n#\n# ls"),
        ("%%writefile x.py\ny = 1", "# %%writefile x.py\n# y = 1"),
        ("  x = 1\n  if x:\n      y = 2", "x = 1\nif x:\n    y = 2"),
        ("x = (7\n% 4)", "x = (7\n% 4)"),
        ("x = 7 \\\n% 4", "x = 7 \\\n% 4"),
        ('s = """\n%d\n!ls\nprint?\n"""\n%cd x', 's = """\n%d\n!ls\nprint?\n"""\npass  # %cd x'),
        ('"""Why?\n%s"""', '"""Why?\n%s"""'),
        ("s = 'it''s \\\n%s'\n%ls", "s = 'it''s \\\n%s'\npass  # %ls"),
        ("s = r'\\'  # '\n%ls", "s = r'\\'  # '\npass  # %ls"),  # that is no comment
        ("# it's (\n%ls", "# it's (\npass  # %ls"),
        ("from google.colab import drive", "from google.colab import drive"),
        ("x = 5\r\ny = 6\rz = 7", "x = 5\ny = 6\nz = 7"),
        ("def f(:\n  pass", "def f(:\n  pass"),
        ("x = (1\n", "x = (1"),
        ("x = 1\n\n\n", "x = 1"),
        ("from __future__ import annotations", "pass  # from __future__ import annotations"),
        ("from __future__ import nothing", "from __future__ import nothing"),  # Python's to complain of
    ],
)
def test_cells(source: str, expected: str) -> None:
    assert module(source) == f"\n# %% code cell 1\n{expected}\n"
    assert module(source.splitlines(keepends=True)) == f"\n# %% code cell 1\n{expected}\n"


def test_cells_keep_their_order_and_number() -> None:
    assert module("x = 1", "", "y = 2") == "\n# %% code cell 1\nx = 1\n\n# %% code cell 3\ny = 2\n"


def test_imports_from_the_future_come_first() -> None:
    text = notebook.to_module(cells("x = 1", "from __future__ import annotations, division  # why\ndef f(y: No): ..."))
    assert text.splitlines()[1] == b"from __future__ import annotations, division"
    exec(compile(text, "work.py", "exec"), {})


def test_a_coding_line_in_a_cell_has_no_effect() -> None:
    text = notebook.to_module(cells("# -*- coding: euc-kr -*-\nx = '가'"))
    space: dict[str, object] = {}
    exec(compile(text, "work.py", "exec"), space)
    assert space["x"] == "가"


def test_older_formats() -> None:
    sheet = {"cells": [{"cell_type": "code", "input": ["x = 1\n", "y = 2"]}, {"cell_type": "code", "input": "z = 3"}]}
    text = notebook.to_module(json.dumps({"nbformat": 3, "worksheets": [sheet]}).encode())
    assert text.endswith(b"# %% code cell 1\nx = 1\ny = 2\n\n# %% code cell 2\nz = 3\n")


@pytest.mark.parametrize(
    "raw",
    [
        *(b"{}", b"[]", b"1", b"nothing", b'{"cells": ', b"\x89PNG\0\0\0", b"[" * 100_000, b"1" * 5_000),
    ],
    ids=lambda raw: repr(raw[:10]),
)
def test_what_is_no_notebook(subs: Path, work: Assignment, raw: bytes) -> None:
    with pytest.raises(notebook.NotebookError, match="is no "):
        notebook.to_module(raw)
    put(subs, {"ann.ipynb": raw, "bob.py": WORK})
    found = by_name(subs, work)
    assert found["ann"].problem.startswith("ann.ipynb is no ")
    assert content(found["bob"]) == WORK


def test_odd_cells_are_left_out() -> None:
    odd = [
        None,
        1,
        [],
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 5},
        {"cell_type": "code", "source": [1]},
    ]
    good = {"cell_type": "code", "source": "x = '\ud800'"}
    text = notebook.to_module(json.dumps({"cells": [*odd, good], "worksheets": [None, 3]}).encode())
    compile(text, "work.py", "exec")
    assert notebook.to_module(b'{"cells": 5}').count(b"\n") == 2


def test_a_notebook_under_another_suffix(subs: Path, work: Assignment) -> None:
    whole = cells(WORK.decode())
    put(subs, {"ann/work.py": whole, "bob/work.ipynb.json": whole, "cat.txt": whole, "dan/hw3.ipynb": whole})
    put(subs, {"eve.ipynb": cells(KOREAN.decode()).decode("unicode-escape").replace("\n", "\\n").encode("cp949")})
    found = by_name(subs, work)
    assert found["ann"].flags == ("notebook",)
    assert [found[name].flags for name in ("bob", "cat", "dan")] == [("notebook", "renamed")] * 3
    assert found["eve"].flags == ("encoding", "notebook")
    assert "과제" in content(found["eve"]).decode()


def test_a_large_notebook_with_little_code(subs: Path, work: Assignment) -> None:
    whole = json.loads(cells(WORK.decode()))
    whole["cells"][1]["outputs"] = [{"data": {"image/png": "x" * (2 * MAX_FILE)}}]
    put(subs, {"ann.ipynb": json.dumps(whole).encode(), "bob.ipynb": cells("#" * (MAX_FILE + 1))})
    found = by_name(subs, work)
    assert found["ann"].flags == ("notebook",)
    assert "bob.ipynb holds more than 1 MB of code" in found["bob"].problem


PYTHON = st.recursive(
    st.sampled_from(
        ["x", "1", "'%s'", '"!"', "f(x)", "'''\n%d\n!x\n'''", '"""a?"""', "r'\\''", "b'\\\\'", "x  # 'it?\n"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]}\n% {two[1]})"),
        inner.map(lambda it: f"[{it},\n\n {it}]"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} != {two[1]})"),
    ),
    max_leaves=5,
)
STATEMENTS = st.lists(
    st.one_of(
        PYTHON.map(lambda it: f"x = ({it}\n)"),
        PYTHON.map(lambda it: f"if x:\n\tdef f():\n\t\treturn ({it}\n)\n\n\n"),
        st.sampled_from(["x %= 2", "x = 7 \\\n% 2", "# %magic", "x = {'a': 1}['a']", "class A: pass", "x: int = 3"]),
    ),
    min_size=1,
    max_size=5,
).map("\n".join)


@quietly
@given(st.lists(STATEMENTS, min_size=1, max_size=4))
def test_python_is_left_as_it_is(sources: list[str]) -> None:
    for source in sources:
        ast.parse(source)  # else the strategy is wrong
    assert module(*sources) == "".join(
        f"\n# %% code cell {number}\n{source.rstrip()}\n" for number, source in enumerate(sources, 1)
    )


MAGIC = st.sampled_from(
    ["%matplotlib inline", "!ls 'it", "?x", "x?", "%%not first (", "x = !ls (", "pip install 'x", "%"]
)


@quietly
@given(st.lists(st.one_of(STATEMENTS, MAGIC), min_size=1, max_size=6))
@example(["!a \\", "x = 1"])
def test_magics_among_python_never_break_it(parts: list[str]) -> None:
    source = "x = 0\n" + "\n".join(parts)
    text = module(source)
    assert text.count("\n") == source.rstrip().count("\n") + 3
    ast.parse(text)


@quietly
@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_in_cells_keeps_its_lines(sources: list[str]) -> None:
    text = notebook.to_module(cells(*sources)).decode()
    assert text.startswith(notebook.HEADER)
    for number, source in enumerate(sources, 1):
        assert (f"# %% code cell {number}\n" in text) == bool(source.strip())


@quietly
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["cells", "worksheets", "cell_type", "source", "input", "code"]), inner, max_size=3
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_notebook_or_not(document: object) -> None:
    with suppress(notebook.NotebookError):
        notebook.to_module(json.dumps(document).encode())


# -- zips


@quietly
@given(st.text(max_size=40) | st.text("./\\:C ab\0", max_size=20))
@example("../../x")
@example("/etc/passwd")
@example("C:\\x\\..\\y")
@example("\\\\server\\share")
@example("a/" * 100)
@example(". \\ ")
def test_parts_of_a_members_name_lead_nowhere_but_inside(name: str) -> None:
    parts, problem = zips.safe_parts(name)
    here = Path("/safe").joinpath(*parts)
    assert os.path.normpath(here).startswith("/safe")
    assert here.is_relative_to("/safe")
    assert len(here.parts) <= len(parts) + 2
    assert all(part and part not in (".", "..") and "/" not in part and "\0" not in part for part in parts)
    assert len(parts) <= tree.MAX_FOLDERS
    if not problem and "\\" not in name and ":" not in name:
        assert "/".join(parts) == "/".join(part for part in name.split("/") if part not in ("", "."))


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@quietly
@given(
    st.dictionaries(NAMES | st.just("alice/work.py") | st.text("./ab", min_size=1), st.binary(max_size=5), max_size=5)
)
def test_a_zip_with_any_names(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = made(Path(folder))
        whole = Path(folder) / "class.zip"
        whole.write_bytes(zipped({**files, "alice/work.py": WORK}))
        for handin in collect(whole, work):
            check(handin)
        put(Path(folder) / "subs", {"bob.py": WORK, "eve.zip": whole.read_bytes()})
        assert {handin.student for handin in collect(Path(folder) / "subs", work)} == {"bob", "eve"}


def patched(raw: bytes, local: int, central: int, value: int, size: str = "<H") -> bytes:
    """``raw`` with a field of every local and central header overwritten."""
    changed = bytearray(raw)
    for signature, offset in ((b"PK\3\4", local), (b"PK\1\2", central)):
        at = changed.find(signature)
        while at >= 0:
            struct.pack_into(size, changed, at + offset, value)
            at = changed.find(signature, at + 4)
    return bytes(changed)


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, str]:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info, target


def with_links(*links: tuple[zipfile.ZipInfo, str], **files: bytes) -> bytes:
    made_of = io.BytesIO()
    with zipfile.ZipFile(made_of, "w") as archive:
        for info, target in links:
            archive.writestr(info, target)
        for name, inner in files.items():
            archive.writestr(f"{name}.py", inner)
    return made_of.getvalue()


def fifo_member() -> bytes:
    info = zipfile.ZipInfo("work.py")
    info.external_attr = 0o010644 << 16
    return with_links((info, WORK.decode()))


def nested(depth: int) -> bytes:
    raw = zipped({"work.py": WORK})
    for _ in range(depth - 1):
        raw = zipped({"inner.zip": raw})
    return raw


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"not a zip", "is damaged or no zip file"),
        (zipped({"work.py": WORK})[:-30], "is damaged or no zip file"),
        (zipped({"work.py": WORK}).replace(b"return Net", b"return Nut"), ""),  # compressed: nothing to replace
        (patched(zipped({"work.py": WORK}), 14, 16, 12345, "<I"), "work.py is damaged"),
        (patched(zipped({"work.py": WORK}), 6, 8, 1), "is encrypted. Hand it in without a password."),
        (patched(zipped({"work.py": WORK}), 8, 10, 12), "is compressed in a rare way (method 12)"),
        (patched(zipped({"work.py": WORK}), 8, 10, 9), "is compressed in a rare way (method 9)"),
        (patched(zipped({"work.py": WORK}), 4, 6, 200), "damaged"),
        (patched(zipped({"work.py": WORK}), 6, 8, 0x800).replace(b"work.py", b"\xff\xfe\xfd\xfc\xfb.p"), "is damaged"),
        (zipped({"../../work.py": WORK}), "'..' leads out of the zip"),
        (zipped({"..\\work.py": WORK}), "'..' leads out of the zip"),
        (zipped({"/work.py": WORK}), "the name begins at the root of a disk"),
        (zipped({"C:\\hw\\work.py": WORK}), "the name begins at the root of a disk"),
        (with_links(link("work.py", "/etc/passwd")), "work.py is a link, and links are not followed"),
        (with_links(link("hw", "/etc")), "hw is a link, and links are not followed"),
        (fifo_member(), "is not a regular file"),
        (zipped({"work.py": b"x = 1\n" * MAX_FILE}), "work.py is larger than 1 MB"),
        (nested(4), "is a zip in a zip in a zip in a zip"),
        (zipped({"d/" * 40 + "work.py": WORK}), "it is in more than 32 folders"),
        (zipped({"work.zip": b"damaged"}), "work.zip is damaged or no zip file"),
        (patched(zipped({"work.py": WORK}), 26, 28, 0), ""),  # no name at all
    ],
)
def test_hostile_zips_end_in_their_students_problem(subs: Path, work: Assignment, raw: bytes, said: str) -> None:
    put(subs, {"eve.zip": raw, "bob.zip": zipped({"work.py": WORK})})
    found = by_name(subs, work)
    assert list(found) == ["bob", "eve"]
    assert content(found["bob"]) == WORK
    if said:
        assert said in found["eve"].problem
        assert found["eve"].flags == ("refused",)
        assert found["eve"].attempted
    # And where that zip holds the class, or is one of the class's.
    whole = subs.parent / "class.zip"
    whole.write_bytes(zipped({"eve.zip": raw, "bob.zip": zipped({"work.py": WORK})}))
    again = by_name(whole, work)
    assert content(again["bob"]) == WORK
    whole.write_bytes(raw)
    with suppress(IntakeError):
        by_name(whole, work)


def test_nesting_as_deep_as_allowed(subs: Path, work: Assignment) -> None:
    put(subs, {"ann.zip": nested(3), "bob.py": WORK})
    assert content(by_name(subs, work)["ann"]) == WORK


def test_what_is_refused_beside_good_work_is_told(subs: Path, work: Assignment) -> None:
    put(subs, {"ann.zip": with_links(link("data", "/etc"), work=WORK), "bob.py": WORK})
    handin = by_name(subs, work)["ann"]
    assert content(handin) == WORK
    assert handin.flags == ("refused",)
    assert handin.notes == ("ann.zip/data is a link, and links are not followed. Hand in the file itself.",)


def test_a_bomb_is_not_unpacked(subs: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree.Budget.__init__, "__defaults__", (tree.MAX_FILES, 4 * MAX_FILE))
    big = b"#" * (MAX_FILE - 1)
    put(subs, {"ann.zip": zipped({f"{number}.py": big for number in range(40)}), "bob.py": WORK})
    # A size that is a lie: the header says 10 bytes, more come out.
    lie = patched(zipped({"work.py": WORK + b"#" * MAX_FILE * 3}), 22, 24, 10, "<I")
    put(subs, {"eve.zip": lie})
    read: list[int] = []
    spend = tree.Budget.spend

    def spy(budget: tree.Budget, size: int, where: str) -> None:
        read.append(size)
        spend(budget, size, where)

    monkeypatch.setattr(tree.Budget, "spend", spy)
    found = by_name(subs, work)
    assert "unpacks to more than 4 MB in all" in found["ann"].problem
    assert found["eve"].submission is None
    assert sum(read) < 60 * MAX_FILE  # what is over is noticed chunk by chunk
    assert max(read) <= tree.CHUNK


def test_a_zip_that_lists_too_many_files(subs: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 1_000)
    put(subs, {"ann.zip": zipped({f"{number}.py": WORK for number in range(100)}), "bob.py": WORK})
    assert "ann.zip lists too many files" in by_name(subs, work)["ann"].problem


def test_too_many_files(subs: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree.Budget.__init__, "__defaults__", (30, tree.MAX_TOTAL))
    many = {f"{number}.txt": b"x" for number in range(40)}
    put(subs, {"ann.zip": zipped(many), **{f"bob/{name}": inner for name, inner in many.items()}, "cat.py": WORK})
    put(subs, {"eve.zip": zipped({"work.py": WORK, **dict(list(many.items())[:29])})})
    put(subs, {"dan/work.py": WORK, **{f"dan/data/{name}": inner for name, inner in many.items()}})
    found = by_name(subs, work)
    assert "ann.zip holds more than 30 files" in found["ann"].problem
    assert "bob holds more than 30 files" in found["bob"].problem
    assert (content(found["eve"]), found["eve"].flags) == (WORK, ())
    assert content(found["dan"]) == WORK  # what is nearest is seen first
    assert found["dan"].flags == ("refused",)


def test_too_many_files_of_code(subs: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "MAX_READ", 10)
    put(subs, {f"ann/{number}.py": b"x = 1" for number in range(20)})
    assert "ann holds more than 10 files of code" in one(subs, work).problem


def test_the_last_of_two_members_with_one_name_stays(subs: Path, work: Assignment) -> None:
    made_of = io.BytesIO()
    with zipfile.ZipFile(made_of, "w") as archive:
        archive.writestr("work.py", WORK)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("work.py", LATER)
    put(subs, {"ann.zip": made_of.getvalue()})
    assert content(one(subs, work)) == LATER


def test_names_in_zips_from_korean_windows(subs: Path, work: Assignment) -> None:
    raw = zipped({"XXXX/work.py": WORK, "YYYYYY/work.py": WORK})
    raw = raw.replace(b"XXXX", "과제".encode("cp949")).replace(b"YYYYYY", "제출".encode())
    put(subs, {"ann.zip": raw, "bob.py": WORK})
    handin = by_name(subs, work)["ann"]
    assert handin.submission is not None
    assert str(handin.submission.path) in ("ann.zip/과제/work.py", "ann.zip/제출/work.py")


# -- things on disk


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_links_pipes_and_sockets_are_not_opened(
    subs: Path, tmp_path: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    put(secret, {"work.py": WORK})
    put(subs, {"ann/x.txt": b"x", "bob.py": WORK, "fay/work.py": WORK})
    (subs / "ann" / "work.py").symlink_to(secret / "work.py")
    (subs / "cat.py").symlink_to(secret / "work.py")
    (subs / "dan").symlink_to(secret)
    (subs / "eve.py").symlink_to("bob.py")  # within the class folder, but another student's
    (subs / "fay" / "loop").symlink_to(subs / "fay")
    (subs / "gus.py").symlink_to("nowhere")
    os.mkfifo(subs / "hal.py")
    (subs / "ian").mkdir()
    os.mkfifo(subs / "ian" / "work.py")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(subs)  # the path of a socket must be short
        listening.bind("jon.py")
        found = by_name(subs, work)
    for name in ("ann", "cat", "dan", "eve", "gus"):
        assert "is a link, and links are not followed. Hand in the file itself." in found[name].problem
    for name in ("hal", "ian", "jon"):
        assert "is not a regular file (a pipe, a socket or a device)" in found[name].problem
    for name in set(found) - {"bob"}:
        assert found[name].flags == ("refused",)
    assert content(found["bob"]) == content(found["fay"]) == WORK


def test_what_becomes_a_link_meanwhile_is_not_followed(subs: Path, tmp_path: Path) -> None:
    put(subs, {"work.py": WORK})
    put(tmp_path, {"secret.py": LATER})
    (leaf,) = tree.on_disk(subs, "", "subs").children()
    assert isinstance(leaf, tree.Leaf)
    (subs / "work.py").unlink()
    (subs / "work.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(tree.RefusedError, match=r"work\.py cannot be read"):
        tree.read(leaf, MAX_FILE, tree.Budget())
    (subs / "work.py").unlink()
    os.mkfifo(subs / "work.py")
    with pytest.raises(tree.RefusedError, match="it is no regular file any more"):
        tree.read(leaf, MAX_FILE, tree.Budget())
    (subs / "work.py").unlink()
    with pytest.raises(tree.RefusedError, match="No such file"):
        tree.read(leaf, MAX_FILE, tree.Budget())


@pytest.fixture
def unprivileged() -> Iterator[Callable[[], None]]:
    """Calling it gives up root's rights, until the end of the test."""
    before = os.geteuid()

    def drop() -> None:
        if before == 0:
            os.seteuid(65534)

    yield drop
    os.seteuid(before)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="no such rights here")
def test_what_may_not_be_read(unprivileged: Callable[[], None]) -> None:
    with tempfile.TemporaryDirectory() as made_for_all:
        folder = Path(made_for_all)
        folder.chmod(0o755)
        work, subs = made(folder), folder / "subs"
        put(subs, {"ann/work.py": WORK, "bob/work.py": WORK, "cat.zip": zipped({"work.py": WORK}), "dan.py": WORK})
        for path in ("ann/work.py", "bob", "cat.zip"):
            (subs / path).chmod(0)
        try:
            unprivileged()
            found = by_name(subs, work)
        finally:
            if os.geteuid() == 65534:
                os.seteuid(0)
            (subs / "bob").chmod(0o755)
        for name in ("ann", "bob", "cat"):
            assert "cannot be read: Permission denied." in found[name].problem
            assert found[name].attempted
        assert content(found["dan"]) == WORK


def test_a_file_that_is_too_large(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/work.py": b"#" * (MAX_FILE + 1), "bob.py": WORK})
    with (subs / "cat.zip").open("wb") as sparse:
        sparse.truncate(1 << 40)
    found = by_name(subs, work)
    assert "ann/work.py is larger than 1 MB. Hand in source code only" in found["ann"].problem
    assert "cat.zip is damaged or no zip file" in found["cat"].problem


def test_folders_without_end(subs: Path, work: Assignment) -> None:
    put(subs, {"ann/" + "d/" * 60 + "work.py": WORK, "bob.py": WORK})
    found = by_name(subs, work)
    assert "is in more than 32 folders" in found["ann"].problem
    assert len(found["ann"].problem) < 400


def test_an_error_of_ours_stops_one_student_only(subs: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gather.choose

    def choose_or_fail(nodes: list[tree.Node], where: str, *others: object) -> object:
        if where == "ann.py":
            raise RecursionError("in the depths of something")
        return real(nodes, where, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(gather, "choose", choose_or_fail)
    put(subs, {"ann.py": WORK, "bob.py": WORK})
    found = by_name(subs, work)
    assert found["ann"].problem == "ann.py cannot be read (in the depths of something). Hand in work.py by itself."
    assert content(found["bob"]) == WORK


# -- names


def test_names_of_students(subs: Path, work: Assignment) -> None:
    put(
        subs,
        {"김철수.py": WORK, "José.py".replace("é", "e\u0301"): WORK, "a\nb\x1b[1m.py": WORK, "x\u202eyp.zip.py": WORK},
    )
    (Path(os.fsdecode(os.fsencode(subs) + b"/" + "이영희".encode("cp949")))).mkdir()
    found = by_name(subs, work)
    assert set(found) == {"김철수", "José", "a\ufffdb\ufffd[1m", "x\ufffdyp", "이영희"}


def test_names_that_become_one_are_kept_apart(subs: Path, work: Assignment) -> None:
    put(subs, {"é.py": WORK, "e\u0301.py": LATER, "é (2).py": WORK, "b\x01.py": WORK, "b\x02.py": LATER})
    found = by_name(subs, work)
    assert set(found) == {"é", "é (2)", "é (3)", "b\ufffd", "b\ufffd (2)"}
    assert content(found["é"]) == LATER  # the first in the order of the names as they are
    assert "2 students are called é in this upload" in found["é (3)"].notes[0]
    assert found["é (2)"].notes == ()


def test_one_student_by_name_and_by_canvas(subs: Path, work: Assignment) -> None:
    put(subs, {"ann.py": WORK, "ann_11_12_work.py": LATER})
    found = by_name(subs, work)
    assert {name: content(handin) for name, handin in found.items()} == {"ann": WORK, "ann (11)": LATER}


@quietly
@given(st.text(max_size=300))
def test_any_name_becomes_one_that_can_be_written(name: str) -> None:
    shown = names.student(name)
    assert shown.strip()
    assert shown not in (".", "..")
    assert "/" not in shown
    assert "\\" not in shown
    assert "\0" not in shown
    assert len(shown.splitlines()) == 1
    assert len(shown) <= names.MAX_NAME
    assert names.student(shown) == shown
    names.owner(name, folder=True)
    names.owner(name, folder=False)


def test_the_order_of_the_file_system_does_not_matter(
    subs: Path, work: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(subs, {f"{name}/{file}.py": WORK + name.encode() for name in "edcba" for file in "zyx"})
    put(subs, {"a.zip": zipped({"work.py": WORK}), "b.py": WORK, "c/work.py": LATER, "é.py": WORK, "e\u0301.py": LATER})
    put(subs, {f"d/{number}/work.py": WORK + bytes([48 + number]) for number in range(5)})
    (subs / "e" / "link").symlink_to("x")
    (subs / "e" / "another").symlink_to("x")
    before = collect(subs, work)
    real = tree._children
    monkeypatch.setattr(tree, "_children", lambda *args: reversed(list(real(*args))))
    assert collect(subs, work) == before


def test_the_public_names() -> None:
    assert sorted(intake.__all__) == ["Handin", "IntakeError", "collect", "collect_named"]
