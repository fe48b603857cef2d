"""grader.assignment and grader.submission: what is wrong is said with the file, the key and the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grader import assignment, submission
from grader.assignment import Assignment, AssignmentError
from grader.submission import MAX_FILE, SubmissionError

ROOT = Path(__file__).resolve().parent.parent
RIGHT = """\
title = "Two layers"
files = ["work.py"]
points = 10

[limits]
import_seconds = 5
check_seconds = 7.5
memory_mb = 500

[checkpoint]
file = "work.safetensors"
build = "net"
threshold = 0.8
"""


def made(root: Path, toml: str = RIGHT) -> Path:
    """An assignment named work under ``root``; returns its folder."""
    folder = root / "assignments" / "work"
    folder.mkdir(parents=True)
    (folder / "assignment.toml").write_text(toml, encoding="utf-8")
    return folder


def work(root: Path, toml: str = RIGHT) -> Assignment:
    made(root, toml)
    return assignment.load("work", root)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    folder = made(tmp_path)
    found = assignment.load("work", tmp_path)
    assert (found.name, found.folder, found.secret) == ("work", folder, None)
    assert (found.settings.title, found.settings.files, found.settings.points) == ("Two layers", ["work.py"], 10)
    assert found.settings.limits == assignment.Limits(5, 7.5, 500)
    assert found.settings.checkpoint == assignment.Checkpoint("work.safetensors", "net", 0.8)
    assert found.checkpoint_path == folder / "work.safetensors"


def test_limits_and_checkpoint_may_be_left_out(tmp_path: Path) -> None:
    found = work(tmp_path, RIGHT[: RIGHT.index("[limits]")])
    assert found.settings.limits.check_seconds > 0
    assert found.settings.checkpoint is None
    assert found.checkpoint_path is None


def test_check_folders_are_the_public_one_and_then_the_hidden_one(tmp_path: Path) -> None:
    folder = made(tmp_path)
    assert assignment.load("work", tmp_path).check_folders == []
    (folder / "checks").mkdir()
    assert assignment.load("work", tmp_path).check_folders == [folder / "checks"]
    secret = tmp_path / "solutions" / "work"
    (secret / "checks").mkdir(parents=True)
    assert assignment.load("work", tmp_path).check_folders == [folder / "checks", secret / "checks"]


@pytest.mark.parametrize(
    ("line", "instead", "key"),
    [
        ('title = "Two layers"', "", "`title`"),
        ('title = "Two layers"', 'title = ""', "title"),
        ('title = "Two layers"', "title = 5", "title"),
        ('title = "Two layers"', 'titel = "Two layers"', "`titel`"),
        ('files = ["work.py"]', "", "`files`"),
        ('files = ["work.py"]', "files = []", "files"),
        ('files = ["work.py"]', 'files = "work.py"', "files"),
        ('files = ["work.py"]', "files = [1]", "files"),
        ('files = ["work.py"]', 'files = ["work"]', "files"),
        ('files = ["work.py"]', 'files = ["../work.py"]', "files"),
        ('files = ["work.py"]', 'files = ["a/work.py"]', "files"),
        ('files = ["work.py"]', 'files = ["my work.py"]', "files"),
        ("points = 10", "", "`points`"),
        ("points = 10", "points = 0", "points"),
        ("points = 10", "points = -3", "points"),
        ("points = 10", "points = nan", "points"),
        ("points = 10", "points = inf", "points"),
        ("points = 10", "points = true", "points"),
        ("points = 10", 'points = "10"', "points"),
        ("points = 10", "points = 10\nlimits = 5", "limits"),
        ("import_seconds = 5", "import_seconds = 0", "limits.import_seconds"),
        ("import_seconds = 5", "imports = 5", "limits"),
        ("check_seconds = 7.5", "check_seconds = -1", "limits.check_seconds"),
        ("check_seconds = 7.5", "check_seconds = inf", "limits.check_seconds"),
        ("check_seconds = 7.5", 'check_seconds = "7 s"', "limits.check_seconds"),
        ("memory_mb = 500", "memory_mb = 99", "limits.memory_mb"),
        ("memory_mb = 500", "memory_mb = 2_000_000", "limits.memory_mb"),
        ("memory_mb = 500", "memory_mb = 500.5", "limits.memory_mb"),
        ('file = "work.safetensors"', "", "checkpoint"),
        ('file = "work.safetensors"', 'file = "work.pt"', "checkpoint.file"),
        ('file = "work.safetensors"', 'file = "../work.safetensors"', "checkpoint.file"),
        ('build = "net"', 'build = "net()"', "checkpoint.build"),
        ('build = "net"', "build = 1", "checkpoint.build"),
        ("threshold = 0.8", "threshold = 80", "checkpoint.threshold"),
        ("threshold = 0.8", "threshold = 0", "checkpoint.threshold"),
        ("threshold = 0.8", "threshold = nan", "checkpoint.threshold"),
        ("threshold = 0.8", "threshold = 0.8\nmore = 1", "checkpoint"),
    ],
    ids=lambda text: text.replace("\n", " "),
)
def test_every_wrong_line_is_named(tmp_path: Path, line: str, instead: str, key: str) -> None:
    assert line in RIGHT
    toml = RIGHT.replace(line, instead)
    if instead.endswith("limits = 5"):
        toml = toml[: toml.index("[limits]")]
    with pytest.raises(AssignmentError) as caught:
        work(tmp_path, toml)
    assert str(tmp_path / "assignments" / "work" / "assignment.toml") in str(caught.value)
    assert key in str(caught.value).removeprefix(str(tmp_path))


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe", b"title = 1\ntitle = 2"], ids=repr)
def test_what_is_not_toml(tmp_path: Path, content: bytes) -> None:
    path = made(tmp_path) / "assignment.toml"
    path.write_bytes(content)
    with pytest.raises(AssignmentError, match=r"assignment\.toml is not valid TOML"):
        assignment.load("work", tmp_path)


def test_unknown_names_are_told_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "assignments" / "notes").mkdir(parents=True)
    for name in ("wrok", "../work", "", "notes"):
        with pytest.raises(AssignmentError, match="There: none"):
            assignment.load(name, tmp_path)
    made(tmp_path)
    with pytest.raises(AssignmentError, match=r"no assignment 'wrok' in .*assignments\. There: work\."):
        assignment.load("wrok", tmp_path)


def test_the_root_is_here_or_above(tmp_path: Path) -> None:
    folder = made(tmp_path)
    assert assignment.find_root(folder) == tmp_path
    (tmp_path / "elsewhere").mkdir()
    assert assignment.find_root(tmp_path / "elsewhere") == tmp_path
    shutil.rmtree(tmp_path / "assignments")
    assert assignment.find_root(tmp_path) == ROOT  # where grader itself is


@pytest.mark.parametrize(
    ("name", "points", "threshold"),
    [
        ("vgg16", 100, 0.85),
        ("resnet50", 120, 0.80),
        ("vgg_family", 100, None),
        ("vgg_functional", 100, None),
        ("cnn_basics", 100, 0.98),
        ("resnet18", 100, None),
        ("training", 100, None),
        ("inception", 100, None),
    ],
)
def test_the_shipped_assignments(name: str, points: int, threshold: float | None) -> None:
    assert name in assignment.names(ROOT)
    found = assignment.load(name, ROOT)
    assert found.settings.files == [f"{name}.py"]
    assert found.settings.points == points
    assert (None if found.settings.checkpoint is None else found.settings.checkpoint.threshold) == threshold
    assert found.check_folders
    assert submission.read(found).files[f"{name}.py"]


def test_a_folder_or_its_file_under_any_name_is_read(tmp_path: Path) -> None:
    chosen = work(tmp_path)
    (tmp_path / "work.py").write_bytes(b"x = 1\n")
    (tmp_path / "alice_1234.py").write_bytes(b"x = 2\n")
    for path, content in ((tmp_path, b"x = 1\n"), (tmp_path / "alice_1234.py", b"x = 2\n")):
        found = submission.read(chosen, path)
        assert found.files == {"work.py": content}
        assert found.file.read_bytes() == content
    with pytest.raises(SubmissionError, match="There is no file"):  # the assignment's own folder has no stub here
        submission.read(chosen)


def test_several_files_are_read_from_a_folder_only(tmp_path: Path) -> None:
    chosen = work(tmp_path, RIGHT.replace('"work.py"', '"work.py", "more.py"'))
    for name in ("work.py", "more.py", "other.py"):
        (tmp_path / name).write_text(f"# {name}")
    assert list(submission.read(chosen, tmp_path).files) == ["work.py", "more.py"]
    with pytest.raises(SubmissionError, match=r"work\.py, more\.py: give the folder"):
        submission.read(chosen, tmp_path / "work.py")


def test_the_hash_covers_names_and_contents(tmp_path: Path) -> None:
    hashes = {
        submission.Submission(tmp_path, files).sha256()
        for files in ({"a.py": b"12", "b.py": b"3"}, {"a.py": b"1", "b.py": b"23"}, {"a.py": b"12", "c.py": b"3"})
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"There is no file .*work\.py\.$"),
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"x" * (MAX_FILE + 1), "larger than 1 MB. Hand in source code only"),
    ],
    ids=["missing", "empty", "blank", "large"],
)
def test_files_that_cannot_be_graded(tmp_path: Path, content: bytes | None, said: str) -> None:
    chosen = work(tmp_path)
    handed_in = tmp_path / "handed in"
    handed_in.mkdir()
    if content is not None:
        (handed_in / "work.py").write_bytes(content)
    with pytest.raises(SubmissionError, match=said):
        submission.read(chosen, handed_in)


def test_a_folder_named_like_the_file(tmp_path: Path) -> None:
    chosen = work(tmp_path)
    (tmp_path / "work.py").mkdir()
    with pytest.raises(SubmissionError, match=r"There is no file .*work\.py\.$"):
        submission.read(chosen, tmp_path)


def test_a_file_of_another_name_is_mentioned(tmp_path: Path) -> None:
    chosen = work(tmp_path)
    (tmp_path / "Work (1).py").write_text("x = 1")
    with pytest.raises(SubmissionError, match=r"The folder has Work \(1\)\.py: rename yours to work\.py"):
        submission.read(chosen, tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"There is no .*nowhere\. Give the file work\.py or the folder"):
        submission.read(work(tmp_path), tmp_path / "nowhere")
