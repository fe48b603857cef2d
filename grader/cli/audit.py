"""``grader audit``: does an assignment tell right from wrong?"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader import assignment
from grader.cli import assignments, json_option
from grader.cli.common import NOT_FULL, OK, complain, exit_after, say, stoppable
from grader.cli.progress import Bar

if TYPE_CHECKING:
    from grader.assignment import Assignment
    from grader.audit.report import Audit


def audit(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ASSIGNMENT", help="Which ones; by default all with an interface.py in solutions/."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="At most so many of each kind, drawn by the seed; by default all."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of what is drawn.")] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="KIND", help="variant, mistake, rewrite or mutant; more than once for several."),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="A wrong case only until a check catches it: no table of what each check catches."),
    ] = False,
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="[FILE]", help="Write all verdicts as JSON to FILE; without FILE, print them."),
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as one HTML page.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", metavar="N", min=1, help="Processes; by default one for each core.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds for the import and for each check.")
    ] = None,
) -> None:
    """For instructors: does an assignment tell right from wrong?

    Its bank of mistakes and variants is graded, and what is made from its solution: edits that are wrong, and rewrites
    that change nothing. Whether an edit is wrong is found out without the checks, by solutions/NAME/interface.py.

    \b
    grader audit vgg16                        all of it (an hour or so)
    grader audit vgg16 --limit 50             50 of each kind
    grader audit vgg16 --only mutant --fast   verdicts on the mutants only
    grader audit --html audit.html            every assignment, as a page

    \b
    Exit code: 0 no false verdict, 1 some, 2 could not audit (a sentence says why).
    """
    kinds = ("variant", "mistake", "rewrite", "mutant")
    for kind in only or ():
        if kind not in kinds:
            raise typer.BadParameter(f"There is no kind {kind!r}. There: {', '.join(kinds)}.", param_hint="--only")

    def work() -> int:
        root = assignment.find_root()
        chosen = [assignments.load(name, root, timeout) for name in names or _auditable(root)]
        target = json_option.target_of(json)
        page = None if html is None else json_option.target_of(str(html), "--html")
        quiet = json == json_option.STDOUT
        audits = []
        for each in chosen:
            with stoppable(), Bar(sys.stderr.isatty(), complain) as bar:
                bar.announce("Loading torch")
                audits.append(_audit(each, bar, seed, limit, only or kinds, not fast, jobs or os.cpu_count() or 1))
            from grader.audit import report

            if not quiet:
                say(report.text(audits[-1]) + "\n")
        if len(audits) > 1 and not quiet:
            say(report.overview(audits))
        if json is not None:
            documents = [each.document() for each in audits]
            json_option.write(documents if len(documents) > 1 else documents[0], target)
        if page is not None:
            json_option.write_bytes(report.html(audits).encode(), page)
        return OK if all(each.is_clean for each in audits) else NOT_FULL

    exit_after(work)


def _auditable(root: Path) -> list[str]:
    found = [name for name in assignments.all_names(root) if (root / "solutions" / name / "interface.py").is_file()]
    if not found:
        raise assignment.AssignmentError(
            f"No assignment in {root / 'solutions'} has an interface.py, so none can be audited."
        )
    return found


def _audit(
    chosen: Assignment, bar: Bar, seed: int, limit: int | None, kinds: Sequence[str], every: bool, jobs: int
) -> Audit:
    from grader.audit.report import Audit
    from grader.audit.run import cases, run

    started = time.monotonic()
    bar.announce(f"{chosen.name}: editing the solution")
    some = cases(chosen, seed, limit, kinds)
    order = {(case.kind, case.name): place for place, case in enumerate(some)}
    found = Audit(chosen.name, chosen.settings.title, seed, limit, every, [], [])
    bar.update("case", 0, len(some), chosen.name)
    for verdict in run(chosen, some, jobs=jobs, every=every, tell_checks=found.checks.extend):
        found.verdicts.append(verdict)
        false = len(found.false_accepts) + len(found.false_rejects)
        bar.update("case", len(found.verdicts), len(some), f"{chosen.name}: {false} false verdicts so far")
    found.verdicts.sort(key=lambda verdict: order[verdict.kind, verdict.name])
    found.seconds = round(time.monotonic() - started, 1)
    return found
