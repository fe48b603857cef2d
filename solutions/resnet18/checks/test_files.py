"""Hidden checks of resnet18: the data functions with awkward names, with files that are there already, interrupted."""

import hashlib
import os
from pathlib import PurePosixPath

from grader.checks import CheckFailed, check
from grader.checks.files import contents, expect_kept, files
from grader.language import gettext
from grader.student import StudentError, call

ENGLISH = {
    "cane": "dog", "cavallo": "horse", "elefante": "elephant", "farfalla": "butterfly", "gallina": "chicken",
    "gatto": "cat", "mucca": "cow", "pecora": "sheep", "ragno": "spider", "scoiattolo": "squirrel",
}  # fmt: skip
AWKWARD = [
    "a b.jpg", "ä ö ü.png", "강아지 1.jpg", "[1].jpg", "-rf.jpg", "%41 {0}.png", "it's.jpg", ".hidden.jpg", "UPPER.JPG",
    "no extension", "dots.in.the.name.jpg", "~.png", "Thumbs.db", "train", "test.jpg", "1.jpg", "1.jpeg", "1.png",
]  # fmt: skip
if os.name != "nt":
    AWKWARD += ["*.jpg", 'quoted".jpg', "new\nline.jpg", "back\\slash.jpg", "space .jpg", "?.png", "a:b.jpg"]
DONE = "create_train_test_dirs"


def places(before, tree, what):
    """Where each file of a class folder is now; all of them are in their class, and the class folders are gone."""
    inside = {path: content for path, content in before.items() if "/" in path}
    now = expect_kept(inside, tree, what)
    for old, new in now.items():
        first, *middle, _ = PurePosixPath(old).parts
        name = ENGLISH.get(middle[0] if middle else first, middle[0] if middle else first)
        place = PurePosixPath(new).parts
        if len(place) != 3 or place[0] not in ("train", "test") or place[1] != name:
            raise CheckFailed(
                gettext("{what} leaves {old!r} at {new!r}.").format(what=what, old=old, new=new),
                expected=gettext("train/{name}/ or test/{name}/").format(name=name),
                actual=new,
            )
        plain = "." not in PurePosixPath(old).name
        known = PurePosixPath(old).suffix.lower() in (".jpg", ".jpeg", ".png", ".db")
        if (plain and "." in place[2]) or (known and place[2].split(".")[-1] != old.split(".")[-1]):
            message = gettext("{what} turns {old!r} into {new!r}, with another suffix.")
            raise CheckFailed(message.format(what=what, old=old, new=new), expected=old, actual=new)
    for old in inside:
        folder = PurePosixPath(old).parts[0]
        if folder not in ("train", "test") and folder in tree:
            raise CheckFailed(gettext("{what} leaves the folder {folder}/ behind.").format(what=what, folder=folder))
    return now


def expect_nothing_else(before, tree, what):
    """In train/ and test/ there is no file that was in none of the folders before."""
    known = {hashlib.sha256(content).hexdigest() for content in before.values()}
    for path, kind in tree.items():
        if path.startswith(("train/", "test/")) and kind not in ("folder", *known):
            message = gettext("{what} leaves {path!r}, which is none of the files that were there.")
            raise CheckFailed(message.format(what=what, path=path), actual=path)


def expect_shares(now, test_size, what):
    counts = {}
    for new in now.values():
        part, name, _ = PurePosixPath(new).parts
        counts.setdefault(name, []).append(part == "test")
    for name, flags in counts.items():
        if abs(sum(flags) - test_size * len(flags)) >= 1:
            raise CheckFailed(
                gettext("{what}, {count} of {total} files of {name} are in test/.").format(
                    what=what, count=sum(flags), total=len(flags), name=name
                ),
                expected=f"{test_size * len(flags):g}",
                actual=sum(flags),
            )


@check(
    points=6,
    hint="Move files as they are, whatever they are called; where the name is taken already, choose another one.",
    requires=["split"],
)
def test_split_awkward(student):
    """create_train_test_dirs copes with any name, and overwrites nothing where two folders become one class"""
    folders = ("cane", "dog", "due parole", "Gatto", "contest", "_class")
    paths = [f"{folder}/{name}" for folder in folders for name in AWKWARD]
    paths += [f"{folder}/{number}.jpeg" for folder in ENGLISH for number in range(5)]
    before = files([*dict.fromkeys(paths), "translate.py", "read me.txt"])
    source = "gatto [1]/train/animals"
    student.write_tree(source, before)
    for _ in range(2):
        student.create_train_test_dirs(source, 0.25)
        tree = student.read_tree(source)
        expect_shares(places(before, tree, DONE), 0.25, DONE)
        loose = expect_kept({path: content for path, content in before.items() if "/" not in path}, tree, DONE)
        for old, new in loose.items():
            if old != new:
                raise CheckFailed(
                    gettext("{what} moves {old!r}, which lies beside the class folders, to {new!r}.").format(
                        what=DONE, old=old, new=new
                    ),
                    expected=old,
                )
    same = dict.fromkeys(("cane/1.jpg", "dog/1.jpg", "dog/2.jpg"), b"one and the same")
    student.write_tree("alike", same)
    student.create_train_test_dirs("alike")
    left = sum(kind not in ("folder", "link") for kind in student.read_tree("alike").values())
    if left != len(same):
        message = gettext("{what} leaves {left} of {total} files whose contents are the same.")
        raise CheckFailed(message.format(what=DONE, left=left, total=len(same)), expected=len(same), actual=left)
    # The handout does not say where a folder in a class folder goes; but what is in it is not lost.
    before = files(["cane/1.jpg", "cane/more/2.jpg", "cane/more/3.jpg"])
    student.write_tree("nested", before)
    try:
        student.create_train_test_dirs("nested")
    except StudentError as error:
        if error.status != "error":
            raise
    expect_kept(before, student.read_tree("nested"), DONE)


@check(points=5, hint="Sort before you shuffle; random.Random(seed).", requires=["split"])
def test_split_seed(student):
    """The seed decides the split: the same one gives the same, another one another"""
    paths = [f"{folder}/{number}.jpg" for folder in ("cane", "gatto", "mucca") for number in range(20)]
    found = []
    for place, backwards, seed in (
        ("seeded", False, [5]),
        ("elsewhere", True, [5]),
        ("seeded", False, [6]),
        ("seeded", False, []),
        ("seeded", True, []),
        ("seeded", False, [25]),  # as many files further
        ("seeded", False, [0]),
    ):
        before = files(reversed(paths) if place == "elsewhere" else paths)  # made in another order, too
        student.write_tree(place, before)
        call(student.create_train_test_dirs, place, 0.3, *seed, backwards=backwards)
        now = places(before, student.read_tree(place), DONE)
        expect_shares(now, 0.3, DONE)
        found.append({old: PurePosixPath(new).parts[0] for old, new in now.items()})
    if found[0] != found[1] or found[3] != found[4] or found[3] != found[6]:
        raise CheckFailed(
            gettext(
                "The same seed gives two different splits of the same files, elsewhere or listed in another order."
            ),
            expected=gettext("the same split"),
        )
    if found[2] in (found[0], found[5]) or found[0] == found[5]:
        raise CheckFailed(gettext("Two seeds give the same split."), expected=gettext("another split"))
    if all(in_order(found[0], folder) for folder in ("cane", "gatto", "mucca")):
        raise CheckFailed(gettext("The files in test/ are neighbours by name: shuffle before you divide them."))


def in_order(split, folder):
    """Whether those in test/ stand together in the order of their names, or evenly spaced, around the end as well.

    Of 20 files in three folders, of which 6 each are drawn, they do in one case of fifty million.
    """
    order = [split[path] for path in sorted(split) if path.startswith(f"{folder}/")]
    chosen = [place for place, part in enumerate(order) if part == "test"]
    steps = [(after - before) % len(order) for before, after in zip(chosen, chosen[1:] + chosen[:1], strict=True)]
    return max(map(steps.count, steps)) >= len(steps) - 1 or max(steps) - min(steps) <= 1


@check(
    points=3,
    hint="Count what is in train/ and test/ already: the share is one of all files of the class.",
    requires=["split_again"],
)
def test_split_more_files(student):
    """Files that come later join those that are there: nothing is overwritten, nothing moves back, shares hold"""
    paths = [f"train/dog/{number}.jpg" for number in range(10)]  # as after a call with test_size 0
    paths += [f"train/cat/{number}.jpg" for number in range(3)] + ["test/cat/a.jpg"]
    paths += [f"{folder}/{number}.jpg" for folder in ("cane", "dog") for number in range(8)]  # every name three times
    paths += [f"{folder}/my.dog.jpg" for folder in ("cane", "dog", "train/dog")]
    paths += [f"mucca_frisona/{number}.jpg" for number in range(5)]  # its name is not to be translated
    paths += [f"gatto/{number}.jpg" for number in range(16)]
    paths += [f"train/sheep/{number}" for number in range(10)] + [f"pecora/{number}.txt" for number in range(6)]
    before = files(paths)
    for later in (b"later", b"and later still"):
        student.write_tree("more", before)
        student.create_train_test_dirs("more")
        tree = student.read_tree("more")
        now = places(before, tree, DONE)
        expect_nothing_else(before, tree, DONE)
        expect_shares(now, 0.2, gettext("After a call with more files"))
        moved = [old for old, new in now.items() if old.startswith(("train/", "test/")) and old != new]
        if moved:
            message = gettext("{what} moves {old!r}, which was in its place already, to {new!r}.")
            raise CheckFailed(message.format(what=DONE, old=moved[0], new=now[moved[0]]))
        # The same names once more, with other contents.
        before = {new: before[old] for old, new in now.items()}
        before |= {
            path: content + later for path, content in files(f"cane/{number}.jpg" for number in range(8)).items()
        }
    before = {}
    for number in range(7):  # at last one name is wanted 14 times
        before |= {path: f"{path}, {number}".encode() for path in ("cane/1.jpg", "dog/1.jpg")}
        student.write_tree("equal", before)
        student.create_train_test_dirs("equal", 0.0)
        now = places(before, student.read_tree("equal"), DONE)
        before = {new: before[old] for old, new in now.items()}
    # More than a fifth is in test/ already, so none of the new ones goes there.
    before = files([f"{part}/horse/{number}.jpg" for part in ("train", "test") for number in range(5)])
    before |= files(f"cavallo/{number}.jpg" for number in range(4))
    student.write_tree("enough", before)
    student.create_train_test_dirs("enough")
    now = places(before, student.read_tree("enough"), DONE)
    wrong = [old for old, new in now.items() if old.startswith(("train/", "test/")) and old != new]
    wrong += [old for old, new in now.items() if old.startswith("cavallo/") and new.startswith("test/")]
    if wrong:
        message = gettext("Where half of a class is in test/ already, {what} moves {old!r} to {new!r}.")
        raise CheckFailed(message.format(what=DONE, old=wrong[0], new=now[wrong[0]]))


@check(
    points=8,
    hint="Rename files one by one (one step, never copy and delete), and count on finding half of the work done.",
    requires=["split_again"],
)
def test_split_interrupted(student):
    """Interrupted anywhere and called again, create_train_test_dirs loses nothing and finishes the job"""
    paths = [f"{folder}/{number}.jpg" for folder in ("cane", "dog") for number in range(6)]
    before = files(paths + [f"gatto/{number}.jpg" for number in range(11)])
    for changes in (*range(12), *range(12, 120, 3)):
        student.write_tree("stopped", before)
        what = gettext("{what}, interrupted after {count} changes of files,").format(what=DONE, count=changes)
        again = gettext("{what}, interrupted after {count} changes of files, and called again").format(
            what=DONE, count=changes
        )
        when = gettext("When {what}, interrupted after {count} changes of files, and called again").format(
            what=DONE, count=changes
        )
        try:
            call(student.create_train_test_dirs, "stopped", test_size=0.4, stop_after=changes)
        except StudentError as error:
            if error.status != "error":
                raise
        half = student.read_tree("stopped")
        expect_kept(before, half, what, once=False)
        student.create_train_test_dirs("stopped", test_size=0.4)
        tree = student.read_tree("stopped")
        expect_shares(places(before, tree, again), 0.4, when)
        expect_nothing_else(before, tree, again)
        where = contents(half)
        for path, kind in half.items():
            # What is in two places was being copied: it may be either that stays.
            if path.startswith(("train/", "test/")) and tree.get(path) != kind and len(where.get(kind, "..")) == 1:
                message = gettext("{when}, it moves {path!r}, which was in its place already.")
                raise CheckFailed(message.format(when=when, path=path))
        if all(path.startswith(("train", "test")) for path in half):
            return
