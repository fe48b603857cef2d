# Returns generators, coroutines and iterators without an end, in dictionaries and tuples of its own making.
# expect: double=failed|error|out_of_memory|timeout names=failed|error|out_of_memory|timeout
import itertools


class Endless(tuple):
    def __iter__(self):
        return itertools.count()


class Growing(dict):
    def items(self):
        return ((str(number), number) for number in itertools.count())


def double(x):
    return (Growing(a=1), itertools.count(), (i for i in itertools.count()))


def names(count):
    return Endless("abc")
