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
    """What `interrupted_loader` raises: the power is out."""


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


def nested(layers: Sequence[Any]) -> nn.Module:
    """An nn.Sequential of ``layers``: each a list of the same kind, or ("Conv2d", {"in_channels": 2, ...}) of torch.nn.

    >>> nested([[("Linear", {"in_features": 2, "out_features": 3})]])
    Sequential(
      (0): Sequential(
        (0): Linear(in_features=2, out_features=3, bias=True)
      )
    )
    """
    made = [
        nested(each) if not isinstance(each[0], str) else getattr(nn, each[0])(**each[1])  # a layer with its options
        for each in layers
    ]
    return nn.Sequential(*made)


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


def interrupted_loader(inputs: torch.Tensor, labels: torch.Tensor, batch_size: int, batches: int) -> DataLoader[Any]:
    """`loader`, but after so many batches, over all epochs, it raises `Interrupted`.

    >>> interrupted_loader(torch.zeros(3, 1), torch.zeros(3), 2, 1).generator is None
    True
    """
    return _Interrupted(TensorDataset(inputs, labels), batch_size, batches)


def criterion(name: str, **options: Any) -> nn.Module:
    """A loss of torch.nn, by its name."""
    made: nn.Module = getattr(nn, name)(**options)
    return made


def optimizer(model: nn.Module, name: str, rates: Sequence[float], **options: Any) -> torch.optim.Optimizer:
    """An optimizer of torch.optim, by its name: the parameters in as many groups as there are ``rates``."""
    parameters = list(model.parameters())
    groups = [{"params": parameters[index :: len(rates)], "lr": rate} for index, rate in enumerate(rates)]
    made: torch.optim.Optimizer = getattr(torch.optim, name)(groups, **options)
    return made


class Plain(torch.optim.lr_scheduler.StepLR):
    """A scheduler whose ``step`` takes no argument; torch's own still take an epoch."""

    def step(self) -> None:  # type: ignore[override]
        """An epoch is over."""
        super().step()


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
    )
}


def make(name: str, *args: Any, **kwargs: Any) -> Any:
    """What this module's function ``name`` returns.

    >>> make("rates", make("optimizer", make("linear", torch.ones(1, 1)), "SGD", [0.1]))
    [0.1]
    """
    return _MAKERS[name](*args, **kwargs)
