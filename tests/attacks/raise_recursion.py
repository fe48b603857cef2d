# Recurses without an end, with Python's limit lifted, in Python and in C.
# expect: double=error|crashed|out_of_memory|timeout names=error|crashed|out_of_memory|timeout
import sys

sys.setrecursionlimit(2**31 - 1)


def double(x):
    return double(x)


class Deep:
    def __repr__(self):
        return repr(self)

    def __hash__(self):
        return hash((self,))


def names(count):
    return [repr(Deep()), hash(Deep())]
