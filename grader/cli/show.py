"""``grader show``: one student's result from a class run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader import assignment
from grader.cli.common import OK, console, exit_after


def show(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help="As in grades.csv, or the beginning of it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the class was graded into.")],
) -> None:
    """For instructors: show one student's result, hidden checks included.

    \b
    grader show alice --out grades/
    """

    def work() -> int:
        from grader import exports
        from grader.class_run.run import entries
        from grader.class_run.store import Store, StoreError

        with Store(out, create=False) as store:
            chosen = assignment.load(store.setting("assignment") or "", assignment.find_root())
            found = entries(store, chosen)
        fitting = [entry for entry in found if entry.student == student]
        fitting = fitting or [entry for entry in found if entry.student.casefold().startswith(student.casefold())]
        if len(fitting) != 1:
            names = ", ".join(entry.student for entry in (fitting or found)[:8])
            what = f"{len(fitting)} students' names begin with {student!r}" if fitting else f"There is no {student!r}"
            raise StoreError(f"{what} in {out}. There: {names}{' ...' if len(fitting or found) > 8 else ''}.")
        screen = console()
        screen.print(exports.show(fitting[0], width=screen.width, encoding=screen.encoding), soft_wrap=True)
        return OK

    exit_after(work)
