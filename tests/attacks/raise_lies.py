# Raises exceptions whose class lies about itself: its name, its ancestors, its line, its arguments.
# expect: double=error|crashed|not_attempted names=error|crashed
class Meta(type):
    __name__ = property(lambda cls: 5)
    __mro__ = property(lambda cls: [Meta, 7])


class Liar(Exception, metaclass=Meta):
    __class__ = property(lambda self: SyntaxError)


class Line(SyntaxError):
    lineno = property(lambda self: "x" * 10**6)
    filename = property(lambda self: b"\xff" * 10)
    text = property(lambda self: 5)
    msg = property(lambda self: [1])


def double(x):
    raise Liar("MissingName")


def names(count):
    raise Line
