# Answers with a tensor that claims to equal everything, and overrides all that torch does with it.
# expect: function=crashed
import torch


class Yes(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function.__name__ in ("detach", "as_subclass", "contiguous", "reshape", "view", "numpy", "__get__"):
            return super().__torch_function__(function, types, args, kwargs or {})
        return True

    def __eq__(self, other):
        return True

    def __bool__(self):
        return True

    __ne__ = __lt__ = __le__ = lambda self, other: False


def double(x):
    return x.as_subclass(Yes)


class Net(Net):
    def forward(self, x):
        return torch.zeros(len(x), 3).as_subclass(Yes)
