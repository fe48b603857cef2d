# Answers with a tensor of 40 GB that takes four bytes, and with extents beyond all numbers.
# expect: double=out_of_memory|error names=crashed
import torch


def double(x):
    return torch.zeros(1).expand(10**10)


def names(count):
    return torch.empty(0, 2**62 - 1)
