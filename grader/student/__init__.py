"""What a check sees of a submission: the student's module by proxy, and what can become of a check."""

from grader.student.outcomes import CheckFailed, StudentError
from grader.student.remote import Called, Path, Remote, Student, call, call_soon, release

__all__ = ["Called", "CheckFailed", "Path", "Remote", "Student", "StudentError", "call", "call_soon", "release"]
