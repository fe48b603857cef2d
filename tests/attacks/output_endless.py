# Prints for ever, to both streams.
# expect: double=timeout|crashed names=timeout|crashed
import os
import sys


def double(x):
    while True:
        os.write(1, b"x" * (1 << 20))


def names(count):
    while True:
        print("\x1b[2J\ud800".encode("utf-8", "surrogatepass") * 10_000, file=sys.stderr)
