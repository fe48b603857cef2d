# Takes memory through torch, at once and bit by bit.
# expect: double=out_of_memory names=out_of_memory
import torch


def double(x):
    return x.new_zeros(10**10)


def names(count):
    kept = []
    while True:
        kept.append(torch.ones(10**6))
