# Returns an object that ends the process once the grader forgets it.
# expect: double=failed|crashed
import os


class Trap:
    def __del__(self):
        os._exit(0)


def double(x):
    return Trap()
