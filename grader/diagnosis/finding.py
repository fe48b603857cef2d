"""What a diagnosis found, and how much of it a student is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Bluntness = Literal["none", "area", "line", "full"]


@dataclass(frozen=True)
class Finding:
    """Where a student's model differs from the reference, and in what.

    Attributes:
        module: the dotted name of the module in the student's model; "" for the model itself.
        type: its class, or the function that was called.
        what: the hyper-parameter, or one of the words of `WHATS`.
        said: the whole of it as a sentence, with the numbers of the reference.
        lines: of the student's file, outermost first; empty where they are not known.
        shapes: (module, the student's shape, the reference's), up to the first that differs.
        confident: one change of this explains everything that was seen, as far as it could be compared.
        mended: an edit of the student's source under which the check passes; its sentence, its line.
        values: the hyper-parameters that are wrong: name, what is there, what is expected.
        maker: the function or class of the student's that the model comes from.
    """

    module: str
    type: str
    what: str
    said: str
    lines: tuple[int, ...] = ()
    shapes: tuple[tuple[str, str, str], ...] = ()
    confident: bool = True
    mended: tuple[str, int] | None = None
    maker: str = ""
    values: tuple[tuple[str, Any, Any], ...] = ()


# What beside a hyper-parameter can be wrong, said of a module without any number of the reference.
WHATS = {
    "type": "it is of another kind than it should be",
    "missing": "something is missing in it",
    "extra": "it is not asked for here, or not so often",
    "order": "the order is not right",
    "forward": "its parts are right by themselves; look at what forward does with them",
    "shared": "it is used in several places, which then share their weights",
    "mode": "it does not follow train() and eval()",
    "requires_grad": "it is not trained",
    "gradient": "the gradient ends here",
    "state": "it does not do the same when it is called again",
    "loading": "the weights that are loaded do not arrive",
    "name": "its name is not the handout's",
    "signature": "its parameters are not the handout's",
    "output": "its output is not right",
    "edit": "one change there makes the check pass",
    "": "it does something else than it should",
}


def place(finding: Finding) -> str:
    """The module as a student knows it.

    >>> place(Finding("layer.0", "Conv2d", "padding", "", maker="Block")), place(Finding("", "VGG", "forward", ""))
    ('layer.0 (Conv2d) of Block', 'VGG')
    """
    if not finding.module:
        return finding.maker or finding.type
    kind = f" ({finding.type})" if finding.type else ""
    return f"{finding.module}{kind} of {finding.maker}" if finding.maker else f"{finding.module}{kind}"


def tell(finding: Finding, bluntness: Bluntness) -> str:
    """What the student reads: below "full" no number of the reference, and no edit that would be one.

    "area" names the module, "line" also what of it and in which line, "full" everything.

    >>> found = Finding("layer1.0", "Conv2d", "padding", "its padding is 5; 3 is expected.", (42,))
    >>> tell(found, "area"), tell(found, "line")
    ('layer1.0 (Conv2d).', 'the padding of layer1.0 (Conv2d), made in line 42.')
    >>> tell(found, "full")
    'layer1.0 (Conv2d): its padding is 5; 3 is expected. It is made in line 42.'
    """
    if bluntness == "none":
        return ""
    where = place(finding) if finding.confident else f"perhaps {place(finding)}"
    inside = finding.what in ("forward", "gradient")
    if bluntness == "area":
        return f"{where}{', in forward' * inside}."
    line = finding.mended[1] if finding.mended else finding.lines[-1] if finding.lines else 0
    if bluntness == "line":
        if finding.what in WHATS:
            return f"{where}{f', line {line}' if line else ''}: {WHATS[finding.what]}."
        perhaps = "" if finding.confident else "perhaps "
        made = "" if not line else f", line {line}" if finding.mended else f", made in line {line}"
        return f"{perhaps}the {finding.what} of {place(finding)}{made}."
    parts = [f"{where}: {finding.said}"]
    if finding.mended:
        parts.append(f"With this one change the check passes: {finding.mended[0]}.")
    elif line:
        parts.append(f"It is made in line {line}.")
    rows = [("module", "yours", "expected"), *finding.shapes] if finding.shapes else []
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([" ".join(parts), *table])
