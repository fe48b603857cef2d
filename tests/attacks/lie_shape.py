# Answers with a tensor whose shape, strides and number of elements are inventions.
# expect: double=failed|error|crashed shape=failed|error|crashed function=failed|error|crashed|blocked
import torch


class Tall(torch.Tensor):
    shape = property(lambda self: torch.Size([2, 3]))
    dtype = torch.float32
    layout = torch.strided
    device = torch.device("cpu")
    detach = contiguous = lambda self: self

    def as_subclass(self, _):
        return self

    def reshape(self, *_):
        return self

    def stride(self, *_):
        return 1

    def view(self, *_):
        return self

    def numel(self):
        return 7

    def numpy(self):
        return type("Buffer", (), {"data": b"1234567"})


def double(x):
    return x.as_subclass(Tall)


class Net(Net):
    def forward(self, x):
        return x.as_subclass(Tall)
