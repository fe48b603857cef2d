"""What a network of the reference's answers, under given weights: in a class run, worked out once for all submissions.

original = context.known("block", 3, make=lambda: calibrate(reference.ResidualBlock(3, 3, 3), x, seed))
expect_same_function(mine, original, [x])

Everything here follows from the assignment and the seed; nothing that a submission says goes in.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import nn

from grader import tracing

COMPARED = 50_000  # numbers of a parameter's gradient; of larger ones a sample is compared
KEPT = 512 << 20  # bytes: what is kept beyond that is forgotten again, the oldest first


@dataclass(frozen=True)
class ParameterGradient:
    """Of one parameter: its shape, the largest of its numbers, and these or a sample of them (`COMPARED`).

    The sample is None where the parameter is not trained.
    """

    shape: tuple[int, ...]
    largest: float
    sample: torch.Tensor | None


@dataclass
class Gradient:
    """The output for one input, and the gradients of <output, cotangent>: those are there after ``finish()``."""

    output: torch.Tensor
    cotangent: torch.Tensor
    finish: Callable[[], None] = lambda: None
    input: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    parameters: dict[str, ParameterGradient] = field(default_factory=dict)


class Answers:
    """``module`` under the weights that it has, and what it has answered so far.

    Batch norm's statistics are part of the question: they are those that the runs in train mode since `again` leave,
    whether these were computed or remembered. Without ``keep`` nothing is remembered, and the module may be changed
    between two questions.
    """

    def __init__(self, module: nn.Module, keep: bool = False) -> None:
        self._module, self._keep = module, keep
        self._now = b""  # which runs in train mode there have been
        self._held: bytes | None = b""  # and in the module's own statistics
        self._buffers = {b"": self._copied()} if keep else {}
        self._outputs: dict[tuple[bytes, bool, bytes], torch.Tensor] = {}
        self._gradients: dict[tuple[bytes, bool, bytes], Gradient] = {}
        self._written = self._times_written()

    @property
    def stale(self) -> bool:
        """Whether somebody has written into the module's parameters since: what is remembered is of other weights."""
        return self._times_written() != self._written

    @property
    def size(self) -> int:
        """Bytes that it takes: weights, and tensors that are remembered."""
        tensors = [*self._module.parameters(), *self._outputs.values()]
        for buffers in self._buffers.values():
            tensors += buffers
        for gradient in self._gradients.values():
            tensors += [gradient.output, gradient.cotangent, gradient.input]
            tensors += [each.sample for each in gradient.parameters.values() if each.sample is not None]
        return sum(each.nbytes for each in tensors)

    def again(self) -> Answers:
        """With the statistics of the start."""
        self._now = b""
        return self

    def module(self, training: bool | None = None) -> nn.Module:
        """The module with the statistics of now, in the mode asked for or else as it is.

        It may be run, which changes no answer; its weights are to stay.
        """
        module = self._ready(training)
        self._held = None  # unknown from here on
        return module

    def _ready(self, training: bool | None) -> nn.Module:
        if self._keep and self._held != self._now:
            with torch.no_grad():
                for buffer, value in zip(self._module.buffers(), self._buffers[self._now], strict=True):
                    buffer.copy_(value)
            self._held = self._now
        if training:
            self._held = None  # until the run is over: it may stop half-way
        return self._module if training is None else self._module.train(training)

    def output(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """What it gives for ``x``, without gradients."""
        question = (self._now, training, _digest(x)) if self._keep else (b"", training, b"")
        if question not in self._outputs:
            with torch.no_grad(), tracing.without_compiling(x):
                output: torch.Tensor = self._ready(training)(x.clone())
            if not self._keep:
                return output
            self._outputs[question] = output
            self._has_run(question)
        self._follow(question)
        return self._outputs[question]

    def gradient(self, x: torch.Tensor, training: bool = False) -> Gradient:
        """What it gives for ``x``, and its gradients: computed by `Gradient.finish`, which may be called elsewhere."""
        question = (self._now, training, _digest(x)) if self._keep else (b"", training, b"")
        if question in self._gradients:
            self._follow(question)
            return self._gradients[question]
        module = self._ready(training)
        module.zero_grad(set_to_none=True)
        ours = x.clone().requires_grad_()
        with tracing.without_compiling(x):
            output = module(ours)
            cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(output.numel()))

        def finish() -> None:
            with tracing.without_compiling(x):
                (output * cotangent).sum().backward()  # as in the worker
            assert ours.grad is not None
            found.input = ours.grad
            found.parameters = {key: _of(value) for key, value in module.named_parameters()}
            found.finish = lambda: None
            if self._keep:
                module.zero_grad(set_to_none=True)
                self._gradients[question] = found

        found = Gradient(output.detach(), cotangent, finish)
        if self._keep:
            self._has_run(question)
            self._follow(question)
        return found

    def _has_run(self, question: tuple[bytes, bool, bytes]) -> None:
        after = _after(question)
        if question[1]:
            self._buffers[after] = self._copied()
            self._held = after

    def _follow(self, question: tuple[bytes, bool, bytes]) -> None:
        self._now = _after(question)

    def _times_written(self) -> int:
        return sum(parameter._version for parameter in self._module.parameters())  # torch counts, without gradients too

    def _copied(self) -> list[torch.Tensor]:
        return [buffer.detach().clone() for buffer in self._module.buffers()]


class Known:
    """The `Answers` of one assignment's networks, by what they were made for; `KEPT` bytes of them."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._found: OrderedDict[Hashable, Answers] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}

    def of(self, key: Hashable, make: Callable[[], nn.Module]) -> Answers:
        """Those of the network that ``make()`` gave when it was first asked for by this ``key``.

        >>> known = Known()
        >>> one = known.of("linear", lambda: nn.Linear(2, 1))
        >>> known.of("linear", lambda: nn.Linear(2, 1)) is one
        True
        """
        if self._found:  # the last one has grown since it was asked for
            last = next(reversed(self._found))
            self._sizes[last] = self._found[last].size
        if key not in self._found or self._found[key].stale:
            self._found.pop(key, None)
            self._sizes.pop(key, None)
            made = Answers(make(), keep=True)
            while self._found and sum(self._sizes.values()) + made.size > self._most:
                oldest, _ = self._found.popitem(last=False)
                del self._sizes[oldest]
            self._found[key] = made
        self._found.move_to_end(key)
        return self._found[key].again()

    def __len__(self) -> int:
        return len(self._found)


def _after(question: tuple[bytes, bool, bytes]) -> bytes:
    before, training, x = question
    return hashlib.blake2b(before + x, digest_size=16).digest() if training else before


def _digest(x: torch.Tensor) -> bytes:
    """Of its numbers, shape and type."""
    said = f"{tuple(x.shape)}{x.dtype}".encode()
    numbers = x.detach().contiguous().view(-1).view(torch.uint8).numpy()
    return hashlib.blake2b(said + numbers.tobytes(), digest_size=16).digest()


def _of(parameter: nn.Parameter) -> ParameterGradient:
    gradient = parameter.grad
    if gradient is None:
        return ParameterGradient(tuple(parameter.shape), 0.0, None)
    sample = tracing.sampled(gradient, COMPARED)
    kept = sample.clone() if sample.numel() < gradient.numel() else sample
    return ParameterGradient(tuple(gradient.shape), gradient.abs().max().item(), kept)
