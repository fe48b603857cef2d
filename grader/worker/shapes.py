"""Building a network without numbers, on torch's meta device, or with few of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch.overrides import TorchFunctionMode

from grader.tracing import repeat_into

Drawing = Literal["all", "blocks", "none"]
_DRAWING = frozenset(("normal_", "kaiming_normal_", "xavier_normal_", "trunc_normal_"))


class _NothingDrawn(TorchFunctionMode):
    """Leaves out the drawing of normal numbers where there are none: torch would import 900 modules for it (0.5 s)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        drawn = args[0] if args else kwargs.get("tensor")  # torch.nn.init hands it on by name
        if getattr(func, "__name__", "") in _DRAWING and isinstance(drawn, torch.Tensor) and drawn.is_meta:
            return drawn
        return func(*args, **kwargs)


@contextlib.contextmanager
def made_on(device: str) -> Iterator[None]:
    """Within it tensors are made on ``device`` where nothing else is said.

    >>> with made_on("meta"):
    ...     torch.nn.init.normal_(torch.empty(2, 3)).device.type
    'meta'
    """
    with torch.device(device), _NothingDrawn() if device == "meta" else contextlib.nullcontext():
        yield


LARGE = 1 << 20  # numbers in a tensor; drawing them takes longer than anything else about a network
BLOCK = 1_048_573  # of them that are drawn, a prime: so rows of a matrix begin at different places


@contextlib.contextmanager
def drawn(drawing: Drawing) -> Iterator[None]:
    """Within it, of a tensor with a million numbers or more only a block is drawn and repeated, or "none" at all.

    That is of what is drawn in place, one number like the other: as torch's layers do, and torch.nn.init.

    >>> with drawn("blocks"):
    ...     weight = torch.nn.init.normal_(torch.zeros(2048, 1024)).flatten()
    >>> bool(weight[0] == weight[BLOCK]), bool(weight.any())
    (True, True)
    """

    def sparing(law: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def draw(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            if tensor.numel() < LARGE or not tensor.is_contiguous() or tensor.is_meta:
                return law(tensor, *args, **kwargs)
            if drawing == "blocks":
                repeat_into(tensor, law(tensor.detach().new_empty(BLOCK), *args, **kwargs))
            return tensor

        return draw

    with contextlib.ExitStack() as afterwards:
        for name in ("normal_", "uniform_"):
            setattr(torch.Tensor, name, sparing(getattr(torch.Tensor, name)))
            afterwards.callback(delattr, torch.Tensor, name)  # what it inherits is there again
        yield
