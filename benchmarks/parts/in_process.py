"""The floor: the same checks on the same submissions in one warm process, without any isolation.

    .venv/bin/python benchmarks/parts/in_process.py resnet50 DATA FILE...

prints, as lines of JSON, the seconds it took to get ready (the solution graded once) and then the seconds of each file.

A `Session` whose worker is a function call away: the student's module is imported here, and what a check asks of it is
answered by the worker's own `Server`, without a process, a frame or a bound in between. For measuring only: whatever a
submission does, it does to the grader. Time limits are SIGALRM's, so a loop in C is not stopped.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import torch

from grader import assignment, datasets
from grader.assignment import Assignment
from grader.checks.declare import ATTRIBUTE
from grader.datasets import Dataset
from grader.judge import diagnose
from grader.judge import grade as grading
from grader.judge.context import Context, Kept
from grader.protocol import Handle
from grader.result import Result
from grader.student import Student
from grader.student.outcomes import StudentError, WorkerLost
from grader.submission import Submission
from grader.worker import withheld
from grader.worker.server import Server

ROOT = Path(__file__).resolve().parents[2]


class Late(BaseException):
    """The time limit."""


class InProcess:
    """`grader.judge.session.Session`, without a worker."""

    def __init__(
        self,
        _: object,
        files: dict[str, bytes],
        *,
        threads: int = 1,
        import_seconds: float = 60,
        withheld: Sequence[str] = (),
        watch: bool = False,
    ) -> None:
        self.files, self.import_seconds, self.withheld, self.watch = files, import_seconds, list(withheld), watch
        self.printed, self.killed_from_outside, self.ready_at = "", False, float("inf")
        self.kept: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.folder = tempfile.TemporaryDirectory()
        self.server: Server | None = None
        self.lost: WorkerLost | None = None
        self.aside: Callable[[], None] | None = None  # nothing runs beside anything here

    def begin(self, seconds: float) -> None:
        self.lost = None
        self.asked.clear()
        if self.server is None:
            self.kept.clear()
            self.server = Server(io.BytesIO(), io.BytesIO(), Path(self.folder.name))
            self.ready_at = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, self.import_seconds)
            file = next(iter(self.files))
            if self.watch:
                self.request("watch", "Starting up", file=file)
            body = {"name": Path(file).stem, "file": file, "files": self.files, "withheld": self.withheld}
            self.request("import", f"Importing {file}", **body)
        else:
            self.request("release", "Tidying up", keep=list(self.kept.values()))
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def end(self) -> str:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return ""

    def close(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.path[:] = [entry for entry in sys.path if entry != self.folder.name]
        sys.modules.pop(Path(next(iter(self.files))).stem, None)
        self.folder.cleanup()

    def soon(self, kind: str, doing: str, **body: Any) -> None:
        self.request(kind, doing, **body)

    def settle(self) -> None:
        pass

    def exchange(self, files: dict[str, bytes]) -> None:
        self.close()
        self.folder = tempfile.TemporaryDirectory()
        self.files, self.server = files, None

    def extend(self, seconds: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def request(
        self,
        kind: str,
        doing: str,
        read: Callable[[Any], Any] = lambda value: value,
        meanwhile: Callable[[], None] | None = None,
        **body: Any,
    ) -> Any:
        if self.lost is not None:
            raise self.lost
        server = self.server
        assert server is not None
        if kind != "call" or body["path"] != "load_state_dict":
            self.asked.append((kind, body))
        if meanwhile is not None:
            meanwhile()
        if kind == "configure":
            torch.set_num_threads(body["threads"])
            return read(None)
        local = {key: self._sent(value) for key, value in body.items()}
        random = torch.get_rng_state() if body.get("seed") is not None else None
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                answer = server.operations[kind](**local)
        except Late:
            self.lost = WorkerLost("timeout", f"{doing} did not finish in time.")
            self.server = None
            raise self.lost from None
        except BaseException as error:
            said = server.describe_error(error)
            types: Any = said["types"]
            raise StudentError(types, str(said["text"]), [], doing) from None
        finally:
            if random is not None:
                torch.set_rng_state(random)
        return read(self._received(answer))

    def _sent(self, value: Any) -> Any:
        """What arrives in a worker: its own objects, copies of tensors."""
        assert self.server is not None
        handle = getattr(value, "_grader_handle", None)
        if isinstance(handle, Handle):
            return self.server.objects[handle.number]
        if isinstance(value, torch.Tensor):
            return value.detach().clone()
        if isinstance(value, (list, tuple)):
            return type(value)(self._sent(item) for item in value)
        if isinstance(value, dict):
            return {key: self._sent(item) for key, item in value.items()}
        return value

    def _received(self, value: Any) -> Any:
        """What arrives in the judge: data as it is, tensors without their graph, a handle for everything else."""
        assert self.server is not None
        if isinstance(value, torch.Tensor):
            return value.detach().clone()
        if isinstance(value, tuple):  # torch.Size and named tuples, too
            return tuple(self._received(item) for item in value)
        if isinstance(value, list):
            return [self._received(item) for item in value]
        if isinstance(value, dict):
            return {key: self._received(item) for key, item in value.items()}
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value
        return self.server.to_handle(value)


class Notebook:
    """The checks of an assignment for cells of a notebook, on what its other cells have defined.

    notebook = Notebook("resnet50", DATA, globals())
    notebook.check("block_shape")       # raises where the check does not pass
    """

    def __init__(self, name: str, data: str, defined: dict[str, Any]) -> None:
        torch.set_num_threads(os.cpu_count() or 1)
        chosen = assignment.load(name, ROOT)
        file = chosen.settings.files[0]
        session = InProcess(None, {file: b""})
        session.server = Server(io.BytesIO(), io.BytesIO(), Path(session.folder.name))
        session.server.module = ModuleType(Path(file).stem)
        session.server.module.__dict__.update(defined)
        submission = Submission(Path(file), {file: b"\n".join(map(str.encode, defined.get("In", [])))})
        self.context = Context(chosen, submission, lambda: datasets.find(Path(data)), seed=1)
        given = {"student": Student(session), "reference": self.context.reference, "context": self.context}
        self.checks: dict[str, Callable[[], object]] = {}
        hypothesis.settings.load_profile("grader")
        for path in sorted(path for folder in chosen.check_folders for path in folder.glob("test_*.py")):
            for function in vars(imported(path)).values():
                spec = getattr(function, ATTRIBUTE, None)
                if spec is not None:
                    wanted = {name: given[name] for name in inspect.signature(function).parameters}
                    self.checks[spec.name] = partial(function, **wanted)

    def check(self, name: str) -> None:
        """Run one check."""
        self.checks[name]()


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"checks_{path.parent.parent.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _NoWorkers:
    sandbox = None
    memory_mb = 0


@contextmanager
def no_worker() -> Iterator[Any]:
    """Inside, `grader.judge.grade` and the diagnosis use `InProcess`; what they are to be given as workers."""
    if not any(type(finder).__module__ == withheld.__name__ for finder in sys.meta_path):
        withheld.install()
    original = grading.Session
    grading.Session = diagnose.Session = InProcess  # type: ignore[misc, assignment]
    previous = signal.signal(signal.SIGALRM, _late)
    try:
        yield _NoWorkers()
    finally:
        grading.Session = diagnose.Session = original  # type: ignore[misc]
        signal.signal(signal.SIGALRM, previous)


def _late(number: int, frame: object) -> None:
    raise Late


def grade(chosen: Assignment, path: Path, data: Dataset, kept: Kept | None = None) -> Result:
    """What a class run gives for the file at ``path``, the diagnosis too, computed here, with one thread."""
    submission = Submission(path, {chosen.settings.files[0]: path.read_bytes()})
    with no_worker() as workers:
        return grading.grade(chosen, submission, workers, data=data, threads=1, diagnosis=True, kept=kept)


def main() -> None:
    """Grade the files one after the other, the solution before them."""
    started = time.monotonic()
    name, data, *files = sys.argv[1:]
    chosen = assignment.load(name, ROOT)
    assert chosen.secret is not None
    dataset = datasets.find(Path(data))
    kept = Kept(chosen)  # as in a judge: what the solution answers is worked out once
    gc.freeze()  # as in a worker: what is imported is not looked through after each check
    for path in (chosen.secret / chosen.settings.files[0], *map(Path, files)):
        result = grade(chosen, path, dataset, kept)
        said = {"file": path.stem, "seconds": time.monotonic() - started, "score": result.score}
        print(json.dumps(said), flush=True)
        started = time.monotonic()


if __name__ == "__main__":
    main()
