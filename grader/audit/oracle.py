"""Whether an edited solution computes something else, asked of the assignment's interface and not of its checks.

solutions/NAME/interface.py says what can be told apart from outside: its ``observe(module)`` yields (what, value), for
the solution's module and then for an edited one, until two values differ.
"""

from __future__ import annotations

import ast
import contextlib
import io
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import torch

from grader.assignment import Assignment, AssignmentError
from grader.audit.observe import Observation, same

NAME = "grader_audited"  # of the module that is observed
# Of the processor, for all observations of one module; the second, in times what the solution takes, comes on top: a
# loop without end is a difference.
SECONDS, TIMES = 10, 10
PATIENCE = 20  # times as long on the clock: the machine may have other work
Observe = Callable[[ModuleType], Iterable[Observation]]


class _TooLong(BaseException):
    pass


class Oracle:
    """Knows what a solution does, and tells what an edited one does differently.

    >>> oracle = Oracle("def square(x): return x * x", lambda module: [("square(4)", module.square(4))])
    >>> oracle.difference("def square(x): return x ** 2"), oracle.difference("def square(x): return x + 2")
    ('', 'square(4)')

    Raises:
        AssignmentError: the solution itself cannot be observed.
    """

    def __init__(self, solution: str, observe: Observe, seconds: float = SECONDS) -> None:
        self._observe, self._seconds = observe, 600.0
        self._known: list[Observation] = []
        started = time.process_time()
        error = self._run(solution, lambda found: self._known.append(found))
        self._seconds = seconds + TIMES * (time.process_time() - started)
        if error:
            raise AssignmentError(f"The solution cannot be observed by its interface.py: {error}.")

    def difference(self, source: str) -> str:
        """The first thing that ``source`` does differently; "" where there is none."""
        known = iter(self._known)
        found: list[str] = []

        def compare(observation: Observation) -> bool | None:
            expected = next(known, ("something the solution does not have", None))
            if expected[0] != observation[0] or not same(expected[1], observation[1]):
                found.append(expected[0])
                return True
            return None

        error = self._run(source, compare)
        if found or error:
            return found[0] if found else error
        return next(known, ("", None))[0]

    def _run(self, source: str, tell: Callable[[Observation], bool | None]) -> str:
        """Observe ``source``'s module until ``tell`` returns True; what it raised, as a text, or ""."""
        grad, threads = torch.is_grad_enabled(), torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with _limit(self._seconds), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                for observation in self._observe(_module(source)):
                    if tell(observation):
                        return ""
        except _TooLong:
            return "takes too long"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return f"raises {type(error).__name__}"
        finally:
            torch.set_grad_enabled(grad)
            torch.set_num_threads(threads)
            sys.modules.pop(NAME, None)
        return ""


def load(assignment: Assignment) -> Oracle:
    """The oracle of ``assignment``.

    Raises:
        AssignmentError: it has no solution or no interface.py here, or one of them does not work.
    """
    folder = assignment.secret
    path = None if folder is None else folder / "interface.py"
    if folder is None or path is None or not path.is_file():
        raise AssignmentError(
            f"{assignment.name} has no solutions/{assignment.name}/interface.py, which says what its interface shows."
        )
    module = ModuleType("grader_interface")
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        observe: Observe = module.observe
    except Exception as error:
        raise AssignmentError(f"{path} does not work: {type(error).__name__}: {error}") from error
    return Oracle((folder / assignment.settings.files[0]).read_text(encoding="utf-8"), observe)


def _module(source: str) -> ModuleType:
    module = ModuleType(NAME)
    sys.modules[NAME] = module
    torch.manual_seed(0)
    exec(compile(ast.parse(source), f"{NAME}.py", "exec"), module.__dict__)
    return module


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raises `_TooLong` after ``seconds`` of the processor's time, where the system has such an alarm."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise _TooLong

    alarms = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE * seconds))
    previous = [signal.signal(number, stop) for number, _, _ in alarms]
    for _, timer, after in alarms:
        signal.setitimer(timer, after)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(alarms, previous, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
