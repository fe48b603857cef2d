# Answers with other types of numbers: truth values, bytes, half precision.
# expect: nothing
import torch


def double(x):
    return (2 * x).bool()


class Net(Net):
    def forward(self, x):
        return super().forward(x).to(torch.uint8)
