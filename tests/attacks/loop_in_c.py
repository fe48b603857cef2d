# Never comes back from C, where no Python signal handler runs: a huge matrix product, a sleep, a regular expression.
# expect: double=timeout names=timeout
import re
import time

import torch


def double(x):
    a = torch.ones(3000, 3000)
    while True:
        a = a @ a


def names(count):
    re.match(r"(a+)+$", "a" * 60 + "b")
    time.sleep(10**6)
