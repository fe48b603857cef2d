"""What can become of a check, as exceptions; each one knows its status and its sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grader.language import gettext, later
from grader.result import Status


@dataclass(frozen=True)
class Frame:
    """One line of a student's traceback."""

    file: str
    line: int
    function: str
    source: str

    def __str__(self) -> str:
        where = f" in {self.function}" if self.function and self.function != "<module>" else ""
        return f"{self.file}, line {self.line}{where}: {self.source}"


class CheckFailed(AssertionError):
    """The student's code ran and did something else than it should.

    Attributes:
        expected, actual: both sides, where that says more than the message; reports may leave out ``expected``.
    """

    status: Status = "failed"

    def __init__(self, message: str, *, expected: object = None, actual: object = None) -> None:
        super().__init__(message)
        self.message, self.expected, self.actual = message, expected, actual


class StudentError(Exception):
    """The student's code raised an exception."""

    def __init__(self, types: list[str], text: str, frames: list[Frame], doing: str) -> None:
        super().__init__(text)
        self.types, self.text, self.frames, self.doing = types, text, frames, doing

    @property
    def status(self) -> Status:
        if "NotImplementedError" in self.types:
            return "not_attempted"
        if "MemoryError" in self.types or "OutOfMemoryError" in self.types or "can't allocate memory" in self.text:
            return "out_of_memory"
        return "error"

    @property
    def message(self) -> str:
        if self.status == "not_attempted":
            where = (
                gettext(" ({file}, line {line})").format(file=self.frames[-1].file, line=self.frames[-1].line)
                if self.frames
                else ""
            )
            return gettext("{doing}: not written yet{where}.").format(doing=self.doing, where=where)
        if self.status == "out_of_memory":
            return gettext("{doing} asked for more memory than this assignment may use.").format(doing=self.doing)
        if "SystemExit" in self.types:
            return gettext("{doing} ended the program with exit(). Take the call out.").format(doing=self.doing)
        return gettext("{doing} raised {text}").format(doing=self.doing, text=self.text)


class MissingName(Exception):
    """The student's file, or an object of it, has no attribute of the name that the handout fixes."""

    status: Status = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WorkerLost(BaseException):
    """The worker did not answer: it hung, died or talked nonsense. Not an Exception, so that nothing in a check or in
    hypothesis goes on as if it were an ordinary failure."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


# What a worker says in sentences of its own. It speaks English: its environment is empty, and it has no catalogues.
_BY_WORKERS = (
    later("{file} defines no {name}."),
    later("{file} defines no {name}. It has {close}: is that the one? The name is fixed by the handout."),
    later("A {type} has no attribute {name}."),
    later("A {type} has no attribute {name}. It has {close}: is that the one? The name is fixed by the handout."),
    later("RuntimeError: {name} leaves gradients switched off: use `with torch.no_grad():`."),
    later("RuntimeError: {name} cannot be used here: writing the network is your task."),
    later("RuntimeError: {name} cannot be used here: this assignment is to be written without."),
    later("RuntimeError: {kind}, a {name}, cannot be used here: this assignment is to be written without."),
    later("grader.probes.Interrupted: the run is interrupted here, on purpose"),
    later("grader.worker.files.Interrupted: the program is ended here"),
    later("an exception that cannot be described"),
    later("a single tensor"),
    later("a {type} that holds a {held}"),
    later("a {type}"),
)
_PATTERNS = [(re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\S+)", re.escape(said))), said) for said in _BY_WORKERS]


def by_worker(text: str) -> str:
    """What a worker has said, in the student's language where the sentence is the worker's own.

    >>> by_worker("vgg.py defines no vgg17.")
    'vgg.py defines no vgg17.'
    """
    for pattern, said in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return gettext(said).format(**found.groupdict())
    return text
