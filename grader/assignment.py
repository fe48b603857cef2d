"""assignment.toml and the folders around it: what an assignment consists of."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from grader.language import add_catalogues, gettext

KIT = "grading_kit"  # in a released copy of one assignment (`grader release`): all that is not for students to edit
Positive = Annotated[float, Meta(gt=0, le=1_000_000)]  # bounded: TOML knows inf
Share = Annotated[float, Meta(gt=0, le=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*$")]
Side = Annotated[int, Meta(ge=1, le=512)]


class AssignmentError(Exception):
    """An assignment is missing or its assignment.toml is wrong; the message names the file, the key and the remedy."""


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """Wall-clock seconds for the import and for one check, memory above the bare interpreter's in MB."""

    import_seconds: Positive = 60
    check_seconds: Positive = 60
    memory_mb: Annotated[int, Meta(ge=100, le=1_000_000)] = 4_000


class Checkpoint(msgspec.Struct, forbid_unknown_fields=True):
    """The reference weights: a safetensors file, what builds their model, and the accuracy they must reach in it.

    ``images`` is the data set they are for; ``digits_threshold`` holds on the digits, where it is another one there.
    """

    file: Annotated[str, Meta(pattern=r"^[\w.-]+\.safetensors$")]
    build: Name
    threshold: Share
    images: Literal["CIFAR-10", "MNIST"] = "CIFAR-10"
    digits_threshold: Share | None = None

    def threshold_on(self, dataset: str) -> float:
        """The accuracy to reach on the data set of that name."""
        digits = self.threshold if self.digits_threshold is None else self.digits_threshold
        return digits if dataset == "digits" else self.threshold


class Pictures(msgspec.Struct, forbid_unknown_fields=True):
    """What `grader visualize` draws: what ``build`` names, called with ``arguments``; all but the first as boxes only.

    They are run on an image of the data set; ``size`` is its side where it is another one. ``shape`` (C, H, W) is what
    a part of a network is given instead. Where they are no nn.Module's, ``forward`` names the method that runs them,
    and ``maps`` the function that gives feature maps for the network and an image.
    """

    build: Annotated[list[Name], Meta(min_length=1)]
    arguments: list[bool | int | float | str | tuple[int, ...]] = []
    size: Side | None = None
    shape: tuple[Side, Side, Side] | None = None
    forward: Name | None = None
    maps: Name | None = None


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """assignment.toml. ``files[0]`` is the module that the checks see as ``student``.

    ``withheld`` names what a submission cannot use even when it runs: classes and functions, dotted.
    ``diagnosis``: how much a student is told of where a mistake is likely to be: "none", "area" (which module), "line"
    (also which hyper-parameter and which line), "full" (also what is there and what should be).
    ``preload``: modules that are imported once for all workers, since most submissions make torch import them.
    """

    title: Annotated[str, Meta(min_length=1)]
    files: Annotated[list[Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*\.py$")]], Meta(min_length=1)]
    points: Positive
    limits: Limits = msgspec.field(default_factory=Limits)
    checkpoint: Checkpoint | None = None
    diagnosis: Literal["none", "area", "line", "full"] = "area"
    withheld: list[Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]] = []
    pictures: Pictures | None = None
    preload: list[Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*(\.\w+)*$")]] = []

    @property
    def pictured(self) -> list[str]:
        """What `grader visualize` draws: as [pictures] says, else what the checkpoint is for."""
        if self.pictures is not None:
            return self.pictures.build
        return [self.checkpoint.build] if self.checkpoint is not None else []


@dataclass(frozen=True)
class Assignment:
    """An assignment on disk.

    Attributes:
        folder: assignments/<name>, what students may see.
        secret: solutions/<name>, or None where this copy has none.
    """

    name: str
    settings: Settings
    folder: Path
    secret: Path | None

    @property
    def title(self) -> str:
        """Its title in the student's language."""
        self.speak()
        return gettext(self.settings.title)

    def speak(self) -> None:
        """From now on sentences are looked up in its catalogues first (`grader.language`)."""
        for folder in filter(None, (self.secret, self.folder)):
            add_catalogues(folder)

    @property
    def workplace(self) -> Path:
        """Where a student edits its files: ``folder``; in a released copy, the folder around the kit."""
        root = self.folder.parent.parent
        return root.parent if root.name == KIT else self.folder

    @property
    def check_folders(self) -> list[Path]:
        """Where its checks are: the public ones, then the hidden ones if they are here."""
        folders = [self.folder / "checks"]
        if self.secret is not None:
            folders.append(self.secret / "checks")
        return [folder for folder in folders if folder.is_dir()]

    def secret_sha256(self) -> str:
        """The hash of the hidden checks: what nobody without solutions/ can foretell. Of nothing without them."""
        digest = hashlib.sha256()
        if self.secret is not None:
            for path in sorted((self.secret / "checks").glob("*.py")):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    @property
    def checkpoint_path(self) -> Path | None:
        return self.folder / self.settings.checkpoint.file if self.settings.checkpoint else None


def find_root(start: Path | None = None) -> Path:
    """The folder that holds assignments/: ``start`` (the current folder) or above it, else the one grader lives in.

    In a released copy of one assignment that is its grading_kit/.

    Raises:
        AssignmentError: there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        for root in (folder / KIT, folder):
            if (root / "assignments").is_dir():
                return root
    raise AssignmentError(
        gettext("No folder named assignments in {here} or above it. Run this from the project's folder.").format(
            here=here
        )
    )


def names(root: Path) -> list[str]:
    """The assignments under ``root``, in alphabetical order."""
    return sorted(path.parent.name for path in (root / "assignments").glob("*/assignment.toml"))


def load(name: str, root: Path) -> Assignment:
    """Read and validate assignment ``name``.

    Raises:
        AssignmentError: no such assignment, or its assignment.toml is wrong.
    """
    folder = root / "assignments" / name
    path = folder / "assignment.toml"
    if name not in names(root):
        known = ", ".join(names(root)) or gettext("none")
        raise AssignmentError(
            gettext("There is no assignment {name!r} in {folder}. There: {known}.").format(
                name=name, folder=root / "assignments", known=known
            )
        )
    settings = read_settings(path)
    secret = root / "solutions" / name
    return Assignment(name, settings, folder, secret if secret.is_dir() else None)


def read_settings(path: Path) -> Settings:
    """Read and validate one assignment.toml.

    Raises:
        AssignmentError: not readable, not TOML, or a key is unknown, missing or has a wrong value; the key is named.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise AssignmentError(
            gettext("{path} cannot be read: {strerror}.").format(path=path, strerror=error.strerror)
        ) from None
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        key = re.sub(r"^\.|`$", "", where)
        subject = f"{path}: {key}: " if key else f"{path}: "
        raise AssignmentError(f"{subject}{text}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AssignmentError(gettext("{path} is not valid TOML: {error}.").format(path=path, error=error)) from None
