"""A student's module in a real worker, for tests of what the checks say about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.student import Student


@contextmanager
def student(source: str) -> Iterator[Student]:
    """``source`` as a student's file, imported."""
    with Workers() as workers:
        session = Session(workers, {"work.py": source.encode()})
        session.begin(120)
        try:
            yield Student(session)
        finally:
            session.close()
