"""One hand-in per student, from whatever an instructor has: folders, files, zips, notebooks, an LMS's bulk download.

Nothing that a student hands in stops this, is run, is extracted to disk, or leads out of the class folder: what cannot
be used ends as the ``problem`` of that student's hand-in.
"""

from grader.intake.gather import collect, collect_named
from grader.intake.handin import Handin, IntakeError

__all__ = ["Handin", "IntakeError", "collect", "collect_named"]
