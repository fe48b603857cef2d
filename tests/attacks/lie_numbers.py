# Answers with numbers beyond 64 bit, subclasses of bool-like ints, and numbers that compare as they like.
# expect: nothing
class Any(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Text(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def double(x):
    return [10**5000, Any(1), True, 2**63]


def names(count):
    return [Text("x"), Any(3), float("nan")]
