"""A small assignment for hostile submissions to attack, with a solution, a hidden check and things worth stealing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

TOML = """
title = "A target"
files = ["work.py"]
points = 20
[limits]
import_seconds = 5
check_seconds = 5
memory_mb = 300
"""

PUBLIC = '''
import torch
from grader.checks import CheckFailed, check
from grader.checks.architecture import expect_module, expect_parameter_count, expect_shape
from grader.checks.numerics import same


@check(points=2)
def test_shape(student):
    """Net() turns (2, 4) into (2, 3)"""
    expect_shape(expect_module(student.Net(), "Net()")(torch.zeros(2, 4)), (2, 3), "Net()")


@check(points=1)
def test_architecture(student):
    """Net() has 43 parameters"""
    expect_parameter_count(expect_module(student.Net(), "Net()"), 43)


@check(points=3)
def test_double(student, context):
    """double(x) is 2x"""
    x = torch.randn(2, 3, generator=context.generator())
    if not same(student.double(x), 2 * x):
        raise CheckFailed("double(x) is something else than 2x.")


@check(points=2)
def test_names(student):
    """names(3) are a, b and c"""
    if student.names(3) != ["a", "b", "c"]:
        raise CheckFailed("names(3) is something else than a, b and c.")
'''

HIDDEN = '''
import torch
from grader.checks import check
from grader.checks.architecture import expect_module
from grader.checks.numerics import expect_same_function, expect_same_gradient
from grader.checks.weights import give_weights

CANARY = "@CANARY@"


@check(points=8, requires=["shape"])
def test_function(student, reference, context):
    """Net computes the right function"""
    original = reference.Net()
    mine = give_weights(expect_module(student.Net(), "Net()"), original)
    expect_same_function(mine, original, [torch.randn(3, 4, generator=context.generator(salt)) for salt in range(3)])


@check(points=4, requires=["function"])
def test_gradient(student, reference, context):
    """Net has the right gradients"""
    original = reference.Net()
    mine = give_weights(expect_module(student.Net(), "Net()"), original)
    expect_same_gradient(mine, original, torch.randn(3, 4, generator=context.generator(9)))
'''

HONEST = """
import torch
from torch import nn


def double(x):
    return 2 * x


def names(count):
    print("naming", count)
    return list("abcdefgh")[:count]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.second = nn.Linear(5, 3)

    def forward(self, x):
        return self.second(self.first(x).relu())
"""

# What every attack begins with: an honest attempt that is worth `WORTH` points.
ATTEMPT = (
    HONEST.replace("return 2 * x", "return x").replace('list("abcdefgh")[:count]', "[]").replace("(x).relu()", "(x)")
)
WORTH = 3


def make(root: Path, canary: str) -> None:
    """Lay the assignment out below ``root``, and a gradebook and another student's work, each with ``canary`` in it."""
    for folder in ("assignments/target/checks", "solutions/target/checks", "out", "class/other"):
        (root / folder).mkdir(parents=True)
    (root / "assignments/target/assignment.toml").write_text(TOML)
    (root / "assignments/target/checks/test_public.py").write_text(PUBLIC)
    (root / "solutions/target/checks/test_hidden.py").write_text(HIDDEN.replace("@CANARY@", canary))
    (root / "solutions/target/work.py").write_text(f"CANARY = {canary!r}\n{HONEST}")
    (root / "class/other/work.py").write_text(f"# {canary}\n{HONEST}")
    with sqlite3.connect(root / "out/grades.sqlite") as store:
        store.execute("create table grades (student text, score real)")
        store.execute("insert into grades values (?, 0)", [canary])
    store.close()
