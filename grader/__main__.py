"""``python -m grader`` and the command ``grader``: the command line, imported so that Ctrl-C is a sentence at once."""

import sys


def main() -> None:
    """Entry point of the command ``grader`` and of ``python -m grader``."""
    try:
        from grader.cli import main as run
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
