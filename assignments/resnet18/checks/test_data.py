"""Public checks of resnet18: the folders of images."""

from pathlib import PurePosixPath

from hypothesis import given, settings
from hypothesis import strategies as st

from grader.checks import CheckFailed, check
from grader.checks.files import expect_kept, files
from grader.language import gettext

ENGLISH = {"cane": "dog", "gatto": "cat", "ragno": "spider", "scoiattolo": "squirrel"}


def class_folder(name, count):
    return [f"{name}/OIP-{number:03}.jpeg" for number in range(count)]


def expect_split(before, tree, test_size, what):
    """Every file of ``before`` is in train/ or test/ now, in its class, and each class has its share."""
    now = expect_kept(before, tree, what)
    counts = {}
    for old, new in now.items():
        folder = PurePosixPath(old).parts[0]
        name = ENGLISH.get(folder, folder)
        place = PurePosixPath(new).parts
        if len(place) != 3 or place[0] not in ("train", "test") or place[1] != name:
            raise CheckFailed(
                gettext("{what} puts {old!r} at {new!r}.").format(what=what, old=old, new=new),
                expected=gettext("train/{name}/ or test/{name}/").format(name=name),
                actual=new,
            )
        part = counts.setdefault(name, {"train": 0, "test": 0})
        part[place[0]] += 1
    for name, part in counts.items():
        wanted = test_size * sum(part.values())
        if abs(part["test"] - wanted) >= 1:
            raise CheckFailed(
                gettext(
                    "{what} puts {count} of {total} files of {name} into test/; with test_size {test_size} it "
                    "should be {wanted:g}."
                ).format(
                    what=what,
                    count=part["test"],
                    total=sum(part.values()),
                    name=name,
                    test_size=test_size,
                    wanted=wanted,
                ),
                expected=f"{wanted:g}",
                actual=part["test"],
            )
    for old in before:
        folder = PurePosixPath(old).parts[0]
        if folder not in ("train", "test") and folder in tree:
            raise CheckFailed(
                gettext("{what} leaves the folder {folder}/ behind.").format(what=what, folder=folder),
                expected=gettext("train/ and test/ only"),
            )


@check(points=6, hint="A folder per class; suffixes .jpg, .jpeg, .png in either case; what is no image does not count.")
@settings(max_examples=10)
@given(dogs=st.integers(0, 12), cats=st.integers(1, 12))
def test_count_images(student, dogs, cats):
    """count_images counts the images of each class folder"""
    paths = [f"dog/{number}.jpg" for number in range(dogs)] + [f"cat/{number}.PNG" for number in range(cats)]
    paths += ["cat/a.jpeg", "cat/B.JPEG", "cat/my.cat.jpg", "dog/", "empty/", "[1]/1.jpg"]
    paths += ["cat/Thumbs.db", "cat/jpg", "cat/b.png.part", "dog/1.jpg.txt", "translate.py", "cover.jpg"]
    student.write_tree("animals/train", files(paths))
    expected = {"dog": dogs, "cat": cats + 3, "empty": 0, "[1]": 1}
    found = student.count_images("animals/train")
    if not isinstance(found, dict) or found != expected:
        message = gettext("count_images gives {found}; {expected} is expected.").format(found=found, expected=expected)
        raise CheckFailed(message, expected=expected, actual=found)


@check(
    points=8,
    hint="For each class folder: shuffle its files, move the share test_size to test/<class>/, the rest to "
    "train/<class>/.",
)
@settings(max_examples=12)
@given(
    sizes=st.tuples(st.integers(1, 15), st.integers(1, 15), st.integers(3, 9)),
    test_size=st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.5]),
)
def test_split(student, sizes, test_size):
    """create_train_test_dirs moves every file into train/ or test/, in the right share, under English names"""
    paths = class_folder("cane", sizes[0]) + class_folder("gatto", sizes[1]) + class_folder("zebra", sizes[2])
    before = files(paths)
    student.write_tree("animals", before)
    student.create_train_test_dirs("animals", test_size=test_size)
    expect_split(before, student.read_tree("animals"), test_size, "create_train_test_dirs")


@check(points=5, hint="train and test are no classes: leave them out when you list the folders.", requires=["split"])
def test_split_again(student):
    """Called a second time, create_train_test_dirs changes nothing; by default a fifth goes into test/"""
    before = files(class_folder("cane", 15) + class_folder("ragno", 10))
    student.write_tree("animals", before)
    student.create_train_test_dirs("animals")
    first = student.read_tree("animals")
    expect_split(before, first, 0.2, "create_train_test_dirs")
    student.create_train_test_dirs("animals")
    second = student.read_tree("animals")
    if first != second:
        moved = [path for path in first if first[path] != second.get(path)]
        message = gettext("The second call changes something.")
        if moved:
            message = gettext("The second call changes something: {path!r} is no longer there.").format(path=moved[0])
        raise CheckFailed(message, expected=gettext("no change"))
