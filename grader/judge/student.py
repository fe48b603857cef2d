from grader.student.remote import *  # noqa: F403  (until runs started before the move have ended)
