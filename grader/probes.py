"""Models, loaders and optimizers that a check gives to a student's functions, the same ones on either side.

A training loop cannot be asked for its output alone: it is given something to train, and what became of that is
compared. ``student.probe("model", ...)`` makes it in the worker, `make` in the judge, for the reference. Nothing here
reports what the student's code did: that would come out of the student's own process. It shows in numbers that follow
from weights and data which the judge has drawn: see `Model`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, TensorDataset

from grader import tracing

Tensors = dict[str, torch.Tensor]


class Model(nn.Module):
    """A small classifier whose logits depend on the mode and on whether gradients are recorded.

    (N, features) -> (N, classes): Linear, BatchNorm1d, ReLU, Linear, plus ``shift[1]`` where gradients are recorded,
    else ``shift[0]``. Batch norm does the same for the mode. So each loss, gradient and weight tells how it was
    computed.

    >>> model = Model(2, 3, torch.tensor([[0.0], [1.0]]))
    >>> with torch.no_grad():
    ...     silent = model.eval()(torch.zeros(1, 2))
    >>> bool((model(torch.zeros(1, 2)) == silent + 1).all())
    True
    """

    shift: torch.Tensor

    def __init__(self, features: int, classes: int, shift: torch.Tensor) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(features, 8), nn.BatchNorm1d(8)
        self.last = nn.Linear(8, classes)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, float32."""
        logits: torch.Tensor = self.last(self.norm(self.first(x)).relu())
        return logits + self.shift[int(torch.is_grad_enabled())]


class _Recorder:
    def __init__(self, numbers: torch.Tensor) -> None:
        self.numbers = numbers

    def __call__(self) -> torch.Tensor:
        return self.numbers[int(torch.is_grad_enabled())]


def recorder(numbers: torch.Tensor) -> _Recorder:
    """A function that returns ``numbers[1]`` where gradients are recorded, else ``numbers[0]``.

    >>> recorder(torch.tensor([0.5, 0.25]))()
    tensor(0.2500)
    """
    return _Recorder(numbers)


class Interrupted(Exception):
    """What `interrupted_loader` raises, and a scheduler: the power is out."""


class _Interrupted(DataLoader[Any]):
    def __init__(self, dataset: TensorDataset, batch_size: int, batches: int) -> None:
        super().__init__(dataset, batch_size=batch_size)
        self.left = batches

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if not self.left:
                raise Interrupted("the run is interrupted here, on purpose")
            self.left -= 1
            yield batch


def model(features: int, classes: int, shift: torch.Tensor, state: Tensors) -> Model:
    """A `Model` with the weights ``state``."""
    made = Model(features, classes, shift)
    made.load_state_dict(state)
    return made


def linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    """x -> x W^T + b, with these weights."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    made.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    return made


def nested(layers: Sequence[Any], container: str = "Sequential") -> nn.Module:
    """An nn.Sequential of ``layers``: each a list of the same kind, or ("Conv2d", {"in_channels": 2, ...}) of torch.nn.

    ``container``: "ModuleList" for one of these, and within it, too: a module with layers in it that is no Sequential.

    >>> nested([[("Linear", {"in_features": 2, "out_features": 3})]])
    Sequential(
      (0): Sequential(
        (0): Linear(in_features=2, out_features=3, bias=True)
      )
    )
    """
    made: Any = getattr(nn, container)()
    for each in layers:  # a list, or a layer with its options
        made.append(getattr(nn, each[0])(**each[1]) if isinstance(each[0], str) else nested(each, container))
    holder: nn.Module = made
    return holder


def derived(base: Any) -> Any:
    """A class ``Derived`` that is just like the class ``base``, to be given where that may be; what is no class itself.

    >>> derived(nn.ReLU)()
    Derived()
    """
    return type("Derived", (base,), {}) if isinstance(base, type) else base


def expanding(base: Any) -> Any:
    """A kind of the block ``base`` that gives twice the channels it is told: ``expansion`` is 2, ``conv`` is 1x1.

    What is no class is returned as it is.

    >>> expanding(nn.Identity)(3, 4, stride=2).conv
    Conv2d(3, 8, kernel_size=(1, 1), stride=(2, 2), bias=False)
    """

    def __init__(
        self: Any, in_channels: int, out_channels: int, stride: int = 1, down_sample: nn.Module | None = None
    ) -> None:
        nn.Module.__init__(self)
        self.conv = nn.Conv2d(in_channels, 2 * out_channels, 1, stride, bias=False)
        self.down_sample = down_sample

    return type("Expanding", (base,), {"expansion": 2, "__init__": __init__}) if isinstance(base, type) else base


def loader(inputs: torch.Tensor, labels: torch.Tensor, batch_size: int) -> DataLoader[Any]:
    """The pairs in their order, ``batch_size`` at a time; the last batch is smaller where they do not divide."""
    return DataLoader(TensorDataset(inputs, labels), batch_size=batch_size)


def listed_loader(inputs: torch.Tensor, labels: torch.Tensor, batch_size: int) -> DataLoader[Any]:
    """`loader` of a list of pairs: who does not go through the loader finds no tensors in its data set.

    >>> list(listed_loader(torch.zeros(3, 1), torch.arange(3), 2))[1]
    [tensor([[0.]]), tensor([2])]
    """
    pairs: Any = list(zip(inputs, labels, strict=True))
    return DataLoader(pairs, batch_size=batch_size)


def interrupted_loader(inputs: torch.Tensor, labels: torch.Tensor, batch_size: int, batches: int) -> DataLoader[Any]:
    """`loader`, but after so many batches, over all epochs, it raises `Interrupted`.

    >>> interrupted_loader(torch.zeros(3, 1), torch.zeros(3), 2, 1).generator is None
    True
    """
    return _Interrupted(TensorDataset(inputs, labels), batch_size, batches)


def criterion(name: str, **options: Any) -> Callable[..., torch.Tensor]:
    """A loss of torch.nn, by its name and with ``options``; or a plain function, by its name in torch.nn.functional.

    >>> criterion("L1Loss")(torch.zeros(2), torch.ones(2)), criterion("l1_loss")(torch.zeros(2), torch.ones(2))
    (tensor(1.), tensor(1.))
    """
    made: Callable[..., torch.Tensor]
    made = getattr(nn, name)(**options) if hasattr(nn, name) else getattr(nn.functional, name)
    return made


def optimizer(model: nn.Module, name: str, rates: Sequence[float], **options: Any) -> torch.optim.Optimizer:
    """An optimizer of torch.optim, by its name: the parameters in as many groups as there are ``rates``."""
    parameters = list(model.parameters())
    groups = [{"params": parameters[index :: len(rates)], "lr": rate} for index, rate in enumerate(rates)]
    made: torch.optim.Optimizer = getattr(torch.optim, name)(groups, **options)
    return made


class Plain:
    """A scheduler that has ``step()``, without an argument, ``state_dict()`` and ``load_state_dict()``: no more.

    Every ``step_size`` steps it multiplies each rate by ``gamma``. After ``steps`` of them, if that is given, the next
    raises `Interrupted`.

    >>> one = optimizer(linear(torch.ones(1, 1)), "SGD", [0.5])
    >>> scheduler(one, "Plain", step_size=1, gamma=0.5).step()
    >>> rates(one)
    [0.25]
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, step_size: int, gamma: float, steps: int | None = None
    ) -> None:
        self._optimizer, self._step_size, self._gamma, self._steps = optimizer, step_size, gamma, steps
        self._made = 0

    def step(self) -> None:
        """An epoch is over."""
        if self._made == self._steps:
            raise Interrupted("the run is interrupted here, on purpose")
        self._made += 1
        if self._made % self._step_size == 0:
            for group in self._optimizer.param_groups:
                group["lr"] *= self._gamma

    def state_dict(self) -> dict[str, int]:
        """How many steps were made."""
        return {"steps": self._made}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after as many."""
        self._made = state["steps"]


def scheduler(optimizer: torch.optim.Optimizer, name: str, **options: Any) -> Any:
    """A scheduler of torch.optim.lr_scheduler, by its name, or `Plain`."""
    kind = Plain if name == "Plain" else getattr(torch.optim.lr_scheduler, name)
    return kind(optimizer, **options)


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """The learning rate of each group."""
    return [group["lr"] for group in optimizer.param_groups]


def set_gradients(model: nn.Module, gradients: Tensors) -> None:
    """Give parameters gradients, as a backward pass of long ago may have left them."""
    for name, value in gradients.items():
        model.get_parameter(name).grad = value.clone()


def gradients(model: nn.Module) -> dict[str, torch.Tensor | None]:
    """The gradients that the parameters hold."""
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def modes(model: nn.Module) -> dict[str, bool]:
    """Module: whether it is in train mode; "" is the model itself."""
    return {name: module.training for name, module in model.named_modules()}


def copied(path: str, to: str) -> None:
    """Copy the file at ``path``."""
    shutil.copyfile(path, to)


def within(name: str, weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    """A network of one `linear` layer, which is called ``name`` in it.

    >>> list(within("module", torch.ones(1, 1), torch.ones(1)).state_dict())
    ['module.weight', 'module.bias']
    """
    return nn.ModuleDict({name: linear(weight, bias)})


def size(path: str) -> int:
    """Of the file ``path``, in bytes."""
    return Path(path).stat().st_size


def exists(path: str) -> bool:
    """Whether there is such a file."""
    return Path(path).is_file()


def in_turn(calls: Sequence[tuple[Callable[..., Any], Sequence[Any]]]) -> list[Any]:
    """Call one function after the other, as a program would: the mode that one leaves torch in is the next one's.

    >>> in_turn([(lambda: torch.set_grad_enabled(False) and None, ()), (torch.is_grad_enabled, ())]), in_turn([])
    ([None, False], [])
    >>> torch.is_grad_enabled()
    True
    """
    with torch.enable_grad():
        return [function(*arguments) for function, arguments in calls]


class _Names(TorchFunctionMode):
    """Notes the names of torch's functions, from wherever they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(getattr(func, "__name__", func)))
        return func(*args, **(kwargs or {}))


def function_names(function: Callable[..., Any], *args: Any) -> list[str]:
    """The names of torch's functions, and of tensors' methods, that ``function(*args)`` calls, whatever it calls them.

    >>> function_names(lambda x: getattr(torch._C._VariableFunctions, "relu")(x).exp(), torch.ones(1))
    ['exp', 'relu']
    """
    with torch.no_grad(), _Names() as noted:
        function(*args)
    return sorted(noted.names)


def called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What ``function(*args, **kwargs)`` gives: for arguments that are called like those of `grader.student.call`.

    >>> called(dict, seed=5)
    {'seed': 5}
    """
    return function(*args, **kwargs)


def operations(function: Callable[..., Any], x: torch.Tensor) -> list[list[Any]]:
    """`tracing.operations` as data: type, shapes in and out, and sizes of each, 500 at most.

    >>> operations(torch.relu, torch.zeros(1, 2))
    [['relu', (1, 2), (1, 2), {}]]
    """
    steps, layers = tracing.operations(function, x)
    return [
        [step.type, step.input_shape, step.output_shape, layer.hyper_parameters]
        for step, layer in zip(steps[:500], layers, strict=False)
    ]


_MAKERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        model,
        linear,
        nested,
        derived,
        expanding,
        loader,
        listed_loader,
        interrupted_loader,
        criterion,
        optimizer,
        scheduler,
        rates,
        recorder,
        set_gradients,
        gradients,
        modes,
        exists,
        size,
        within,
        copied,
        in_turn,
        operations,
        function_names,
        called,
    )
}


def make(name: str, *args: Any, **kwargs: Any) -> Any:
    """What this module's function ``name`` returns.

    >>> make("rates", make("optimizer", make("linear", torch.ones(1, 1)), "SGD", [0.1]))
    [0.1]
    """
    return _MAKERS[name](*args, **kwargs)
