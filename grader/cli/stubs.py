"""``grader stubs``: cut the students' stubs from the solutions."""

from __future__ import annotations

from typing import Annotated

import typer

from grader import assignment, report, stubs
from grader.assignment import AssignmentError
from grader.cli.assignments import all_names
from grader.cli.common import NOT_FULL, OK, exit_after, say


def cut(
    name: Annotated[
        str | None, typer.Argument(metavar="ASSIGNMENT", help="Which one; by default all that have a solution here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Keep no copy of what is overwritten.")] = False,
    only_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a stub is out of step with its solution.")
    ] = False,
) -> None:
    """For instructors: cut the students' stubs from the solutions.

    What is between ### BEGIN SOLUTION and ### END SOLUTION becomes "raise NotImplementedError()". A file that is there
    already and differs is kept beside the stub, with .bak after its name.

    \b
    grader stubs              all of them
    grader stubs vgg16        one
    grader stubs --check      are they in step with the solutions?
    """

    def work() -> int:
        root = assignment.find_root()
        names = [name] if name else [each for each in all_names(root) if (root / "solutions" / each).is_dir()]
        if not names:
            raise AssignmentError(f"There are no solutions in {root / 'solutions'}, so no stubs can be cut.")
        chosen = [assignment.load(each, root) for each in names]
        status = OK
        for stub in [stub for each in chosen for stub in stubs.stubs(each)]:  # all are read before one is written
            shown = report.short_path(str(stub.path))
            if stub.in_step:
                say(f"{shown} is in step with its solution.")
            elif only_check:
                status = NOT_FULL
                say(f"{shown} is {'out of step with its solution' if stub.path.exists() else 'missing'}.")
            else:
                kept = stubs.write(stub, force=force)
                say(f"{shown} written." + (f" What was there is now {kept.name}." if kept else ""))
        if status:
            say("Cut them anew with: grader stubs")
        return status

    exit_after(work)
