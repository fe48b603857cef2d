# Returns an object whose __class__, attributes and metaclass claim that it is a module, a tensor, anything.
# expect: double=failed|error|crashed shape=failed|error|crashed architecture=failed|error|crashed|timeout|out_of_memory function=blocked
import torch
from torch import nn


class Meta(type):
    def __instancecheck__(cls, instance):
        return True

    __name__ = property(lambda cls: "Net" * 2_000_000)


class Actor(metaclass=Meta):
    __class__ = property(lambda self: nn.Module)

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __iter__(self):
        while True:
            yield self

    __eq__ = __ge__ = __le__ = lambda self, other: True
    __hash__ = None


def double(x):
    return Actor()


def Net():
    return Actor()
