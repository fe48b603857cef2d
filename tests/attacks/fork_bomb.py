# Forks until nothing more can be started, and then goes on.
# expect: double=timeout|crashed|out_of_memory|error|failed
import os


def double(x):
    while True:
        try:
            os.fork()
        except OSError:
            pass
