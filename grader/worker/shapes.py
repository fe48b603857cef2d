"""Building a network without numbers, on torch's meta device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

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
