"""Requests to a real worker that wait for no answer, and what comes back in few of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import torch
from live import student as working

from grader import tracing
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.student import Student, StudentError, call_soon
from grader.student.outcomes import WorkerLost

SOURCE = """
import time
import torch
from torch import nn

seen = []

def note(what):
    seen.append(what)

def fail(what):
    raise ValueError(what)

def hang():
    time.sleep(60)

def notes():
    return seen

class SwitchesOff(nn.Module):
    def __init__(self):
        super().__init__()
        torch.set_grad_enabled(False)

class DrawsInPlace(nn.Linear):
    def __init__(self):
        super().__init__(1, 1)
        self.weight.zero_()

class Odd(nn.Module):
    def state_dict(self, *args, **kwargs):
        return []
"""


@pytest.fixture
def work() -> Iterator[Student]:
    with working(SOURCE) as student:
        yield student


def test_requests_are_done_in_their_order(work: Student) -> None:
    for what in ("a", "b"):
        call_soon(work.note, what)
    assert work.notes() == ["a", "b"]


def test_what_is_raised_soon_is_told_by_the_next_request(work: Student) -> None:
    call_soon(work.note, "before")
    call_soon(work.fail, "no")
    call_soon(work.note, "after it")
    with pytest.raises(StudentError) as raised:
        work.note("instead of it")
    assert raised.value.message == "fail('no') raised ValueError: no"
    assert work.notes() == ["before"]  # neither was run, and the error is told once


def test_what_is_raised_soon_is_told_when_a_check_ends() -> None:
    with Workers() as workers:
        session = Session(workers, {"work.py": SOURCE.encode()})
        session.begin(120)
        try:
            call_soon(Student(session).fail, "no")
            with pytest.raises(StudentError, match="no"):
                session.settle()
            session.settle()  # nothing is left
        finally:
            session.close()


def test_other_files_are_imported_in_the_worker_that_there_is() -> None:
    """Also where they come within a second, and are as long as those before."""
    with Workers() as workers:
        session = Session(workers, {"work.py": b"import os\nKEPT = []\ndef say(): return [1, os.getpid()]\n"})
        session.begin(120)
        try:
            student = Student(session)
            student.once("say")
            first = student.say()
            session.exchange({"work.py": b"import os\nKEPT = []\ndef say(): return [2, os.getpid()]\n"})
            session.begin(120)
            assert student.say() == [2, first[1]]
            assert not session.kept
            session.exchange({"work.py": b"1 / 0\n"})
            with pytest.raises(StudentError, match="ZeroDivisionError"):
                session.begin(120)
            session.exchange({"work.py": b"def say(): return 3\n"})
            session.begin(120)
            assert student.say() == 3
        finally:
            session.close()


def test_what_hangs_is_out_of_time_at_the_next_request() -> None:
    with Workers() as workers:
        session = Session(workers, {"work.py": SOURCE.encode()})
        session.begin(120)
        try:
            student = Student(session)
            student.notes()  # the import has its own limit
            session.begin(1)
            call_soon(student.hang)
            with pytest.raises(WorkerLost) as lost:
                student.notes()
            assert lost.value.status == "timeout"
        finally:
            session.close()


KNOWS_ITSELF = """
import weakref

made = []


class Net:
    def __init__(self):
        self.steps = [self.step]
        made.append(weakref.ref(self))

    def step(self):
        pass


def alive():
    return sum(each() is not None for each in made)
"""


def test_what_knows_itself_is_forgotten_when_its_check_is_over() -> None:
    with Workers() as workers, closing(Session(workers, {"work.py": KNOWS_ITSELF.encode()})) as session:
        student = Student(session)
        session.begin(120)
        net = student.Net()
        assert (student.alive(), str(net)) == (1, "Net()")
        session.begin(120)
        assert student.alive() == 0


def test_buffers_come_without_parameters() -> None:
    with working("from torch.nn import BatchNorm2d, Linear\n" + SOURCE) as work:
        names, values = work.BatchNorm2d(2).kept()
        assert names == ["running_mean", "running_var", "num_batches_tracked"] == list(values)
        assert torch.equal(values["running_var"], torch.ones(2))
        assert work.Linear(2, 3).kept() == ([], {})
        assert work.Odd().kept() is None


def test_a_network_is_made_with_gradients_recorded_and_leaves_them_so() -> None:
    with working("from torch.nn import Linear\n" + SOURCE) as work:
        with pytest.raises(StudentError, match="SwitchesOff leaves gradients switched off"):
            work.SwitchesOff()
        with pytest.raises(StudentError, match="in-place"):  # as in the student's own program
            work.DrawsInPlace()
        work.Linear(2, 3)  # the next one is not disturbed


def test_only_small_inputs_are_computed_without_compiling() -> None:
    small, large = torch.zeros(4, 4), torch.zeros(64, 1025)
    before = torch.backends.mkldnn.enabled
    with tracing.without_compiling(small):
        assert not torch.backends.mkldnn.enabled
    with tracing.without_compiling(small, large):
        assert torch.backends.mkldnn.enabled == before
    assert torch.backends.mkldnn.enabled == before


@pytest.mark.parametrize(("error", "kept"), [("MemoryError", 0), ("ValueError", 1)])
def test_after_memory_has_run_out_the_next_check_has_another_worker(error: str, kept: int) -> None:
    """What the code has taken and kept may be all that there is."""
    source = f"KEPT = []\n\ndef take():\n    KEPT.append(1)\n    raise {error}\n\ndef count():\n    return len(KEPT)\n"
    with Workers() as workers, closing(Session(workers, {"work.py": source.encode()})) as session:
        session.begin(60)
        with pytest.raises(StudentError):
            Student(session).take()
        assert Student(session).count() == 1
        session.end()
        session.begin(60)
        assert Student(session).count() == kept
