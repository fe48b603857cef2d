"""A network without nn.Module in a real worker: its tensors looked at, filled, moved; what is withheld."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from live import student as working

from grader.checks.leaves import (
    build,
    build_light,
    expect_leaves,
    expect_own,
    expect_same_derivative,
    expect_shapes,
    give,
    with_large,
    with_small,
)
from grader.judge.session import Session
from grader.judge.workers import Workers
from grader.student import CheckFailed, Student, StudentError, call
from grader.student.leaves import differentiate, fill, hold, look, make, move

SOURCE = '''
import torch

class Net:
    """Two numbers per image from three."""

    def __init__(self, seed=0):
        self.weight = (torch.randn(2, 3) * 0.5).requires_grad_()
        self.bias = torch.zeros(2, requires_grad=True)

    def forward(self, x, training=True):
        return x @ self.weight.t() + self.bias

    def parameters(self):
        return [self.weight, self.bias]

    def to(self, device):
        self.weight, self.bias = (p.detach().to(device).requires_grad_() for p in self.parameters())
        return self

class Careless(Net):
    def __init__(self):
        super().__init__()
        self.weight = torch.randn(2, 3, requires_grad=True) * 0.5
        self.bias = torch.zeros(2)

    def to(self, device):
        self.weight, self.bias = (p.to(device) for p in self.parameters())
        return self

class Copies(Net):
    def parameters(self):
        return [p.detach().clone().requires_grad_() for p in super().parameters()]

class Kept(Net):
    """Keeps what it has computed from its weight."""

    def __init__(self):
        super().__init__()
        self.turned = self.weight.detach().t()

    def forward(self, x, training=True):
        return x @ self.turned + self.bias

class Cut(Net):
    def forward(self, x, training=True):
        return x @ self.weight.detach().t() + self.bias

class Named(Net):
    def parameters(self):
        return {"weight": self.weight}

class Counting(Net):
    def __init__(self):
        super().__init__()
        self.largest = self.weight.max().item()

def scale(x, factor, total):
    total.add_(x.detach().sum())
    return x * factor

def step(params):
    with torch.no_grad():
        for p in params:
            p -= p.grad

CONFIGS = {"VGG11": [64, "M"]}
KNOWN = ("VGG11",)

def from_the_table(name):
    return len(CONFIGS[name])

def from_a_copy(name):
    return len({"VGG11": [64, "M"]}[name])

def of_known_names(name):
    if name not in KNOWN:
        raise ValueError(name)
    return len(CONFIGS[name])
'''


@pytest.fixture(scope="module")
def student() -> Iterator[Student]:
    with working(SOURCE) as found:
        yield found


def reference() -> torch.nn.Linear:
    return torch.nn.Linear(3, 2)


def test_what_is_filled_is_what_it_computes_with(student: Student) -> None:
    linear = reference()
    model = build(student.Net)
    held = give(model, list(linear.parameters()))
    expect_leaves(held)
    expect_own(model)
    give(model, list(linear.parameters()))
    x = torch.randn(4, 3)
    assert torch.allclose(model.forward(x), linear(x))
    expect_same_derivative(model, held, linear, x, training=False)


def test_gradients_add_up(student: Student) -> None:
    model = build(student.Net)
    held = hold(model)
    for times in (1, 2):
        found = differentiate(model.forward, torch.ones(1, 3), cotangent=torch.ones(1, 2), leaves=held)
        assert torch.equal(found.leaves[1], torch.full((2,), float(times)))
    assert torch.equal(look(held, gradients=True)[1].gradient, torch.full((2,), 2.0))


def test_an_output_of_another_shape_has_no_gradient(student: Student) -> None:
    model = build(student.Net)
    found = differentiate(model.forward, torch.ones(2, 3), cotangent=torch.ones(1, 2), leaves=hold(model))
    assert found.output.shape == (2, 2)
    assert found.leaves == [None, None]


def test_arguments_by_place(student: Student) -> None:
    x, factor, total = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor(0.5)
    found = differentiate(student.scale, x, factor, total, cotangent=torch.ones(2), places=(0, 1))
    assert torch.equal(found.places[0], factor)
    assert torch.equal(found.places[1], x)
    assert found.arguments[2].item() == 3.5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Careless", r"\[0\] is no leaf"),
        ("Copies", "must always give the same tensors"),
        ("Named", "a dict that holds a str"),
    ],
)
def test_what_an_optimiser_cannot_use(student: Student, name: str, said: str) -> None:
    model = build(getattr(student, name))

    def expect() -> None:
        expect_leaves(hold(model))
        expect_own(model)

    with pytest.raises(CheckFailed, match=said):
        expect()


def test_a_cut_graph_is_named(student: Student) -> None:
    linear = reference()
    model = build(student.Cut)
    held = give(model, list(linear.parameters()))
    with pytest.raises(CheckFailed, match=r"\[0\] has no gradient"):
        expect_same_derivative(model, held, linear, torch.randn(4, 3), training=False)


def test_another_order_is_named(student: Student) -> None:
    with pytest.raises(CheckFailed, match=r"\[0\] has shape \(2, 3\); \(2,\) is expected"):
        expect_shapes(build(student.Net), [(2,), (2, 3)])
    with pytest.raises(CheckFailed, match="has 2 tensors; 1 are expected"):
        expect_shapes(build(student.Net), [(2, 3)])


def test_to_copies_without_another_device(student: Student) -> None:
    model = build(student.Net)
    assert move(model.to, "cpu")._grader_handle == model._grader_handle
    expect_leaves(hold(model), "cpu")
    careless = build(student.Careless)
    move(careless.to, "cpu")
    assert not look(hold(careless))[0].is_leaf
    move(model.to, "meta")
    assert [leaf.device for leaf in look(hold(model))] == ["meta", "meta"]


def test_weights_that_were_not_made_can_be_filled(student: Student) -> None:
    model = build_light(student.Net)
    assert {leaf.device for leaf in look(hold(model))} == {"meta"}
    fill(hold(model), [torch.tensor([[1.0, 2.0]]), torch.tensor([5.0])])
    expect_leaves(hold(model), "cpu")
    assert torch.equal(model.forward(torch.ones(1, 3)), torch.tensor([[8.0, 0.0]]))


@pytest.mark.parametrize("name", ["Kept", "Counting"])
def test_what_needs_numbers_gets_them(student: Student, name: str) -> None:
    linear = reference()

    def compare(model: object) -> None:
        give(model, list(linear.parameters()))
        x = torch.ones(1, 3)
        if not torch.allclose(model.forward(x), linear(x)):
            raise CheckFailed("another function")

    with_large(getattr(student, name), compare)


def test_new_leaves_are_changed_in_place(student: Student) -> None:
    params = make(student, [torch.tensor([2.0]), torch.tensor(1.0)], [torch.tensor([0.5]), torch.tensor(0.25)])
    call(student.step, hold(params, "copy"), grad=True)
    assert [leaf.value.tolist() for leaf in look(params, values=True)] == [[1.5], 0.75]
    assert all(leaf.is_leaf and leaf.requires_grad for leaf in look(params))
    assert not look(make(student, [torch.zeros(2)]))[0].requires_grad


WITHHELD = ["torch.nn.Module", "torch.nn.functional.batch_norm", "torch.batch_norm", "torch.optim.Optimizer"]
FORBIDDEN = {
    "alias": "from torch.nn import Conv2d as C\nC(1, 1, 1)",
    "getattr": "getattr(torch.nn, 'Lin' + 'ear')(1, 1)",
    "vars": "vars(torch.nn)['ReLU']()",
    "subclass": "class Own(torch.nn.Module):\n    def __init__(self):\n        pass\nOwn()",
    "function": "from torch.nn.functional import batch_norm as b\nb(torch.zeros(2, 1), None, None, training=True)",
    "torch's own": "torch.batch_norm(torch.zeros(2, 1), None, None, None, None, True, 0.1, 1e-5, False)",
    "optimiser": "torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)",
}
ALLOWED = (
    "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torchvision import transforms\n"
    "class Unused(nn.Module):\n    pass\n"
    "weight = nn.Parameter(torch.zeros(2, 3))\nnn.init.normal_(weight)\n"
    "scale = transforms.Normalize((0.5,), (0.5,))\n"
    "y = F.cross_entropy(F.linear(torch.zeros(1, 3), weight), torch.tensor([1]))\n"
)


@pytest.fixture(scope="module")
def forbidding() -> Iterator[Student]:
    """Each way to use what is withheld, as a function: way_0, way_1, ..."""
    ways = [
        f"def way_{number}():\n" + "\n".join(f"    {line}" for line in body.splitlines())
        for number, body in enumerate(FORBIDDEN.values())
    ]
    with Workers() as workers:
        source = "\n\n".join(["import torch", *ways, ALLOWED])
        session = Session(workers, {"work.py": source.encode()}, withheld=WITHHELD)
        session.begin(120)
        yield Student(session)
        session.close()


@pytest.mark.parametrize("how", FORBIDDEN)
def test_what_is_withheld_cannot_be_used_under_any_name(forbidding: Student, how: str) -> None:
    with pytest.raises(StudentError, match="cannot be used here"):
        getattr(forbidding, f"way_{list(FORBIDDEN).index(how)}")()


def test_what_is_not_withheld_can(forbidding: Student) -> None:
    assert forbidding.y.value() > 0


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("from_the_table", ["VGG9"]), ("from_a_copy", ["VGG9", "VGG11"]), ("of_known_names", ["VGG9", "VGG11"])],
)
def test_a_small_configuration_where_the_table_takes_one(student: Student, name: str, wanted: list[str]) -> None:
    asked = []

    def compare(config: str) -> None:
        asked.append(config)
        assert isinstance(getattr(student, name)(config), int)

    with_small(student, compare)
    assert asked == wanted


def test_what_fails_with_the_large_configuration_too_fails(student: Student) -> None:
    asked = []

    def compare(config: str) -> None:
        asked.append(config)
        raise CheckFailed(config)

    with pytest.raises(CheckFailed, match="VGG11"):
        with_small(student, compare)
    assert asked == ["VGG9", "VGG11"]
