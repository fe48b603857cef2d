"""What a check sees of the student's code: `Student` and `Remote` stand for the module and its objects in the worker.

They read like the real thing: ``student.vgg16()`` builds the model in the worker, ``model(x)`` sends x there and
returns the logits. What comes back is data (tensors, numbers, strings, lists, tuples, dictionaries of these) or another
`Remote`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Protocol, TypeVar

import torch

from grader.language import gettext
from grader.protocol import PERIOD, Handle
from grader.student.outcomes import CheckFailed
from grader.tracing import Layer, Step

Answer = TypeVar("Answer")
# What Python, and hypothesis when it prints arguments (`_repr_pretty_`), ask of every object is not the student's.
_PYTHON = ("__", "_repr_")
_SHOWN = 40  # characters of a key in what an answer's part is called
DRAWN = PERIOD  # numbers of a large tensor: see `call`
_MOST_DIMENSIONS = 64  # torch's own limit


class Requests(Protocol):
    """Where a `Remote` puts its requests: the judge's `Session`."""

    kept: dict[str, Any]
    aside: Callable[[], None] | None

    def request(
        self,
        kind: str,
        doing: str,
        read: Callable[[Any], Answer] = ...,
        meanwhile: Callable[[], None] | None = None,
        **body: Any,
    ) -> Answer:
        """Ask the worker; ``read`` takes its answer apart. ``meanwhile`` is called before the answer is waited for."""

    def soon(self, kind: str, doing: str, **body: Any) -> None:
        """Ask it, and wait for no answer: what this raises, the next request raises."""


def expression(value: object) -> str:
    """``value`` as a student would write it, tensors by their shape.

    >>> expression([1, "M", torch.zeros(2, 3)])
    "[1, 'M', tensor of shape (2, 3)]"
    """
    if isinstance(value, torch.Tensor):
        return gettext("tensor of shape {shape}").format(shape=tuple(value.shape))
    if isinstance(value, list):
        return "[" + ", ".join(map(expression, value)) + "]"
    if isinstance(value, dict):
        shown = [f"{key!r}: {expression(item)}" for key, item in list(value.items())[:2]]
        return "{" + ", ".join(shown + ["..."] * (len(value) > 2)) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(expression, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, (Remote, Path)):
        return str(value)
    return repr(value)


def _arguments(args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    return ", ".join([*map(expression, args), *(f"{key}={expression(value)}" for key, value in kwargs.items())])


@dataclass(frozen=True)
class Parameter:
    """Name, shape, dtype ("float32") and whether it is trained."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool


@dataclass(frozen=True)
class Origin:
    """How an object in the worker came about: ``path`` of ``target`` (None: the module), called where it has ``args``.

    ``items`` lead from the answer to the object, where that is a list, a tuple or a dictionary.
    """

    target: Remote | None
    path: str
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    items: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Gradients:
    """Of <model(x), cotangent>: the output, the gradient at the input, and the parameters' gradients (None: none)."""

    output: torch.Tensor
    input: torch.Tensor | None
    parameters: dict[str, torch.Tensor | None]


class Path:
    """A name in the student's module, or an attribute of an object: call it, or go on with ``.attribute``."""

    def __init__(self, session: Requests, target: Remote | None, path: str, written: str) -> None:
        self._session, self._target, self._path, self._written = session, target, path, written

    def __str__(self) -> str:
        return self._written

    def __getattr__(self, name: str) -> Path:
        if name.startswith(_PYTHON):
            raise AttributeError(name)
        return Path(self._session, self._target, f"{self._path}.{name}", f"{self._written}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call(self, *args, **kwargs).result

    def value(self) -> Any:
        """The attribute itself: data, or a `Remote`."""
        return self._session.request(
            "get",
            self._written,
            lambda answer: localise(self._session, answer, self._written, Origin(self._target, self._path)),
            target=self._target,
            path=self._path,
        )


@dataclass(frozen=True)
class Called:
    """A call's result, and the positions of the tensor arguments it changed in place."""

    result: Any
    mutated: list[int]


def call(
    path: Path,
    *args: Any,
    seed: int | None = None,
    grad: bool = False,
    device: str | None = None,
    draws: int | None = None,
    stop_after: int | None = None,
    backwards: bool = False,
    channels_last: bool = False,
    meanwhile: Callable[[], None] | None = None,
    **kwargs: Any,
) -> Called:
    """Call ``path`` in the worker, without gradients unless ``grad``; ``seed`` seeds torch there first.

    Args:
        device: where tensors are made that are not said to be elsewhere; "meta" for shapes without numbers.
        draws: how many numbers of a large tensor are drawn, and repeated; with 0 what torch's layers draw is left as it
            was in memory (`grader.worker.shapes.drawn`).
        stop_after: how many changes of files it can make before it is ended: every further one raises `Interrupted`,
            which is a KeyboardInterrupt.
        backwards: folders list their entries the other way round, as another file system might.
        channels_last: images (N, C, H, W) among the arguments are in this memory format: convolutions are faster in it.
        meanwhile: called here while the worker is at work.
    """
    written = _written(path, args, kwargs)
    origin = Origin(path._target, path._path, args, kwargs)

    def read(answer: Any) -> Called:
        return Called(
            localise(path._session, answer["result"], written, origin),
            [operator.index(index) for index in answer["mutated"]],
        )

    return path._session.request(
        "call",
        written,
        read,
        meanwhile,
        target=path._target,
        path=path._path,
        args=args,
        kwargs=kwargs,
        seed=seed,
        grad=grad,
        **{
            key: value
            for key, value in (("device", device), ("draws", draws), ("stop_after", stop_after))
            if value is not None
        },
        **{key: True for key, value in (("backwards", backwards), ("channels_last", channels_last)) if value},
    )


def call_soon(path: Path, *args: Any, **kwargs: Any) -> None:
    """Call ``path`` in the worker for what that changes there, and go on; what it raises, the next request raises."""
    path._session.soon(
        "call",
        _written(path, args, kwargs),
        target=path._target,
        path=path._path,
        args=args,
        kwargs=kwargs,
        seed=None,
        grad=False,
    )


def _written(path: Path, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"{path._written}({_arguments(args, kwargs)})"


class Remote:
    """An object in the worker. Calling it, and calling its methods, works as on the object itself."""

    def __init__(self, session: Requests, handle: Handle, written: str, origin: Origin | None = None) -> None:
        self._session, self._grader_handle, self._written, self._grader_origin = session, handle, written, origin

    def __str__(self) -> str:
        return self._written

    def __getattr__(self, name: str) -> Path:
        if name.startswith(_PYTHON):
            raise AttributeError(name)
        return Path(self._session, self, name, f"{self._written}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.called(*args, **kwargs).result

    def called(self, *args: Any, **kwargs: Any) -> Called:
        """Like calling it, with what `Called` tells beside the result, and with the options of `call`."""
        return call(Path(self._session, self, "", self._written), *args, **kwargs)

    @property
    def is_module(self) -> bool:
        """Whether it is an nn.Module."""
        return self._grader_handle.module

    @property
    def type(self) -> str:
        """Its class's name."""
        return self._grader_handle.type

    def parameters(self) -> list[Parameter]:
        """The parameters of an nn.Module, in its order."""
        return self._ask("state", _read_parameters)

    def layers(self) -> list[Layer]:
        """The modules of an nn.Module, itself included, in the order of ``named_modules``."""
        return self._ask(
            "layers",
            lambda answer: [
                Layer(str(name), str(kind), _hyper_parameters(hyper), tuple(map(operator.index, lines)))
                for name, kind, hyper, lines in answer
            ],
        )

    def buffers(self) -> list[Parameter]:
        """The buffers of an nn.Module that its state_dict holds (running statistics and the like), in its order."""
        return self._ask("state", _read_buffers)

    def state(self) -> tuple[list[Parameter], list[Parameter]]:
        """`parameters` and `buffers`, in one request."""
        return self._ask("state", lambda answer: (_read_parameters(answer), _read_buffers(answer)))

    def aliases(self) -> dict[str, str]:
        """Names under which a parameter is in the state_dict once more, each with its first one."""
        return self._ask("state", lambda answer: {str(alias): str(name) for alias, name in answer["aliases"]})

    def kept(self) -> tuple[list[str], dict[str, torch.Tensor]] | None:
        """The names of its buffers, and their numbers by name; None where its ``state_dict()`` is no dictionary."""
        self.need_module()

        def read(answer: Any) -> tuple[list[str], dict[str, torch.Tensor]] | None:
            if answer["values"] is None:
                return None
            aliases = {str(alias) for alias, _ in answer["aliases"]}
            names = [entry.name for entry in _read_buffers(answer) if entry.name not in aliases]
            return names, {str(name): _tensor(value) for name, value in answer["values"].items()}

        return self._session.request("state", f"{self._written}.state_dict()", read, target=self, values=True)

    def _ask(self, kind: str, read: Callable[[Any], Answer]) -> Answer:
        self.need_module()
        return self._session.request(kind, self._written, read, target=self)

    def trace(
        self, x: torch.Tensor, outputs: bool = False, inputs: bool = False, seed: int | None = None
    ) -> tuple[list[Step], str]:
        """`grader.tracing.trace`: what each of its modules did; the second part is the error that stopped it, or ""."""
        self.need_module()
        written = f"{self._written}({expression(x)})"

        def read(answer: Any) -> tuple[list[Step], str]:
            steps = [
                Step(
                    str(name),
                    str(kind),
                    given and _shape(given),
                    shape and _shape(shape),
                    _tensor_or_none(output),
                    _tensor_or_none(x),
                    bool(leaf),
                    bool(training),
                )
                for name, kind, given, shape, output, x, leaf, training in answer["entries"]
            ]
            return steps, str(answer["error"]["text"]) if answer["error"] else ""

        return self._session.request(
            "trace", written, read, target=self, x=x, outputs=outputs, inputs=inputs, seed=seed
        )

    def gradients(
        self,
        x: torch.Tensor,
        cotangent: torch.Tensor,
        most: int | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Gradients:
        """Run forward on ``x`` and backward from ``cotangent`` (of the output's shape).

        Of a parameter with more than ``most`` numbers only a sample is sent (`grader.tracing.sampled`).
        """
        self.need_module()
        written = gettext("the backward pass of {written}").format(written=self._written)

        def read(answer: Any) -> Gradients:
            parameters = {str(name): _tensor_or_none(value) for name, value in answer["parameters"].items()}
            output = _tensor_or_none(answer["output"])
            if output is None:
                raise ValueError("no output")
            return Gradients(output, _tensor_or_none(answer["input"]), parameters)

        return self._session.request(
            "backward", written, read, meanwhile, target=self, x=x, cotangent=cotangent, most=most
        )

    def load_repeated(self, state: dict[str, torch.Tensor], most: int | None = None) -> None:
        """Fill each entry of the state_dict that ``state`` names with its numbers, again and again, and go on.

        With ``most`` only so many elements of it; the rest is 0. A model built on the meta device is given memory
        first, of which what is 0 takes next to none. See `grader.tracing.repeat_into`. What it raises, the next request
        raises.
        """
        written = gettext("filling the weights of {written}").format(written=self._written)
        self._session.soon("load_repeated", written, target=self, state=state, most=most)

    @contextmanager
    def threads(self, count: int) -> Iterator[None]:
        """Within it torch computes with ``count`` threads in the worker: for much at a time, and nothing beside it."""
        written = gettext("setting the number of threads")
        self._session.request("configure", written, threads=count)
        try:
            yield
        finally:
            self._session.request("configure", written, threads=1)

    def need_module(self) -> None:
        """Raise `CheckFailed` unless it is an nn.Module."""
        if not self.is_module:
            raise CheckFailed(
                gettext("{written} is a {type}; an nn.Module is expected.").format(
                    written=self._written, type=self.type
                ),
                actual=self.type,
            )


class Student:
    """The student's module: ``student.name`` is whatever it defines under that name."""

    def __init__(self, session: Requests) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Path:
        if name.startswith(_PYTHON) or name == "pytestmark":
            raise AttributeError(name)
        return Path(self._session, None, name, name)

    def write_tree(self, name: str, files: dict[str, bytes]) -> None:
        """Make the folder ``name`` in the worker's working directory anew, with small ``files`` by their path in it.

        A path that ends with / is an empty folder. The student's code finds it as ``name``, in a sandbox or without.
        """
        self._session.request("write_tree", gettext("Making {name}").format(name=name), name=name, files=files)

    def read_tree(self, name: str) -> dict[str, str]:
        """What that folder holds, by the path in it: a file's sha256; "folder", "link" or "other" for what is none."""

        def read(answer: Any) -> dict[str, str]:
            return {str(key): str(value) for key, value in answer.items()}

        return self._session.request("read_tree", gettext("Looking into {name}").format(name=name), read, name=name)

    def probe(self, name: str, *args: Any, doing: str = "", **kwargs: Any) -> Any:
        """What `grader.probes.make` gives in the worker: something to give to the student's functions.

        ``doing`` says in the student's terms what goes wrong where it raises.
        """

        def read(answer: Any) -> Any:
            return localise(self._session, answer, name)

        return self._session.request("probe", doing or name, read, name=name, args=args, kwargs=kwargs)

    def once(self, name: str) -> Any:
        """What ``name()`` returns, built once for all checks that ask here: for what holds whatever weights it has.

        Its weights and its mode are what the last check left; a check that needs some gives them to it first. Of large
        tensors only `DRAWN` numbers are drawn.
        """
        kept = self._session.kept
        if name not in kept:
            built = call(getattr(self, name), draws=DRAWN, meanwhile=self._session.aside).result
            if not isinstance(built, Remote):
                return built
            kept[name] = built
        return kept[name]


def release(owner: Student | Path) -> None:
    """Let the worker forget what this check has built so far: for one that builds many large networks."""
    session = owner._session
    session.request("release", gettext("Tidying up"), keep=list(session.kept.values()))


def localise(session: Requests, value: Any, written: str, origin: Origin | None = None) -> Any:
    """Replace handles in an answer by `Remote` objects; without ``origin`` they are made by a check."""
    if isinstance(value, Handle):
        return Remote(session, value, written, origin)

    def part(key: Any) -> Origin | None:
        return None if origin is None else replace(origin, items=(*origin.items, key))

    if isinstance(value, (list, tuple)):
        return type(value)(
            localise(session, item, f"{written}[{index}]", part(index)) for index, item in enumerate(value)
        )
    if isinstance(value, dict):  # its keys may be as long as a message
        return {key: localise(session, item, f"{written}[{key[:_SHOWN]!r}]", part(key)) for key, item in value.items()}
    return value


def _read_parameters(answer: Any) -> list[Parameter]:
    return [
        Parameter(str(name), _shape(shape), str(dtype).removeprefix("torch."), bool(grad))
        for name, shape, dtype, grad in answer["parameters"]
    ]


def _read_buffers(answer: Any) -> list[Parameter]:
    return [
        Parameter(str(name), _shape(shape), str(dtype).removeprefix("torch."), False)
        for name, shape, dtype in answer["buffers"]
    ]


def _hyper_parameters(found: Any) -> dict[str, Any]:
    """As `grader.tracing.hyper_parameters` makes them."""
    for value in found.values():
        numbers = value if isinstance(value, (list, tuple)) else [value]
        if len(numbers) > _MOST_DIMENSIONS or not all(
            isinstance(each, (bool, int, float, str, NoneType)) for each in numbers
        ):
            raise ValueError("a hyper-parameter that no layer has")
    return {str(name): list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _shape(shape: Any) -> tuple[int, ...]:
    found = tuple(operator.index(extent) for extent in shape)
    if len(found) > _MOST_DIMENSIONS or not all(0 <= extent < 1 << 62 for extent in found):
        raise ValueError("a shape that no tensor has")
    return found


def _tensor(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    raise ValueError(f"a {type(value).__name__} where a tensor should be")


def _tensor_or_none(value: Any) -> torch.Tensor | None:
    if value is None or isinstance(value, torch.Tensor):
        return value
    raise ValueError(f"a {type(value).__name__} where a tensor should be")
