"""Answer requests about one submission: import it, call it, describe, trace and differentiate what it makes."""

from __future__ import annotations

import contextlib
import difflib
import gc
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import torch
from torch import nn

from grader import probes, protocol, tracing
from grader.protocol import Handle
from grader.worker import files as trees
from grader.worker import leaves, memory
from grader.worker.shapes import drawn, made_on
from grader.worker.withheld import withhold

MAX_MESSAGE = 4_000  # characters of an exception's text
MAX_FRAMES = 20


class MissingName(AttributeError):
    """An attribute whose name the handout fixes is not there."""


class Server:
    """Holds the student's module and the objects made from it; one method per kind of request."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO, folder: Path) -> None:
        self.reader, self.writer, self.folder = reader, writer, folder
        self.objects: dict[int, object] = {}
        self.module: ModuleType | None = None
        self.records = True  # whether gradients are recorded after the import
        self.operations: dict[str, Callable[..., object]] = {
            "import": self.import_files,
            "call": self.call,
            "get": self.get,
            "state": self.state,
            "layers": self.layers,
            "trace": self.trace,
            "backward": self.backward,
            "load_repeated": self.load_repeated,
            "probe": self.probe,
            "configure": self.configure,
            "write_tree": self.write_tree,
            "read_tree": self.read_tree,
            "hold": self.hold,
            "look": leaves.look,
            "fill": leaves.fill,
            "leaves": self.leaves,
            "differentiate": self.differentiate,
            "move": self.move,
            "reaches": self.reaches,
            "watch": self.watch,
            "release": self.release,
            "soon": self.soon,
            "settle": lambda: None,
        }

    def serve(self) -> None:
        """Answer until the judge hangs up.

        A request that comes "soon" has no answer; what it raises is the next one's answer, and that is not run.
        """
        failed: dict[str, object] | None = None
        while True:
            try:
                number, kind, body = protocol.receive(
                    self.reader, lambda handle: self.objects[handle.number], shortened=True
                )
            except EOFError:
                return
            if failed is not None and kind == "soon":
                continue  # what comes after a request that raised is left out
            try:
                if failed is None:
                    reply = self.operations[kind](**body)
                    if kind != "soon":
                        protocol.send(self.writer, number, "value", reply, self.to_handle)
            except BaseException as error:  # also SystemExit and KeyboardInterrupt raised by student code
                failed = {**self.describe_error(error), "number": number}
                del error
            if kind != "soon":
                if failed is not None:
                    protocol.send(self.writer, number, "error", failed)
                    failed = None
                self.writer.flush()

    def to_handle(self, value: object) -> Handle:
        number = id(value)
        self.objects[number] = value
        return Handle(number, type(value).__name__, isinstance(value, nn.Module))

    def soon(self, kind: str, body: dict[str, Any]) -> None:
        """Do what ``kind`` asks, for what that changes."""
        self.operations[kind](**body)

    def configure(self, threads: int) -> None:
        memory.keep_freed()
        torch.set_num_threads(threads)

    def write_tree(self, name: str, files: dict[str, bytes]) -> None:
        trees.write_tree(self.folder, name, files)

    def read_tree(self, name: str) -> dict[str, str]:
        return trees.read_tree(self.folder, name)

    def hold(self, target: object, path: str) -> Handle | str:
        """A list of the tensors that ``target.path()`` gives; where it gives something else, what that is."""
        method: Any = self.get(target, path)
        held = leaves.held(method())
        return held if isinstance(held, str) else self.to_handle(held)

    def leaves(self, values: list[torch.Tensor], gradients: list[torch.Tensor | None] | None) -> Handle:
        """The list that `leaves.made` makes."""
        return self.to_handle(leaves.made(values, gradients))

    def differentiate(self, target: object, path: str, **body: Any) -> dict[str, object]:
        """`leaves.differentiate` of ``target.path``."""
        function: Any = self.get(target, path)
        return leaves.differentiate(function, **body)

    def move(self, target: object, path: str, args: tuple[Any, ...]) -> object:
        """``target.path(*args)``, during which every tensor's ``to`` copies, as it does to another device."""
        method: Any = self.get(target, path)
        with leaves.Copying():
            return method(*args)

    def reaches(self, target: object, device: str) -> bool:
        """`leaves.reaches`, in the student's module."""
        assert self.module is not None
        return leaves.reaches(target, device, self.module)

    def watch(self, file: str) -> None:
        """Have the modules made from now on say by which lines of ``file`` they were made."""
        tracing.note_lines(str(self.folder / file))

    def release(self, keep: list[object]) -> None:
        """Forget the objects made so far but those in ``keep``: a check is over."""
        self.objects = {id(value): value for value in keep}
        gc.collect()  # a network that knows itself, by a method of its own in a list, say, may hold half a gigabyte

    def import_files(self, name: str, file: str, files: dict[str, bytes], withheld: Sequence[str] = ()) -> list[str]:
        """Put ``files`` into the worker's folder, import ``file`` as module ``name``; returns the names it defines.

        What is ``withheld`` cannot be used from here on.
        """
        withhold(withheld)
        sys.dont_write_bytecode = True  # another file of this name may come within the same second
        for each, content in files.items():
            (self.folder / each).write_bytes(content)
        path = self.folder / file
        sys.path.insert(0, str(self.folder))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        self.module = module
        self.records = torch.is_grad_enabled()
        return [key for key in vars(module) if not key.startswith("__")]

    def get(self, target: object, path: str) -> object:
        """The attribute ``path`` of ``target``, or of the module; dotted, digits index into lists of layers."""
        value: Any = self.module if target is None else target
        for part in path.split(".") if path else []:
            try:
                value = value[int(part)] if type(value) is list and part.isdigit() else getattr(value, part)
            except AttributeError:
                raise MissingName(self._missing(value, part)) from None
        return value

    def _missing(self, owner: object, name: str) -> str:
        known = [key for key in getattr(owner, "__dict__", ()) if not key.startswith("_")]
        if isinstance(owner, nn.Module):
            known += [key for key, _ in owner.named_children()]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f" It has {close[0]}: is that the one? The name is fixed by the handout." if close else ""
        if self.module is not None and owner is self.module:
            return f"{Path(str(self.module.__file__)).name} defines no {name}.{hint}"
        return f"A {type(owner).__name__} has no attribute {name}.{hint}"

    def call(
        self,
        target: object,
        path: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        seed: int | None,
        grad: bool,
        device: str | None = None,
        draws: int | None = None,
        stop_after: int | None = None,
        backwards: bool = False,
        channels_last: bool = False,
    ) -> dict[str, object]:
        """Call it. ``mutated`` says which tensors and lists among the positional arguments were changed in place.

        Tensors are made on ``device`` where it does not say otherwise, of large ones only ``draws`` numbers are drawn
        (`shapes.drawn`); with ``stop_after`` it is ended as `files.interrupted` does, ``backwards`` is as
        `files.backwards`, and with ``channels_last`` tensors of 4 dimensions among ``args`` are given in that memory
        format. A network is made with gradients recorded, as in a program.

        Raises:
            RuntimeError: they are not recorded any more after that, or already were not after the import.
        """
        function: Any = self.get(target, path)
        makes = isinstance(function, type) and issubclass(function, nn.Module)
        if (grad or makes) and not self.records:
            raise RuntimeError("Importing the file leaves gradients switched off: use `with torch.no_grad():`.")
        if seed is not None:
            torch.manual_seed(seed)
        if channels_last:
            args = tuple(map(_channels_last, args))
        before = [_version(argument) for argument in args]
        with contextlib.ExitStack() as within:
            within.enter_context(torch.set_grad_enabled(grad or makes))
            if device is not None:
                within.enter_context(made_on(device))
            if draws is not None:
                within.enter_context(drawn(draws))
            if stop_after is not None:
                within.enter_context(trees.interrupted(stop_after))
            if backwards:
                within.enter_context(trees.backwards(self.module))
            within.enter_context(tracing.without_compiling(*args))
            result = tracing.run(function, *args, **kwargs)
            if makes and not torch.is_grad_enabled():
                raise RuntimeError(f"{path} leaves gradients switched off: use `with torch.no_grad():`.")
        mutated = [index for index, argument in enumerate(args) if _version(argument) != before[index]]
        return {"result": result, "mutated": mutated}

    def state(self, target: nn.Module, values: bool = False) -> dict[str, object]:
        """Parameters and persistent buffers of ``target``: names, shapes, dtypes; with ``values`` the buffers' numbers.

        The numbers are None where its state_dict is no dictionary. A parameter's second name is among the buffers; of
        what has several, ``aliases`` are the others, each with the first one.
        """
        held: Any = target.state_dict()
        if values and not isinstance(held, Mapping):
            return {"parameters": [], "buffers": [], "values": None, "aliases": []}
        parameters = dict(target.named_parameters())
        buffers = [
            (name, value) for name, value in held.items() if name not in parameters and isinstance(value, torch.Tensor)
        ]
        return {
            "parameters": [
                [name, parameter.shape, str(parameter.dtype), parameter.requires_grad]
                for name, parameter in parameters.items()
            ],
            "buffers": [[name, value.shape, str(value.dtype)] for name, value in buffers],
            "values": dict(buffers) if values else None,
            "aliases": _aliases(target),
        }

    def layers(self, target: nn.Module) -> list[object]:
        """Modules of ``target``: names, classes, hyper-parameters, and the lines that made them (`watch`)."""
        return [[layer.name, layer.type, layer.hyper_parameters, layer.lines] for layer in tracing.layers(target)]

    def trace(
        self, target: nn.Module, x: torch.Tensor, outputs: bool, inputs: bool, seed: int | None
    ) -> dict[str, object]:
        """`tracing.trace`; an exception that stopped it comes back beside the steps before it."""
        steps, error = tracing.trace(target, x, outputs, inputs, seed)
        entries = [
            [
                step.name,
                step.type,
                step.input_shape,
                step.output_shape,
                step.output,
                step.input,
                step.leaf,
                step.training,
            ]
            for step in steps
        ]
        return {"entries": entries, "error": self.describe_error(error) if error else None}

    def backward(
        self, target: nn.Module, x: torch.Tensor, cotangent: torch.Tensor, most: int | None = None
    ) -> dict[str, object]:
        """Gradients of <target(x), cotangent>: {"output", "input", "parameters": {name: tensor or None}}.

        Of a parameter with more than ``most`` numbers, those that `tracing.sampled` takes.
        """
        x = x.clone().requires_grad_()
        target.zero_grad(set_to_none=True)
        with torch.enable_grad(), tracing.without_compiling(x):
            output = tracing.run(target, x)
            # Not output.backward(cotangent): that makes torch import its symbolic shapes, which takes seconds.
            (output * cotangent).sum().backward()
        gradients = {
            name: None if parameter.grad is None else tracing.sampled(parameter.grad, most)
            for name, parameter in target.named_parameters()
        }
        target.zero_grad(set_to_none=True)
        return {"output": output, "input": x.grad, "parameters": gradients}

    @torch.no_grad()
    def load_repeated(self, target: nn.Module, state: dict[str, torch.Tensor], most: int | None = None) -> None:
        """Fill each entry of ``target``'s state_dict named in ``state`` with its numbers, again and again.

        With ``most`` only so many elements of it; the rest is 0. A model without numbers (on the meta device) is given
        memory first, of which what is 0 takes next to none.
        """
        light = any(value.is_meta for value in target.state_dict().values())
        if light:
            target._apply(tracing.zeros_untouched)
        held = target.state_dict()
        for key, numbers in state.items():
            if light and not numbers.any():
                continue
            if not light and most is not None:
                held[key].zero_()
            tracing.repeat_into(held[key], numbers, most)

    def probe(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """`probes.make`: something to give to the student's functions."""
        return probes.make(name, *args, **kwargs)

    def describe_error(self, error: BaseException) -> dict[str, object]:
        """The exception as data: class names, text, and where in the student's own files (file, line, function).

        An exception can be made so that it cannot even be described; it is still one.
        """
        try:
            return self._describe_error(error)
        except BaseException:
            return {"types": ["Exception"], "text": "an exception that cannot be described", "frames": []}

    def _describe_error(self, error: BaseException) -> dict[str, object]:
        text = "".join(traceback.format_exception_only(error)).strip()
        if isinstance(error, MissingName):
            text = str(error)
        frames = []
        for frame, line in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            if name.startswith(str(self.folder)):
                frames.append([_sendable(Path(name).name), int(line), _sendable(frame.f_code.co_name)])
        if isinstance(error, SyntaxError):
            text = f"{type(error).__name__}: {error.msg}"
            frames = [[_sendable(Path(error.filename or "").name), int(error.lineno or 0), ""]]
        return {
            "types": [_sendable(cls.__name__) for cls in type(error).__mro__][:10],
            "text": _sendable(text[:MAX_MESSAGE]),
            "frames": frames[-MAX_FRAMES:],
        }


def _sendable(text: str) -> str:
    """Exactly ``text``, but what UTF-8 cannot say (lone surrogates) as escapes."""
    return str(text).encode(errors="backslashreplace").decode()


def _aliases(module: nn.Module) -> list[list[str]]:
    first: dict[int, str] = {}
    named = nn.Module.named_parameters(module, remove_duplicate=False)
    return [[name, first[id(value)]] for name, value in named if first.setdefault(id(value), name) != name]


def _channels_last(value: object) -> object:
    if isinstance(value, torch.Tensor) and value.dim() == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return value


def _version(argument: object) -> object:
    """Something that differs after a change in place: torch's own counter for a tensor, a copy for a list."""
    if isinstance(argument, torch.Tensor):
        return argument._version
    if not isinstance(argument, list):
        return None
    return [id(item) if isinstance(item, torch.Tensor) else item for item in argument]  # tensors compare by numbers
