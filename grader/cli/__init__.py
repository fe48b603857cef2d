"""The command line: ``grader check``, ``visualize``, ``grade``, ``show``, ``regrade``, ``stubs``, ``release``,
``collect``, ``autograde``, ``train``, ``audit``.

One module for each command, which `app` puts together here; what they share is in `common`, `assignments`, `progress`
and `json_option`.

torch, pytest and hypothesis take seconds to import. So they are imported within functions: a mistyped name is answered
at once, and the process that will run student code imports torch while this one does.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from grader import __version__
from grader.cli import audit, check, course, grade, show, stubs, train, visualize
from grader.cli.common import NOT_GRADED, complain
from grader.cli.json_option import with_json_target
from grader.language import LANGUAGES, VARIABLE, gettext, unknown_choice

app = typer.Typer(
    help=gettext("Grade PyTorch architecture assignments. Start with: grader check"),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command that ``sys.argv`` names."""
    unknown = unknown_choice()
    if unknown:
        known = " or ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        complain(f"{VARIABLE}={unknown}: there is no such language here. Set it to {known}; until then it is English.")
    try:
        app(args=with_json_target(sys.argv[1:]), prog_name="grader")
    except SystemExit as ended:
        if isinstance(getattr(ended.__context__, "__cause__", None), KeyboardInterrupt):  # while typer read the options
            complain(gettext("Stopped."))
        raise
    except OSError as error:
        if error.filename is None:  # what is printed: now nothing more is
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            complain(gettext("What grader prints cannot be written: {error}.").format(error=error.strerror or error))
        else:  # of most files the commands themselves say what is wrong
            complain(str(error))
        raise SystemExit(NOT_GRADED) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"torch-grader {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help=gettext("Print the version."), callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


# In the order in which --help lists them.
app.command("check", help=check.HELP)(check.check)
app.command("visualize", help=visualize.HELP)(visualize.visualize)
app.command("grade")(grade.grade)
app.command("show")(show.show)
app.command("regrade")(grade.regrade)
app.command("stubs")(stubs.cut)
app.command("release")(course.release)
app.command("collect")(course.collect)
app.command("autograde")(course.autograde)
app.command("train")(train.train)
app.command("audit")(audit.audit)
