"""grader/bootstrap.py, run for real on a small project: an environment is made, kept, repaired, and never made twice.

The project has an empty requirements.txt and builds itself, so that no package is fetched. Its build calls back here
when it starts, and goes on when it is answered: that is how a run is held, or killed, in the middle.
"""

import ast
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import bootstrap

SOURCE = Path(bootstrap.__file__)
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1"
"""
BACKEND = """
import os, pathlib, socket, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if "CALL" in os.environ:
        with socket.create_connection(("127.0.0.1", int(os.environ["CALL"]))) as call:
            if call.recv(1) != b"y":
                raise SystemExit("told to fail")
    name = "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "".join(f"{n},,\\n" for n in wheel.namelist()))
    return name
"""


class Project:
    """A copy of bootstrap.py in a project of its own, in a folder with a space in its name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = bootstrap.interpreter(self.venv)
        self.script = root / "grader" / "bootstrap.py"
        self.script.parent.mkdir(parents=True)
        shutil.copy(SOURCE, self.script)
        (root / "requirements.txt").write_text("")
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "backend.py").write_text(BACKEND)
        # uv is in requirements.txt, so it lies beside the Python that runs these tests; no other program is wanted.
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        assert uv, "no uv: these tests need the environment that `make setup` makes"
        self.environment = {**os.environ, "PATH": str(Path(uv).parent), "UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.script), *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit status and output."""
        process = self.start(*arguments, **environment)
        output = process.communicate(timeout=60)[0]
        assert "Traceback" not in output, output
        return process.returncode, output

    def installed(self) -> bool:
        return subprocess.run([self.python, "-I", "-c", "import tiny"], capture_output=True).returncode == 0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path.resolve() / "a project")


@pytest.fixture
def caller() -> Iterator[socket.socket]:
    """Where the project's build calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


def port(caller: socket.socket) -> str:
    return str(caller.getsockname()[1])


def test_first_run_makes_the_environment_and_the_second_has_nothing_to_do(project: Project) -> None:
    status, output = project.run()
    assert (status, project.installed()) == (0, True), output
    assert "Setting up .venv" in output
    made = (project.venv / ".ready").stat().st_mtime_ns

    # No program can be started now, so nothing but the stamp is looked at.
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print([name for name in ('subprocess', 'shutil', 'tempfile') if name in sys.modules])"
    )
    for arguments, expected in ([["--quiet"], "[]\n"], [[], ".venv is ready.\n[]\n"]):
        second = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, project.script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert (second.returncode, second.stdout) == (0, expected)
    assert (project.venv / ".ready").stat().st_mtime_ns == made


def test_a_change_of_what_it_was_made_from_brings_it_up_to_date(project: Project) -> None:
    project.run()
    mine = project.venv / "mine"
    mine.touch()
    for path, old, new in (
        (project.root / "requirements.txt", "", "# another version\n"),
        (project.root / "pyproject.toml", 'name = "tiny"', 'name = "tiny"\ndescription = "small"'),
        (project.script, 'VERSION = "', 'VERSION = "x'),
    ):
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        status, output = project.run()
        assert (status, project.installed()) == (0, True), output
        assert "up to date" in output
        assert mine.exists(), "an update keeps what is there"
    assert project.run() == (0, ".venv is ready.\n")


def test_a_project_that_was_moved_gets_a_new_environment(project: Project) -> None:
    project.run()
    (project.venv / "old").touch()
    moved = project.root.with_name("moved")
    project.root.rename(moved)
    project.root, project.script, project.venv = moved, moved / "grader" / "bootstrap.py", moved / ".venv"
    project.python = bootstrap.interpreter(project.venv)
    status, output = project.run()
    assert (status, project.installed()) == (0, True), output
    assert not (project.venv / "old").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(project: Project) -> None:
    project.run()
    project.python.unlink()
    status, output = project.run()
    assert (status, project.installed()) == (0, True), output


def test_a_killed_run_is_repaired_by_the_next(project: Project, caller: socket.socket) -> None:
    first = project.start(CALL=port(caller))
    with caller.accept()[0]:  # it is in the middle of an installation
        first.kill()
        first.communicate()
        assert not bootstrap.is_ready(project.root)
        half = project.venv / "half-written"
        half.touch()
    # The line is cut, so that the build which outlived its parent fails.
    status, output = project.run()
    assert (status, project.installed()) == (0, True), output
    assert not half.exists()
    assert project.run() == (0, ".venv is ready.\n")


def test_of_two_runs_at_once_one_works_and_the_other_waits(project: Project, caller: socket.socket) -> None:
    first = project.start(CALL=port(caller))
    call = caller.accept()[0]
    second = project.start(CALL=port(caller))
    assert second.stdout is not None
    assert "Waiting" in second.stdout.readline()
    with call:
        call.sendall(b"y")
    first_output, second_output = first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]
    assert (first.returncode, second.returncode) == (0, 0), first_output + second_output
    assert second_output == ".venv is ready.\n", "it finds the work done, and does not do it again"


def test_a_package_that_cannot_be_downloaded_is_a_sentence(project: Project) -> None:
    hashed = f"torch-grader-no-such-package==1 --hash=sha256:{'0' * 64}\n"
    (project.root / "requirements.txt").write_text(hashed)
    status, output = project.run()
    assert status == 2
    assert "is there a network?" in output
    assert "torch-grader-no-such-package" in output, "the tool's last lines are shown"
    assert not bootstrap.is_ready(project.root)

    (project.root / "requirements.txt").write_text("")
    assert project.run()[0] == 0


def test_no_uv_and_no_network_is_a_sentence(project: Project, tmp_path: Path) -> None:
    (tmp_path / "pip").mkdir()  # a pip that says what the real one says, without its minute of trying again
    fake = (
        "import sys; sys.exit('ERROR: No matching distribution (from versions: none)' if 'install' in sys.argv else 0)"
    )
    (tmp_path / "pip" / "__main__.py").write_text(fake)
    status, output = project.run(PATH="", PYTHONPATH=str(tmp_path))
    assert status == 2
    assert "Getting uv" in output
    assert "is there a network?" in output


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("error: Failed to fetch: `...`\n  cause: dns error\n  cause: failed to lookup address information", "network"),
        ("Downloading networkx (2.0MiB)\nerror: failed to write to file: No space left on device", "disk is full"),
        ("Downloading networkx (2.0MiB)\nerror: something new", "ended with an error"),
        ("error: failed to create directory `/x`: Permission denied (os error 13)", "may not be written"),
        (
            "Because torch==2.15.0 has no wheels with a matching platform tag (e.g., `macosx_13_0_x86_64`)",
            "this system",
        ),
        ("error: Hash mismatch for `torch==2.15.0`", "not the file that requirements.txt names"),
    ],
)
def test_what_tools_say_becomes_a_sentence(output: str, sentence: str) -> None:
    assert sentence in bootstrap.explain(output)


def test_neither_uv_nor_pip_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(tools: bootstrap.Tools, command: list[str]) -> str:
        raise bootstrap.SetupError

    monkeypatch.setattr(bootstrap.Tools, "run", fail)
    with pytest.raises(bootstrap.SetupError, match="apt install python3-venv"):
        bootstrap.Tools(Path(), 0).uv()


def test_a_file_that_is_missing_is_a_sentence(project: Project) -> None:
    (project.root / "requirements.txt").unlink()
    status, output = project.run()
    assert status == 2
    assert "requirements.txt is missing" in output


def test_a_place_that_cannot_be_written_is_a_sentence(project: Project) -> None:
    project.venv.write_text("a file, where a folder should be")
    status, output = project.run()
    assert status == 2
    assert "Setting up .venv failed." in output


def test_an_old_python_gets_as_far_as_the_sentence(project: Project) -> None:
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 6, 'final', 0)\nrunpy.run_path(sys.argv[1], run_name='__main__')"
    )
    old = subprocess.run([sys.executable, "-c", code, project.script], capture_output=True, text=True)
    assert old.returncode == 2
    assert old.stderr.startswith("torch-grader needs Python 3.11 or newer; this is Python 3.9 (")
    assert "Traceback" not in old.stderr


@pytest.mark.parametrize(
    ("settings", "index"),
    [
        ({"PIP_INDEX_URL": "file:///pip"}, "file:///pip"),
        ({"PIP_INDEX_URL": "file:///pip", "UV_DEFAULT_INDEX": "file:///uv"}, "file:///uv"),
        ({"PIP_INDEX_URL": "file:///pip", "UV_INDEX_URL": "file:///uv"}, None),
        ({}, None),
    ],
)
def test_pips_index_is_passed_on_to_uv_unless_uv_has_its_own(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], index: str | None
) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert bootstrap.Tools(Path(), 0).environment.get("UV_DEFAULT_INDEX") == index


def test_the_requirements_pin_uv_itself_with_its_hashes() -> None:
    lines = bootstrap.pinned_uv(SOURCE.parent.parent).splitlines()
    assert lines[0].startswith("uv==")
    assert sum("--hash=sha256:" in line for line in lines) > 5
    assert all(line.startswith(" ") for line in lines[1:])


def test_no_file_of_the_environment_names_a_download_host() -> None:
    root = SOURCE.parent.parent
    for path in (root / "requirements.txt", root / "pyproject.toml", SOURCE, root / "Makefile"):
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_a_released_copy_has_its_environment_in_the_cache_and_runs_in_it(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = tmp_path / "copy" / "grading_kit"
    kit.mkdir(parents=True)
    shutil.copy(SOURCE, kit / "bootstrap.py")
    (kit / "requirements.txt").write_text("")
    with zipfile.ZipFile(kit / "torch_grader-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "import sys; print('ran', *sys.argv[1:]); sys.exit(3)")
        wheel.writestr("torch_grader-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: torch-grader\nVersion: 1\n")
        wheel.writestr(
            "torch_grader-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("torch_grader-1.dist-info/RECORD", "".join(f"{name},,\n" for name in wheel.namelist()))
    project.script = kit / "bootstrap.py"
    status, output = project.run("--quiet", "--run", "tiny", "--quiet", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (status, output.splitlines()[-1]) == (3, "ran --quiet"), output
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["grading_kit"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert bootstrap.is_ready(kit)
    assert bootstrap.environment(kit).is_relative_to(tmp_path / "cache" / "torch-grader")
    assert project.run("--quiet", "--run", "tiny", XDG_CACHE_HOME=str(tmp_path / "cache")) == (3, "ran\n")


def test_only_an_instructor_is_told_that_there_is_no_bubblewrap(project: Project) -> None:
    status, output = project.run()  # its PATH has neither bwrap nor apt-get
    assert (status, "bubblewrap" in output) == (0, False)
    shutil.rmtree(project.venv)
    (project.root / "solutions").mkdir()
    status, output = project.run()
    assert status == 0
    assert "sudo apt install bubblewrap" in output
