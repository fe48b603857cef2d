"""Files: what became of a tree of small files that the student's code was given (`Student.write_tree`).

before = files(["cane/1.jpg", "cane/2.jpg"])
student.write_tree("animals", before)
student.create_train_test_dirs("animals")
after = expect_kept(before, student.read_tree("animals"), "create_train_test_dirs")
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from grader.language import gettext
from grader.student import CheckFailed

_SHA256 = 64  # hexadecimal digits


def files(paths: Iterable[str]) -> dict[str, bytes]:
    """A file for each path, no two of them with the same content.

    >>> files(["a/1.jpg"])
    {'a/1.jpg': b'the content of a/1.jpg'}
    """
    return {path: f"the content of {path}".encode() for path in paths}


def contents(tree: Mapping[str, str]) -> dict[str, list[str]]:
    """Where each content is: sha256 to paths, of a tree as `Student.read_tree` gives it."""
    found: dict[str, list[str]] = {}
    for path, kind in sorted(tree.items()):
        if len(kind) == _SHA256:
            found.setdefault(kind, []).append(path)
    return found


def expect_kept(
    before: Mapping[str, bytes], tree: Mapping[str, str], what: str, *, once: bool = True
) -> dict[str, str]:
    """Every file of ``before`` is still in ``tree``, under whatever path; with ``once`` there is no second copy of it.

    Returns:
        Where each file is now, by the path it had.

    Raises:
        CheckFailed: naming a file that is lost, or there twice.

    >>> digest = hashlib.sha256(b"the content of a/1.jpg").hexdigest()
    >>> expect_kept(files(["a/1.jpg"]), {"train": "folder", "train/1.jpg": digest}, "split")
    {'a/1.jpg': 'train/1.jpg'}
    >>> expect_kept(files(["a/1.jpg"]), {"train": "folder"}, "split")
    Traceback (most recent call last):
    grader.student.outcomes.CheckFailed: split has lost 1 of 1 files: 'a/1.jpg' is nowhere any more.
    """
    found = contents(tree)
    now = {path: found.get(hashlib.sha256(content).hexdigest(), []) for path, content in before.items()}
    lost = [path for path, places in now.items() if not places]
    if lost:
        links = [path for path, kind in tree.items() if kind == "link"]
        why = gettext(" ({link!r} is a link, not a file)").format(link=links[0]) if links else ""
        raise CheckFailed(
            gettext("{what} has lost {count} of {total} files: {path!r} is nowhere any more{why}.").format(
                what=what, count=len(lost), total=len(before), path=lost[0], why=why
            ),
            expected=gettext("{count} files").format(count=len(before)),
            actual=gettext("{count} files").format(count=len(before) - len(lost)),
        )
    twice = {path: places for path, places in now.items() if len(places) > 1}
    if once and twice:
        path, places = next(iter(twice.items()))
        raise CheckFailed(
            gettext("{what} leaves {path!r} in two places: {place!r} and {other!r}.").format(
                what=what, path=path, place=places[0], other=places[1]
            ),
            expected=gettext("one"),
            actual=gettext("two"),
        )
    return {path: places[0] for path, places in now.items()}
