"""``grader grade`` and ``grader regrade``: grade a whole class, and again after a check was changed."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grader import assignment, report
from grader.cli.common import NOT_GRADED, OK, complain, exit_after, say, stoppable
from grader.cli.progress import Bar

if TYPE_CHECKING:
    from grader.assignment import Assignment
    from grader.class_run.run import Work
    from grader.class_run.store import Store
    from grader.gradebook import Entry
    from grader.result import Result

MOST_THREADS = 16  # for one submission: more gain nothing on such small networks
WARNING = (
    "WARNING: without the sandbox, students' code runs with all your rights: it can read the solutions, the labels, "
    "the other submissions and your files, change them, use the network, and leave programs running."
)

# Options that both commands have.
Jobs = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="How many to grade at a time; by default one for each core.")
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Grade on the dask cluster there, as in tcp://host:8786.")
]
Force = Annotated[bool, typer.Option("--force", help="Grade everything anew, also what is unchanged.")]


def grade(
    submissions: Annotated[
        Path,
        typer.Argument(
            metavar="SUBMISSIONS", help="The class: a folder of folders, files, notebooks or zips, or a zip of these."
        ),
    ],
    name: Annotated[str, typer.Option("--assignment", "-a", metavar="ASSIGNMENT", help="Which assignment it is.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where grades, results and feedback go; kept between runs.")],
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    sandbox: Annotated[
        str,
        typer.Option(
            metavar="auto|bwrap|none", help='Confine students\' code with bubblewrap; "none" only for code you trust.'
        ),
    ] = "auto",
    data: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="CIFAR-10, as for check; by default GRADER_DATA, ./data, digits."),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Measure accuracy on every image.")] = False,
    force: Force = False,
    nbgrader: Annotated[
        bool, typer.Option("--nbgrader", help="The class is nbgrader's: SUBMISSIONS/<student>/<assignment>/.")
    ] = False,
    stream: Annotated[
        bool,
        typer.Option("--stream", help="Also print each result as soon as it is known: JSON, as RFC 7464 separates it."),
    ] = False,
    hide: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Also a folder that students' code must not see; may be given again."),
    ] = None,
) -> None:
    """For instructors: grade a whole class.

    What has been graded is kept in DIR. The same command goes on after an interruption, grades what is new or changed,
    and nothing else.

    \b
    grader grade handed-in/ --assignment vgg16 --out grades/
    grader grade submissions.zip -a vgg16 --out grades/ --data ../cifar10
    grader show alice --out grades/
    grader regrade --out grades/               after a check was changed

    \b
    Exit code: 0 everyone has a grade, 2 not (a sentence says why), 130 stopped by Ctrl-C.
    """
    if sandbox not in ("auto", "bwrap", "none"):
        raise typer.BadParameter("It is one of auto, bwrap, none.", param_hint="--sandbox")

    def work() -> int:
        root = assignment.find_root()
        chosen = assignment.load(name, root)
        _warm_up(scheduler)
        from grader.intake import collect, collect_named

        if nbgrader:
            folders = {path.parent.name: path for path in submissions.expanduser().glob(f"*/{name}") if path.is_dir()}
            handins = collect_named(folders, chosen)
        else:
            handins = collect(submissions, chosen)
        from grader.class_run.run import take_in
        from grader.class_run.store import Store

        with Store(out) as store, store.alone():
            _fits(store, name, out)
            secret = [path.expanduser().resolve() for path in (submissions, out, *(hide or []))]
            store.note(
                assignment=name,
                data=str(data.expanduser().resolve()) if data is not None and data.exists() else str(data or ""),
                exact=str(int(exact)),
                sandbox=sandbox,
                secret=json.dumps([str(path) for path in secret]),
            )
            take_in(store, handins)
            return run(store, chosen, root, out, jobs=jobs, scheduler=scheduler, force=force, stream=stream)

    exit_after(work)


def regrade(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the class was graded into.")],
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    force: Force = False,
) -> None:
    """For instructors: grade again what a changed check affects, and show old and new scores.

    The submissions are in DIR; only the checks that have changed, and those that depend on them, are run again.

    \b
    grader regrade --out grades/
    """

    def work() -> int:
        root = assignment.find_root()
        from grader.class_run.store import Store

        with Store(out, create=False) as store, store.alone():
            chosen = assignment.load(store.setting("assignment") or "", root)
            _warm_up(scheduler)
            return run(store, chosen, root, out, jobs=jobs, scheduler=scheduler, force=force)

    exit_after(work)


def run(
    store: Store,
    chosen: Assignment,
    root: Path,
    out: Path,
    *,
    jobs: int | None,
    scheduler: str | None,
    force: bool,
    stream: bool = False,
) -> int:
    """Grade what the store holds and is not graded; write everything; returns the exit code."""
    sandboxed = _sandboxed(store.setting("sandbox") or "auto")
    from grader import exports
    from grader.class_run.executors import cluster, local
    from grader.class_run.judging import conditions_for
    from grader.class_run.run import compute, entries, plan, result_of
    from grader.gradebook import Entry

    wanted, exact = store.setting("data"), store.setting("exact") == "1"
    cores = os.cpu_count() or 1
    jobs = jobs or cores
    conditions = conditions_for(
        chosen,
        root,
        Path(wanted) if wanted else None,
        exact,
        sandboxed,
        [Path(path) for path in json.loads(store.setting("secret") or "[]")],
        min(MOST_THREADS, max(1, cores // jobs)),
    )
    if chosen.secret is None:
        complain(f"There is no solution of {chosen.name} here: hidden checks are left out.")
    planned = plan(store, conditions, force=force)
    total = len(planned.all)
    if planned.done and total:
        say(f"{planned.done} unchanged, {total} to grade.")
    if stream:
        graded_now = {student for work in planned.all for student in work.students}
        for entry in entries(store, chosen):
            if entry.student not in graded_now:
                _tell(entry)
    log = out / "broken_checks.log"
    counts: Counter[str] = Counter()
    with stoppable(), Bar(sys.stderr.isatty(), complain) as bar:

        def finished(work: Work, result: Result) -> None:
            counts[result.extra_data.status] += 1
            text = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(counts.items()))
            bar.update("submission", counts.total(), total, text)
            if stream:
                for student in work.students:
                    _tell(Entry(student, result_of(result, work.submission, chosen)))

        if total:
            bar.announce("Starting Python and torch")
        try:
            compute(
                store,
                chosen,
                conditions,
                planned,
                jobs=jobs,
                open_executor=local if scheduler is None else lambda _: cluster(scheduler),
                finished=finished,
                log=lambda text: _append(log, text),
            )
        except BaseException:
            complain(f"{counts.total()} of {total} graded. They are kept: the same command goes on from there.")
            raise
    found = entries(store, chosen)
    most = max((entry.result.extra_data.max_score for entry in found if entry.result.tests), default=0)
    title = chosen.title
    exports.write_all(found, out, title=title, max_score=most or chosen.settings.points)
    say(exports.summary(found, title=title, max_score=most or chosen.settings.points))
    changes = exports.changes(found)
    if changes and total:
        say("")
        say(changes)
    say("")
    say(f"Grades, results and feedback are in {report.short_path(str(out))}.")
    broken = sorted({name for entry in found for name in entry.result.extra_data.broken_checks})
    if broken:
        complain(f"Checks that broke by themselves on some submissions: {', '.join(broken)}. See {log}.")
        return NOT_GRADED
    return OK


def _tell(entry: Entry) -> None:
    from grader.exports import stream

    print(stream.line(entry), flush=True)


def _warm_up(scheduler: str | None) -> None:
    if scheduler is None:
        from grader.class_run.executors import warm_up

        warm_up()  # beside all that is read and imported here, torch for one


def _fits(store: Store, name: str, out: Path) -> None:
    from grader.class_run.store import StoreError

    before = store.setting("assignment")
    if before not in (None, name):
        raise StoreError(f"{out} holds the grades of {before}. Give another --out for {name}.")


def _sandboxed(choice: str) -> bool:
    from grader.judge.sandbox import SandboxError, find

    if choice == "none":
        complain(WARNING)
        return False
    try:
        find([])
    except SandboxError as error:
        raise SandboxError(
            f"{error} Students' code would run with all your rights, so nothing was graded. If you trust every "
            "submission, say so with --sandbox none."
        ) from None
    return True


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text + "\n")
