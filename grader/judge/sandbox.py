"""bubblewrap around the template: a read-only system, no network, nothing of the judge's in sight."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grader

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What programs read in /etc to start at all; nothing of it is about the machine's users or services.
SETTINGS = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime")
# What malloc reads before it asks for large pages: whether there are any.
LARGE_PAGES = "/sys/kernel/mm/transparent_hugepage"
# Of this package, what a worker imports.
OURS = ("__init__.py", "probes.py", "protocol.py", "tracing.py", "worker")
# Each worker begins with no memory of its own. Of weights' 60 MB the kernel hands out pages of 4 kB in 40 ms or more,
# pages of 2 MB in 8. glibc reads this when a program starts; other C libraries do not.
ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
TRIES = 3  # of bubblewrap itself: each may have been killed from outside, which says nothing about the system
KILLED = (-9, 128 + 9)  # by SIGKILL: bubblewrap, or what it has started
USER = "1000"  # inside; a worker's own namespaces need one that is not root
INSTALL = "Install bubblewrap (Debian, Ubuntu: sudo apt install bubblewrap)"


class SandboxError(Exception):
    """Student code cannot be confined here; the message says why and what to do."""


@dataclass(frozen=True)
class Sandbox:
    """How to start a template inside bubblewrap. ``secret`` is what must not be seen in there, wherever it lies."""

    secret: tuple[Path, ...] = ()

    def command(self) -> list[str]:
        """What to put before the template's own command line."""
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxError(f"There is no bubblewrap here. {INSTALL}.")
        return [program, *_arguments(self.secret), "--"]


def find(secret: Iterable[Path]) -> Sandbox:
    """A sandbox that has been tried out on this machine.

    Raises:
        SandboxError: there is none, or the system does not let it work.
    """
    if sys.platform != "linux":
        raise SandboxError("The sandbox (bubblewrap) exists on Linux only.")
    sandbox = Sandbox(tuple(path.resolve() for path in secret))
    problem = _tried()
    if problem:
        raise SandboxError(problem)
    return sandbox


@cache
def _tried() -> str:
    program = shutil.which("bwrap")
    if program is None:
        return f"There is no bubblewrap here. {INSTALL}."
    command = [program, *_arguments(()), "--", "/bin/true"]
    for _ in range(TRIES):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap does not start here ({error})."
        if done.returncode not in KILLED:
            break
    if done.returncode:
        return (
            f"bubblewrap does not work here ({done.stderr.strip()[:300]}). Does the system allow user namespaces to "
            "ordinary programs (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)?"
        )
    return ""


def _arguments(secret: Iterable[Path]) -> Iterator[str]:
    yield from ("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv")
    yield from ("--uid", USER, "--gid", USER, "--hostname", "grader")
    seen = [Path(name) for name in (*SYSTEM, *SETTINGS)]
    for path in seen:
        if path.is_symlink() and path.parent == Path("/"):  # /bin -> usr/bin
            yield from ("--symlink", str(path.readlink()), str(path))
        else:
            yield from ("--ro-bind-try", str(path), str(path))
    yield from ("--ro-bind-try", LARGE_PAGES, LARGE_PAGES)
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/dev/shm")
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        seen.append(Path(prefix))
        yield from ("--ro-bind", prefix, prefix)
    package = Path(grader.__file__).parent
    for name in OURS:
        yield from ("--ro-bind", str(package / name), str(package / name))
    for path in (*labels(), *models(), *secret):
        if any(path.resolve().is_relative_to(each.resolve()) for each in seen):  # .venv itself may be a link
            yield from ("--ro-bind", "/dev/null", str(path)) if path.is_file() else ("--tmpfs", str(path))
    for name, value in _environment().items():
        yield from ("--setenv", name, value)
    yield from ("--chdir", "/", "--remount-ro", "/dev", "--remount-ro", "/")


def labels() -> list[Path]:
    """The embedded digits as scikit-learn has them, labels and all."""
    return [path for folder in site.getsitepackages() for path in Path(folder).glob("sklearn/datasets/data/digits*")]


def models() -> list[Path]:
    """torchvision's networks, which assignments ask students to write: `grader.worker.withheld` stands in for them.

    That, and a rule about the source, are easily evaded where the files can be read.
    """
    return [path for folder in site.getsitepackages() for path in Path(folder).glob("torchvision/models")]


def _environment() -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(grader.__file__).parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",  # until the judge says how many
        "OMP_WAIT_POLICY": "passive",  # as in grader/__main__.py
        **ALLOCATOR,
    }
