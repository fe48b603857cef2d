"""Building a network without numbers, on torch's meta device, or with few of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from grader.tracing import repeat_into

_DRAWING = frozenset(("normal_", "kaiming_normal_", "xavier_normal_", "trunc_normal_"))
_SCALING = frozenset(("mul", "div"))
LARGE = 1 << 18  # numbers in a tensor; drawing more takes longer than anything else about a network
LEFT = 1 << 14  # the same where none are drawn: leaving a tensor as it is takes as long as drawing a hundred numbers
FILLED = 1 << 23  # of the 100 million in VGG's first Linear; to fill them takes half a second each time


class _NothingDrawn(TorchFunctionMode):
    """Leaves out drawing and scaling where there are no numbers: torch would import its compiler for it (2 s)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        given = args[0] if args else kwargs.get("tensor")  # torch.nn.init hands it on by name
        if isinstance(given, torch.Tensor) and given.is_meta:
            if name in _DRAWING:
                return given
            plain = len(args) == 2 and type(args[1]) in (int, float) and not kwargs
            if name in _SCALING and plain and given.is_floating_point() and not given.requires_grad:
                return torch.empty(given.shape, dtype=given.dtype, device="meta")
        if name == "randn" and kwargs.get("device") is None and "out" not in kwargs:
            return torch.empty(*args, **{key: value for key, value in kwargs.items() if key != "generator"})
        return func(*args, **kwargs)


@contextlib.contextmanager
def made_on(device: str) -> Iterator[None]:
    """Within it tensors are made on ``device`` where nothing else is said.

    >>> with made_on("meta"):
    ...     torch.nn.init.normal_(torch.randn(2, 3) * 2.0).device.type
    'meta'
    """
    with torch.device(device), _NothingDrawn() if device == "meta" else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def drawn(most: int) -> Iterator[None]:
    """Within it, of a tensor with `LARGE` numbers or more only ``most`` are drawn, and repeated.

    With 0 none are, already with `LEFT` numbers or more: they are what was in memory.
    With more than `FILLED` numbers it is the last `FILLED` that hold them; those before are what was in memory.

    That is where a tensor is drawn in place, as torch's layers do and torch.nn.init, or by torch.randn. ``most`` had
    better be a prime, so that rows of a matrix begin at different places.

    >>> with drawn(65_521):
    ...     weight = torch.nn.init.normal_(torch.zeros(2048, 1024)).flatten()
    >>> bool(weight[0] == weight[65_521]), bool(weight[0] == weight[1])
    (True, False)
    """
    least = max(LARGE, most) if most else LEFT

    def sparing(law: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def draw(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if tensor.numel() < least or not tensor.is_contiguous() or tensor.is_meta:
                return law(tensor, *args, **kwargs)
            if most:
                last = tensor.detach().view(-1)[-FILLED:]
                repeat_into(last, law(tensor.detach().new_empty(most), *args, **kwargs))
            return tensor

        return draw

    plain = torch.randn

    def randn(*size: Any, **kwargs: Any) -> torch.Tensor:
        shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
        if "out" in kwargs or "size" in kwargs or not most or prod(shape) < least:
            return plain(*size, **kwargs)
        trained = kwargs.pop("requires_grad", False)
        block = plain(most, **kwargs)
        if block.is_meta:
            return plain(*size, requires_grad=trained, **kwargs)
        tensor = block.new_empty(tuple(shape))
        repeat_into(tensor.view(-1)[-FILLED:], block)
        return tensor.requires_grad_(trained)

    with contextlib.ExitStack() as afterwards:
        for name in ("normal_", "uniform_"):
            setattr(torch.Tensor, name, sparing(getattr(torch.Tensor, name)))
            afterwards.callback(delattr, torch.Tensor, name)  # what it inherits is there again
        torch.randn = randn
        afterwards.callback(setattr, torch, "randn", plain)
        yield
