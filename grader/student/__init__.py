"""What a check sees of a submission: the student's module by proxy, and what can become of a check."""

from grader.student.outcomes import CheckFailed, StudentError
from grader.student.remote import DRAWN, Called, Path, Remote, Student, call, call_soon, release

__all__ = [
    "DRAWN",
    "Called",
    "CheckFailed",
    "Path",
    "Remote",
    "Student",
    "StudentError",
    "call",
    "call_soon",
    "release",
]
