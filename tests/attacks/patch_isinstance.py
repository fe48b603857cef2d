# Makes isinstance and type say whatever suits.
# expect: double=error|crashed
import builtins


def double(x):
    builtins.isinstance = lambda value, kind: True
    builtins.len = lambda value: 3
    builtins.dict = builtins.list = lambda *_: ["a", "b", "c"]
