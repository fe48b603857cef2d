"""nbgrader's course around the assignments: released, collected and autograded by nbgrader's own commands."""


class CourseError(Exception):
    """The course cannot be used, or one of nbgrader's commands failed; the message says why and what to do."""
