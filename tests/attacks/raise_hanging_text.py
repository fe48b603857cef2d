# Raises an exception whose text never ends, and one whose text raises another.
# expect: double=timeout names=error
class Hang(Exception):
    def __str__(self):
        while True:
            pass


class Again(Exception):
    def __str__(self):
        raise Again()

    __repr__ = __str__


def double(x):
    raise Hang


def names(count):
    raise Again
