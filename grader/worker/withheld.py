"""Stands for torchvision.models in a worker: networks that students are asked to write are not there to be taken.

Importing it, or names from it, works as ever, so that a forgotten import costs no more than the rule about it. Using
one of them raises. Outside a sandbox this is a reminder, not a wall: there the files can still be read.

An assignment can withhold more, by name: `withhold`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

NAME = "torchvision.models"


class _Name:
    """Whatever can be named in a withheld module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(f"{self._name}.{name}")

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"{self._name} cannot be used here: writing the network is your task.")

    def __mro_entries__(self, _: object) -> NoReturn:
        self()


class _Module(ModuleType):
    def __getattr__(self, name: str) -> _Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(f"{self.__name__}.{name}")


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname == NAME or fullname.startswith(f"{NAME}."):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def install() -> None:
    """From here on, whoever imports torchvision.models in this process gets the stand-in."""
    sys.meta_path.insert(0, _Finder())


def withhold(names: Iterable[str]) -> None:
    """From here on, calling what one of the dotted ``names`` stands for raises in this process, under whatever alias.

    Of a class and all that is derived from it no instance can be made. Those of packages whose names begin alike stay:
    torchvision's transforms are modules of torch's, too.

    Raises:
        ImportError, AttributeError: there is nothing of that name.
    """
    for name in names:
        owner, _, attribute = name.rpartition(".")
        module = importlib.import_module(owner)
        found = getattr(module, attribute)
        if isinstance(found, type):
            _withhold_class(found, name)
        else:
            setattr(module, attribute, _refusing(name))


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"{name} cannot be used here: this assignment is to be written without.")

    return refuse


def _withhold_class(found: Any, name: str) -> None:
    package = name.split(".")[0]

    def new(kind: type, *_: object, **__: object) -> object:
        home = kind.__module__.split(".")[0]
        if home == package or not home.startswith(package):
            _refusing(name if kind is found else f"{kind.__name__}, a {name},")()
        return object.__new__(kind)

    found.__new__ = staticmethod(new)
