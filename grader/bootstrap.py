"""Make the project's own environment, .venv, or notice within milliseconds that it is there already.

`python3 grader/bootstrap.py`: standard library only, since nothing is installed yet. The steps:

1. .venv, with `venv`;
2. uv: the one on PATH, else the one that requirements.txt pins, put into .venv by pip;
3. `uv pip install --require-hashes -r requirements.txt`, then the project itself, editable;
4. .venv/.ready, the stamp: a hash of all that the environment was made from. While it fits, nothing is to be done.

In a released copy of one assignment (`grader release`) this file lies in its grading_kit/, beside the grader's wheel,
which is installed instead of the project. There .venv is in the user's cache folder, one for all copies with the same
wheel: nbgrader refuses to submit a folder of more than 100 MB. `--run` and what follows is then run with it, as in
`python3 grading_kit/bootstrap.py --quiet --run grader check`.

`make setup` on an instructor's copy also installs bubblewrap, the sandbox of class runs, where apt can.

Until step 4 there is .venv/.unfinished instead. A run that finds it (someone pressed Ctrl-C, the disk was full)
starts again from an empty .venv. A lock keeps two runs from working at the same time.
"""

import sys


def gettext(message: str) -> str:
    """``message`` in the student's language: as in `grader.language`, which is not there yet."""
    # Whatever is wrong with a catalogue, the sentence itself is there.
    try:
        import gettext
        import os
        from pathlib import Path

        settings = [os.environ.get(name, "") for name in ("GRADER_LANG", "LC_ALL", "LC_MESSAGES", "LANG")]
        language = next(filter(None, settings), "").split(".")[0].split("_")[0].lower()
        folder = Path(__file__).resolve().parent / "locale"
        return gettext.translation("grader", folder, [language]).gettext(message)
    except (OSError, ValueError):
        return message


def later(message: str) -> str:
    """``message`` itself, for `make translations` to find; `gettext` comes later."""
    return message


if sys.version_info < (3, 11):  # before all else, and in this file no newer syntax than 3.6 knows: it must get here
    sys.stderr.write(
        gettext(
            "torch-grader needs Python 3.11 or newer; this is Python {version} ({path}).\n"
            "If a newer one is installed, name it: make setup PYTHON=python3.12, or: python3.12 grader/bootstrap.py\n"
        ).format(version="{}.{}".format(*sys.version_info), path=sys.executable)
    )
    sys.exit(2)
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # this folder: a module of the grader must not be taken for one of Python's own

# Modules that only the set-up needs are imported where it needs them: `make check` passes here every time.
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "1"  # counted up when a change in this file must reach the environments that are there already
UV_MINIMUM = (0, 5)  # knows UV_DEFAULT_INDEX
LOCK = ".setup.lock"  # in .venv; .lock is uv's own
DISK = later("about 5 GB") if sys.platform == "linux" else later("about 1 GB")  # torch for Linux brings CUDA along


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def main(arguments: list[str]) -> int:
    """Make .venv if it is not ready; `--quiet` says nothing if it is. 0: ready, 2: it could not be made.

    With `--run MODULE ...` it goes on as that module.
    """
    here = Path(__file__).resolve().parent
    root = here if wheel(here) else here.parent
    at = arguments.index("--run") if "--run" in arguments else len(arguments)
    arguments, command = arguments[:at], arguments[at + 1 :]
    try:
        if not is_ready(root):
            set_up(root)
        elif "--quiet" not in arguments:
            say(gettext(".venv is ready."))
        if "--quiet" not in arguments:
            provide_sandbox(root)
    except SetupError as error:
        say(gettext("Setting up .venv failed. {error}").format(error=error))
        return 2
    except OSError as error:
        say(gettext("Setting up .venv failed. {error}").format(error=f"{explain(str(error))}\n{error}"))
        return 2
    except KeyboardInterrupt:
        say(gettext("\nStopped. The next run makes .venv anew; what was downloaded is kept."))
        return 130
    return run(root, command) if command else 0


def run(root: Path, command: list[str]) -> int:
    """Run a module by the Python of .venv, on POSIX in place of this process."""
    python = str(interpreter(environment(root)))
    if os.name == "posix":
        os.execv(python, [python, "-P", "-m", *command])
    import subprocess

    return subprocess.call([python, "-P", "-m", *command])


def wheel(root: Path) -> "Path | None":
    """The wheel of the grader in a released copy's grading_kit/; None in the project."""
    return next(iter(sorted(root.glob("torch_grader-*.whl"))), None)


def environment(root: Path) -> Path:
    """Where .venv is: in the project; of a released copy, in the user's cache folder."""
    built = wheel(root)
    if built is None:
        return root / ".venv"
    digest = hashlib.sha256(built.read_bytes() + (root / "requirements.txt").read_bytes()).hexdigest()
    cache = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "torch-grader" / digest[:16] / ".venv"


def is_ready(root: Path) -> bool:
    """Whether .venv was finished, in this place, from requirements.txt and pyproject.toml as they are now."""
    venv, expected = environment(root), stamp(root)
    try:
        if (venv / ".ready").read_bytes() != expected:
            return False
    except FileNotFoundError:
        return False
    if Path(sys.executable) == interpreter(venv):  # may lead to a newer Python since the system was upgraded
        return base_version(venv)[:2] == sys.version_info[:2]
    return interpreter(venv).exists()


def stamp(root: Path) -> bytes:
    """One line: a hash of what the environment is made from, and where it is (scripts in it name that place)."""
    venv, built = environment(root), wheel(root)
    digest = hashlib.sha256(f"{VERSION} {base_version(venv)}".encode())
    for name in ("requirements.txt", built.name if built else "pyproject.toml"):
        try:
            digest.update(hashlib.sha256((root / name).read_bytes()).digest())
        except FileNotFoundError:
            raise SetupError(
                gettext("{name} is missing: is {root} a whole copy of the project?").format(name=name, root=root)
            ) from None
    return digest.hexdigest().encode() + b" " + os.fsencode(venv.parent)


def base_version(venv: Path) -> tuple[int, ...]:
    """The version of Python that .venv was made with, as its pyvenv.cfg has it; () if there is none."""
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):  # venv writes the one, uv the other
            return tuple(int(part) for part in value.strip().split(".")[:3] if part.isdigit())
    return ()


def interpreter(venv: Path) -> Path:
    """The Python of .venv."""
    return venv / "Scripts" / "python.exe" if sys.platform == "win32" else venv / "bin" / "python"


def set_up(root: Path) -> None:
    """Steps 1 to 4, unless another run does them while this one waits for the lock."""
    import time

    venv, started = environment(root), time.monotonic()
    unfinished, ready = venv / ".unfinished", venv / ".ready"
    with locked(venv) as lock:
        if is_ready(root):
            say(gettext(".venv is ready."))
            return
        new = not is_usable(root)
        if new:
            say(
                gettext(
                    "Setting up .venv in {folder} (once; {disk} of disk, a minute or two, longer on a slow line) ..."
                ).format(folder=venv.parent, disk=gettext(DISK))
            )
            clear(venv)
        else:
            say(gettext("Bringing .venv up to date ..."))
        unfinished.touch()
        ready.unlink(missing_ok=True)
        tools = Tools(root, lock)
        if new:
            # Without pip: to put it in takes seconds, Debian's Python may lack it, and uv has no need of it.
            tools.run([tools.python, "-I", "-m", "venv", "--without-pip", str(venv)])
        install = [*tools.uv(), "pip", "install", "--python", str(interpreter(venv))]
        # Wheels only: nothing is compiled, and no package's own code runs while it is installed.
        pinned = ["--only-binary", ":all:", "--require-hashes", "-r", "requirements.txt"]
        tools.run([*install, "--compile-bytecode", *pinned])
        # Built by the setuptools just installed, so nothing comes in that has no hash.
        built = wheel(root)
        what = [str(built)] if built else ["--no-build-isolation", "--editable", "."]
        tools.run([*install, "--no-deps", *what])
        unfinished.write_bytes(stamp(root))
        unfinished.replace(ready)
        say(gettext(".venv is ready, after {seconds:.0f} s.").format(seconds=time.monotonic() - started))


def provide_sandbox(root: Path) -> None:
    """Install bubblewrap where there is none and apt may be asked; a student's copy, without solutions/, needs none."""
    if sys.platform != "linux" or not (root / "solutions").is_dir():
        return
    import shutil

    if shutil.which("bwrap"):
        return
    apt = shutil.which("apt-get")
    rights = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if apt and (not rights or shutil.which("sudo")):
        say(gettext("Installing bubblewrap, the sandbox of class runs ..."))
        install = [*rights, apt, "install", "--yes", "--no-install-recommends", "bubblewrap"]
        # A fresh system has no lists of packages yet.
        if quietly(install) or (quietly([*rights, apt, "update"]) and quietly(install)):
            return
    say(
        gettext(
            "There is no bubblewrap, the sandbox of class runs (grader grade); everything else works without it.\n"
            "On Debian and Ubuntu: sudo apt install bubblewrap"
        )
    )


def quietly(command: list[str]) -> bool:
    """Run ``command``, whatever it says; whether it went well."""
    import subprocess

    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return not subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True).returncode
    except OSError:
        return False


def is_usable(root: Path) -> bool:
    """Whether .venv can be built upon: its Python runs, it was made in this place, and no run broke off in it."""
    import subprocess

    venv = environment(root)
    if (venv / ".unfinished").exists() or base_version(venv) < (3, 11):
        return False
    try:
        if not (venv / ".ready").read_bytes().endswith(b" " + os.fsencode(venv.parent)):
            return False
    except FileNotFoundError:
        pass  # not made by this program: perhaps by an editor, or by `uv venv`
    code = "import sys; print(*sys.version_info[:2])"
    try:
        found = subprocess.run([interpreter(venv), "-I", "-c", code], capture_output=True, text=True).stdout
    except OSError:
        return False
    return tuple(map(int, found.split())) == base_version(venv)[:2]


def clear(venv: Path) -> None:
    """Empty .venv, but for the lock that this run holds."""
    import shutil

    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


class Tools:
    """Runs the programs that do the work, with pip's settings passed on to uv, which does not read them."""

    def __init__(self, root: Path, lock: int) -> None:
        self.root = root
        self.venv = environment(root)
        self.lock = lock
        self.python: str = getattr(sys, "_base_executable", sys.executable)  # this run may be by .venv's own Python
        # These would send the packages elsewhere, or ask for a hash of the project itself.
        unwanted = {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"}
        unwanted |= {"UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_REQUIRE_HASHES"}
        self.environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        self.environment["NO_COLOR"] = "1"
        if "PIP_INDEX_URL" in self.environment:
            self.adopt_index(self.environment["PIP_INDEX_URL"])
        if "PIP_CERT" in self.environment:
            self.environment.setdefault("SSL_CERT_FILE", self.environment["PIP_CERT"])

    def adopt_index(self, url: str) -> None:
        """Let uv use this package index, unless uv itself has been told one."""
        if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & self.environment.keys():
            self.environment["UV_DEFAULT_INDEX"] = url

    def run(self, command: list[str]) -> str:
        """What the command prints; SetupError with its last lines if it fails. Says what is being downloaded."""
        import subprocess

        output = ""
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # If this run is killed, the lock stays until the program it started has ended too.
            pass_fds=() if sys.platform == "win32" else (self.lock,),
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                output += line
                if line.split(" ")[0] in ("Downloading", "Prepared", "Installed"):
                    say("  " + line.rstrip())
        if process.returncode:
            last = "".join(f"  | {line}\n" for line in output.strip().splitlines()[-8:])
            raise SetupError(
                gettext("{why}\nThe last that {program} said:\n{last}").format(
                    why=explain(output), program=Path(command[0]).name, last=last.rstrip()
                )
            )
        return output

    def uv(self) -> list[str]:
        """A uv that works: from PATH (outside .venv, where it could not replace itself), else put into .venv."""
        import re
        import shutil

        own = interpreter(self.venv).parent
        path = os.pathsep.join(p for p in os.get_exec_path() if p and Path(p).absolute() != own)
        found = shutil.which("uv", path=path)
        if found:
            try:
                version = re.match(r"uv (\d+)\.(\d+)", self.run([found, "--version"]))
            except (SetupError, OSError):
                version = None  # pyenv's shims are there even if nothing is behind them
            if version and (int(version[1]), int(version[2])) >= UV_MINIMUM:
                return [found]
        pip = self.pip()
        index = re.search(r"^(?:global|install)\.index-url='(.+)'", self.run([*pip, "config", "list"]), re.MULTILINE)
        if index:
            self.adopt_index(index[1])
        pinned = self.venv / ".uv.txt"
        pinned.write_text(pinned_uv(self.root), encoding="utf-8")
        say(gettext("  Getting uv, which installs the rest"))
        self.run([*pip, "install", "--disable-pip-version-check", "--only-binary", ":all:", "-r", str(pinned)])
        return [str(shutil.which("uv", path=str(own)))]

    def pip(self) -> list[str]:
        """A pip that installs into .venv: the system's, which is at hand; else its own, which takes seconds more."""
        own = str(interpreter(self.venv))
        attempts = (
            ([self.python, "-m", "pip", "--version"], [self.python, "-m", "pip", "--python", own]),
            ([own, "-I", "-m", "ensurepip", "--default-pip"], [own, "-I", "-m", "pip"]),  # not with Debian's Python
        )
        for attempt, pip in attempts:
            try:
                self.run(attempt)
            except SetupError:
                continue
            return pip
        raise SetupError(
            gettext(
                "This Python ({python}) comes without pip, and uv is not on PATH. Install one of them.\n"
                "On Debian and Ubuntu: sudo apt install python3-venv"
            ).format(python=self.python)
        )


def pinned_uv(root: Path) -> str:
    """The lines of requirements.txt that pin uv: its version, then its hashes; the bare name if there are none."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for first, line in enumerate(lines):
        if line.startswith("uv=="):
            last = first + 1
            while last < len(lines) and lines[last].startswith(" "):
                last += 1
            return "\n".join(lines[first:last]) + "\n"
    return "uv\n"


# What the tools' messages have in common, and what it means to the user; the first that fits is taken.
CAUSES = {
    "no space left|not enough space|quota exceeded": later("The disk is full. Free some space and try again."),
    "permission denied|access is denied|read-only file system": later("A file may not be written."),
    "hash mismatch|not match the hashes": later("A download is not the file that requirements.txt names. Try again."),
    r"offline|\bnetwork\b|connect|timed out|failed to fetch|name resolution|dns error|versions: none": later(
        "The packages could not be downloaded: is there a network? A proxy goes into HTTPS_PROXY, a mirror into "
        "PIP_INDEX_URL."
    ),
    "no wheels|no usable wheels|no matching distribution": later(
        "A package is not made for this system or this Python ({version})."
    ),
}


def explain(output: str) -> str:
    """One sentence on why a tool failed, judged by what it printed.

    >>> explain("error: No space left on device (os error 28)")
    'The disk is full. Free some space and try again.'
    """
    import re

    for pattern, sentence in CAUSES.items():
        if re.search(pattern, output, re.IGNORECASE):
            return gettext(sentence).format(version="{}.{}".format(*sys.version_info))
    return gettext("A tool ended with an error.")


if sys.platform == "win32":
    import msvcrt

    def try_lock(file: int) -> bool:
        """Take the lock if it is free; the system frees it when this process ends, however it ends."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: int) -> bool:
        """Take the lock if it is free; the system frees it when this process ends, however it ends."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a network drive that knows no locks: better without one than not at all
        return True


@contextmanager
def locked(venv: Path) -> Iterator[int]:
    """Hold .venv for this run alone; waits for another run to finish. Gives the lock's file descriptor."""
    import time

    venv.mkdir(parents=True, exist_ok=True)
    with (venv / LOCK).open("w") as file:
        if not try_lock(file.fileno()):
            say(gettext("Another run is setting up .venv. Waiting for it ..."))
            while not try_lock(file.fileno()):
                time.sleep(0.2)
        yield file.fileno()


def say(text: str) -> None:
    """Tell the user, on standard error: standard output belongs to the command that runs next."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
