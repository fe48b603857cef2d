"""Where the student's model and the solution's part: what a failed check asked is asked of both, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import nn

from grader import tracing
from grader.checks.weights import calibrate
from grader.diagnosis import structure
from grader.diagnosis.compare import Known, Run, agree, agree_at_the_end, explain, pairs_of
from grader.diagnosis.finding import Finding
from grader.language import gettext
from grader.protocol import PERIOD
from grader.student import CheckFailed, Remote, Student, StudentError, call
from grader.student.remote import Path
from grader.worker.shapes import drawn

Asked = Sequence[tuple[str, dict[str, Any]]]
SEED = 1
MOST = 4  # images
INPUTS = 3  # on which gradients have to be wrong
SMALL = 8  # pixels: what is compared on smaller images is compared on larger ones, too
SIDES = (32, 64, 28)  # of images that a network may be made for


@dataclass(frozen=True)
class Subject:
    """The module that a check looked at last: attribute ``path`` of ``owner``; and what it was run on, if it was.

    ``asked`` is the kind of the last request, ``training`` whether the check had set it to train mode.
    """

    owner: Remote
    path: str
    x: torch.Tensor | None
    asked: str = ""
    training: bool = False

    @property
    def prefix(self) -> str:
        """Its dotted name from the object that the student's code returned."""
        parts = [self.path] if self.path else []
        remote: Remote | None = self.owner
        while remote is not None and (origin := remote._grader_origin) is not None:
            if origin.args is not None or origin.items:
                break
            parts.insert(0, origin.path)
            remote = origin.target
        return ".".join(parts)

    @property
    def maker(self) -> str:
        """The function or class of the student's that was called for that object."""
        remote: Remote | None = self.owner
        while remote is not None and (origin := remote._grader_origin) is not None:
            if origin.args is not None:
                return origin.path
            remote = origin.target
        return ""


def subject_of(asked: Asked, reference: ModuleType) -> Subject | None:
    """Of what a check asked last; None where that was not about a module."""
    made: dict[int, Any] = {}
    for number, (kind, body) in reversed(list(enumerate(asked))):
        owner, path = body.get("target"), body.get("path", "")
        if kind == "get" and isinstance(owner, Remote) and owner.is_module and number == len(asked) - 1:
            return Subject(owner, "", None, "state")  # what it has under that name, or does not have
        if kind not in ("call", "trace", "backward", "state", "layers") or not isinstance(owner, Remote):
            continue
        path = "" if path == "forward" else path
        if kind == "call" and path and not _is_module(reference, owner, path, made):
            continue
        given = [each for each in asked[: number + 1] if each[1].get("target") is owner]
        inputs = [_input(*each) for each in given if each[1].get("path", "") in (body.get("path", ""), "")]
        x = next((x for x in reversed(inputs) if x is not None), None)
        return Subject(owner, path, x, kind, _training(asked[:number], owner))
    return None


def _training(asked: Asked, owner: Remote) -> bool:
    """The mode that was set last."""
    for _, body in reversed(asked):
        if body.get("target") is owner and body.get("path") in ("train", "eval"):
            return bool(body["path"] == "train" and body["args"] != (False,))
    return False


def _input(kind: str, body: dict[str, Any]) -> torch.Tensor | None:
    given = body["args"] if kind == "call" else (body.get("x"),)
    return next((value for value in given if isinstance(value, torch.Tensor)), None)


def _is_module(reference: ModuleType, owner: Remote, path: str, made: dict[int, Any]) -> bool:
    try:
        found: bool = isinstance(_attribute(remake(owner, reference, made), path), nn.Module)
        return found
    except Exception:
        return False


def _attribute(value: Any, path: str) -> Any:
    for part in path.split(".") if path else []:
        value = getattr(value, part)
    return value


def remake(remote: Remote, root: Any, made: dict[int, Any]) -> Any:
    """Make what ``remote`` stands for once more, of another module: a `Student`, or the solution's.

    Its weights are drawn quickly (`grader.worker.shapes.drawn`): it will be given others.
    """
    if id(remote) in made:
        return made[id(remote)]
    origin = remote._grader_origin
    if origin is None:
        raise CheckFailed(gettext("{remote} is made by the check, not by the submission.").format(remote=remote))
    target = root if origin.target is None else remake(origin.target, root, made)
    value = _attribute(target, origin.path)

    def again(given: Any) -> Any:
        if isinstance(given, Remote):
            return remake(given, root, made)
        if isinstance(given, torch.Tensor):
            return given.clone()
        if isinstance(given, dict):
            return {key: again(item) for key, item in given.items()}
        return type(given)(map(again, given)) if isinstance(given, (list, tuple)) else given

    if origin.args is None:
        value = value.value() if isinstance(root, Student) else value
    else:
        args, kwargs = [*map(again, origin.args)], {name: again(given) for name, given in origin.kwargs.items()}
        if isinstance(value, Path):
            value = call(value, *args, draws=PERIOD, **kwargs).result
        else:
            with drawn(PERIOD):
                value = value(*args, **kwargs)
    for item in origin.items:
        value = value[item]
    made[id(remote)] = value
    return value


class Made:
    """Both modules, and what was made of them so far: what several checks ask for is made once."""

    def __init__(self, reference: ModuleType, student: Student) -> None:
        self.reference, self.student = reference, student
        self._ours: dict[int, Any] = {}
        self._theirs: dict[int, Any] = {}
        self._remotes: list[Remote] = []  # which must live as long as their ids count

    def both(self, remote: Remote) -> tuple[Any, Any]:
        """What ``remote`` stands for, made of the solution's module and of the student's."""
        self._remotes.append(remote)
        return remake(remote, self.reference, self._ours), remake(remote, self.student, self._theirs)


def examine(subject: Subject, made: Made, functions: frozenset[str], until: float) -> Finding | None:
    """Give both models the same weights, run them on the same input, and say where they part; up to time ``until``.

    Raises:
        StudentError, MissingName, CheckFailed, WorkerLost: the student's code does not come that far.
    """
    original, mine = made.both(subject.owner)
    original = _attribute(original, subject.path)
    mine = _attribute(mine, subject.path).value() if subject.path and isinstance(mine, Remote) else mine
    if not isinstance(original, nn.Module) or not isinstance(mine, Remote) or not mine.is_module:
        return None
    found = _Pair(original, mine, subject, functions, until).find()
    if found is None:
        return None
    module = ".".join(filter(None, (subject.prefix, found.module)))
    return replace(found, module=module, maker=subject.maker)


class _Pair:
    def __init__(
        self, original: nn.Module, mine: Remote, subject: Subject, functions: frozenset[str], until: float
    ) -> None:
        self.original, self.mine, self.functions, self._until = original, mine, functions, until
        self.ours, self.theirs = tracing.layers(original), mine.layers()
        self.asked, self.training, self._given = subject.asked, subject.training, subject.x
        self.x: torch.Tensor | None = None
        self._runs: tuple[Run, Run] | None = None
        self._known: Known = {}

    def _inputs(self, x: torch.Tensor | None) -> list[torch.Tensor]:
        """``x``, or noise of its shape where it says nothing; more, larger noise; or noise that the reference takes."""
        generator = torch.Generator().manual_seed(SEED)
        if x is not None and not x.is_floating_point():
            return [x]
        if x is not None and x.dim():
            x = x[:MOST]  # all that every layer gives is compared
        shapes: list[tuple[int, ...]] = []
        if x is not None and x.dim():
            shapes = [tuple(x.shape)]
            shapes += [(4, *x.shape[1:])] if len(x) == 1 else []
            if x.dim() == 4 and min(x.shape[2:]) < SMALL:
                shapes.append((4, x.shape[1], SMALL, SMALL + 1))
        elif x is None:
            first = next((layer.hyper_parameters for layer in self.ours if "in_channels" in layer.hyper_parameters), {})
            shapes += [(4, first["in_channels"], side, side) for side in SIDES if first]
            first = next((layer.hyper_parameters for layer in self.ours if "in_features" in layer.hyper_parameters), {})
            shapes += [(4, first["in_features"])] if first else []
        found = []
        for shape in shapes:
            noise = torch.randn(*shape, generator=generator)
            try:
                with torch.no_grad():
                    self.original.eval()(noise)
            except Exception:
                continue
            informative = x is not None and shape == tuple(x.shape) and x.numel() > 1 and x.std() > 0
            found.append(x if x is not None and informative else noise)
            if x is None:
                break
        return found

    def find(self) -> Finding | None:
        """The first difference, on one input after the other."""
        for x in self._inputs(self._given):
            if self._late():
                break
            self.x = x
            several = torch.randn(max(len(x), 4), *x.shape[1:], generator=torch.Generator().manual_seed(SEED))
            try:
                calibrate(self.original, several if x.is_floating_point() else x, SEED)
            except Exception:  # it takes other inputs in train mode
                self.original.eval()
            found = self._find()
            if found is not None:
                return found
        if self._runs is None:
            return structure.difference(Run(self.ours, [], "not run"), Run(self.theirs, [], "not run"), self._state())
        return structure.difference(*self._runs, self._state(), self._known)

    def _late(self) -> bool:
        return time.monotonic() > self._until

    def _find(self) -> Finding | None:
        ours, theirs = self._reference(False, outputs=False), self._student(False, outputs=False)
        self._runs = ours, theirs
        pairs = pairs_of(ours, theirs, self._known)
        shared = structure.shared(pairs)
        if shared is not None:
            return shared
        if self.asked in ("state", "layers"):
            found = structure.difference(ours, theirs, self._state(), self._known)
            if found is not None and found.confident:
                return found
        self._give_weights(pairs)
        modes = (True, False, False) if self.training else (False, False, True, False)
        for number, training in enumerate(modes):
            if self._late():
                return None
            again = False in modes[:number] and not training
            ours = self._reference(training)
            if ours.stopped:  # in train mode a batch of one, say
                continue
            theirs = self._student(training)
            # What differs on the way to the same output matters where a check looks on the way only.
            alike = self.asked != "trace" and agree_at_the_end(ours, theirs)
            found = None if alike else explain(ours, theirs, self._known)
            if found is not None:
                trained = True in modes[: number + 1]
                if found.what == "output" and not self._loaded(trained):
                    self.mine.load_state_dict(self.given)
                    if self._loaded(trained):
                        return Finding("", self.theirs[0].type, "state", gettext("its weights change when it is run."))
                    said = gettext("after load_state_dict the weights are not those that were loaded.")
                    return Finding("", self.theirs[0].type, "loading", said)
                return replace(found, what="state") if again and found.what in ("output", "forward") else found
            if training:
                buffer = self._buffers(pairs)
                if buffer is not None:
                    return buffer
        return self._gradients(pairs) if self.asked == "backward" and not self._late() else None

    def _reference(self, training: bool, outputs: bool = True) -> Run:
        assert self.x is not None
        self.original.train(training)
        steps, error = tracing.trace(self.original, self.x.clone(), outputs, outputs, SEED)
        return Run(self.ours, steps, str(error or ""))

    def _student(self, training: bool, outputs: bool = True) -> Run:
        assert self.x is not None
        self.mine.train(training)
        steps, stopped = self.mine.trace(self.x, outputs, outputs, SEED)
        return Run(self.theirs, steps, stopped, self.functions)

    def _state(self) -> structure.State:
        parameters, buffers = self.mine.state()
        ours = dict(self.original.named_parameters())
        return structure.State(
            {key: tuple(value.shape) for key, value in self.original.state_dict().items()},
            {entry.name: entry.shape for entry in (*parameters, *buffers)},
            {name for name, value in ours.items() if not value.requires_grad},
            {entry.name for entry in parameters if not entry.requires_grad},
        )

    def _names(self, pairs: Sequence[Any]) -> dict[str, str]:
        """Each entry of the student's state_dict: the reference's, where there is one of the same shape.

        By name where all have the same ones, as a checkpoint is loaded; else by the layers' places, too.
        """
        state = self.original.state_dict()
        parameters, buffers = self.mine.state()
        shapes = {entry.name: entry.shape for entry in (*parameters, *buffers)}
        found = {key: key for key in shapes if key in state and tuple(state[key].shape) == shapes[key]}
        if len(found) == len(shapes) == len(state):
            return found
        for one, other in pairs:
            if one is None or other is None:
                continue
            for key in shapes:
                inside, _, last = key.rpartition(".")
                wanted = f"{one.name}.{last}" if one.name else last
                if inside == other.name and wanted in state and tuple(state[wanted].shape) == shapes[key]:
                    found[key] = wanted
        return found

    def _give_weights(self, pairs: Sequence[Any]) -> None:
        state = self.original.state_dict()
        names = self._names(pairs)
        parameters, buffers = self.mine.state()
        generator = torch.Generator().manual_seed(SEED)
        self.given: dict[str, torch.Tensor] = {}
        for entry in (*parameters, *buffers):
            if entry.name in names:
                self.given[entry.name] = state[names[entry.name]]
            elif entry.dtype.startswith(("int", "uint", "bool")):
                self.given[entry.name] = torch.zeros(entry.shape, dtype=torch.int64)
            else:
                noise = torch.randn(entry.shape, generator=generator)
                self.given[entry.name] = noise.abs() + 0.5 if "var" in entry.name else noise * 0.1
        self.mine.load_state_dict(self.given)

    def _loaded(self, trained: bool) -> bool:
        """Whether the weights are those given; once ``trained``, running statistics are right to have moved."""
        state = self.mine.state_dict()
        moved = {entry.name for entry in self.mine.state()[1]} if trained else set()
        return isinstance(state, dict) and all(
            isinstance(state.get(key), torch.Tensor) and agree(state[key], value)
            for key, value in self.given.items()
            if key not in moved
        )

    def _buffers(self, pairs: Sequence[Any]) -> Finding | None:
        """After a run in train mode: the first layer with other running statistics."""
        state = self.mine.state_dict()
        ours = self.original.state_dict()
        names = self._names(pairs)
        if not isinstance(state, dict):
            return None
        for one, other in pairs:
            if one is None or other is None:
                continue
            for key, wanted in names.items():
                if key.rpartition(".")[0] != other.name or not ours[wanted].is_floating_point():
                    continue
                value = state.get(key)
                if not isinstance(value, torch.Tensor) or not agree(value, ours[wanted]):
                    return structure.buffers(one, other, key)
        return None

    def _gradients(self, pairs: Sequence[Any]) -> Finding | None:
        """What is wrong with the gradients on the input's first example, and on others near it, too.

        A ReLU whose input is 0 up to rounding has its gradient in one model and none in the other
        (`grader.checks.numerics.nearby`); wrong code is wrong on all inputs. Of a ResNet-50, computed with one thread
        and with two, the gradients differ by more than a percent on 80 of 100 batches of four, and on none of one.
        """
        assert self.x is not None
        if not self.x.is_floating_point():
            return None
        frozen = structure.frozen(pairs, self._state())
        if frozen is not None:
            return frozen
        self.original.eval()
        self.mine.eval()
        generator = torch.Generator().manual_seed(SEED)
        first, found = self.x[:1], None
        for number in range(INPUTS):
            x = first + 0.1 * torch.randn(first.shape, generator=generator) if number else first
            found = self._gradients_on(pairs, x)
            if found is None:
                return None
            if self._late():  # seen on too few inputs to be sure
                return replace(found, confident=False)
        return found

    def _gradients_on(self, pairs: Sequence[Any], given: torch.Tensor) -> Finding | None:
        x = given.clone().requires_grad_()
        self.original.zero_grad(set_to_none=True)
        output = self.original(x)
        cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(SEED))
        (output * cotangent).sum().backward()
        root = self.theirs[0].type
        try:
            found = self.mine.gradients(given, cotangent)
        except StudentError as error:
            said = gettext("nothing can be trained: the backward pass stops with {text}").format(text=error.text[:200])
            return Finding("", root, "gradient", said)
        wanted = {name: value.grad for name, value in self.original.named_parameters()}
        names = self._names(pairs)
        right = {
            key: structure.gradient_agrees(value, wanted[names[key]], cotangent)
            for key, value in found.parameters.items()
            if names.get(key) in wanted
        }
        return structure.gradient(pairs, right, agree(found.input, x.grad), self.theirs)
