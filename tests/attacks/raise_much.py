# Raises an exception with a text of 100 MB, a traceback of 100,000 frames and a hundred causes.
# expect: double=error|crashed|out_of_memory names=error|crashed|out_of_memory|timeout
import sys


def double(x):
    error = None
    for _ in range(100):
        try:
            raise ValueError("x" * 1_000_000) from error
        except ValueError as caught:
            error = caught
    raise ExceptionGroup("x" * 100_000_000, [error] * 1000)


def names(count):
    sys.setrecursionlimit(10**9)

    def down(depth):
        if depth == 0:
            raise ValueError("deep")
        down(depth - 1)

    down(100_000)
