"""What a check can say: architecture, numerics, accuracy, source, files."""

from grader.checks.declare import CheckSpec, check
from grader.student import CheckFailed

__all__ = ["CheckFailed", "CheckSpec", "check"]
