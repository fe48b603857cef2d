# Gives another answer every time it is asked the same: properties, parameters, outputs, names.
# expect: architecture=*  function=failed|error|crashed double=failed
import itertools

from torch import nn

COUNT = itertools.count()


class Net(Net):
    def named_parameters(self, *args, **kwargs):
        found = list(super().named_parameters(*args, **kwargs))
        return found if next(COUNT) % 2 else found[:1] + [("other", nn.Parameter(self.first.bias[:2]))]

    def forward(self, x):
        y = super().forward(x)
        return self.second(self.first(x).relu()) if next(COUNT) % 3 == 0 else y


def double(x):
    return 2 * x if next(COUNT) > 1_000 else x
