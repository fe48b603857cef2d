"""What a diagnosis found, and how much of it a student is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len, set_cell_size

from grader.language import gettext, later

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
    "type": later("it is of another kind than it should be"),
    "missing": later("something is missing in it"),
    "extra": later("it is not asked for here, or not so often"),
    "order": later("the order is not right"),
    "forward": later("its parts are right by themselves; look at what forward does with them"),
    "shared": later("it is used in several places, which then share their weights"),
    "mode": later("it does not follow train() and eval()"),
    "requires_grad": later("it is not trained"),
    "gradient": later("the gradient ends here"),
    "state": later("it does not do the same when it is called again"),
    "loading": later("the weights that are loaded do not arrive"),
    "name": later("its name is not the handout's"),
    "signature": later("its parameters are not the handout's"),
    "output": later("its output is not right"),
    "edit": later("one change there makes the check pass"),
    "": later("it does something else than it should"),
}


def place(finding: Finding) -> str:
    """The module as a student knows it.

    >>> place(Finding("layer.0", "Conv2d", "padding", "", maker="Block")), place(Finding("", "VGG", "forward", ""))
    ('layer.0 (Conv2d) of Block', 'VGG')
    """
    if not finding.module:
        return finding.maker or finding.type
    module = f"{finding.module} ({finding.type})" if finding.type else finding.module
    return gettext("{module} of {maker}").format(module=module, maker=finding.maker) if finding.maker else module


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
    where = place(finding) if finding.confident else gettext("perhaps {place}").format(place=place(finding))
    inside = finding.what in ("forward", "gradient")
    if bluntness == "area":
        return gettext("{place}, in forward.").format(place=where) if inside else f"{where}."
    line = finding.mended[1] if finding.mended else finding.lines[-1] if finding.lines else 0
    if bluntness == "line":
        if finding.what in WHATS:
            at = gettext("{place}, line {line}").format(place=where, line=line) if line else where
            return f"{at}: {gettext(WHATS[finding.what])}."
        if not line:
            said = gettext("the {what} of {place}")
        elif finding.mended:
            said = gettext("the {what} of {place}, line {line}")
        else:
            said = gettext("the {what} of {place}, made in line {line}")
        said = said.format(what=finding.what, place=place(finding), line=line)
        return f"{said if finding.confident else gettext('perhaps {place}').format(place=said)}."
    parts = [f"{where}: {finding.said}"]
    if finding.mended:
        parts.append(gettext("With this one change the check passes: {change}.").format(change=finding.mended[0]))
    elif line:
        parts.append(gettext("It is made in line {line}.").format(line=line))
    heads = (gettext("module"), gettext("yours"), gettext("expected"))
    rows = [heads, *finding.shapes] if finding.shapes else []
    widths = [max(cell_len(row[column]) for row in rows) for column in range(3)] if rows else []
    table = [
        "  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([" ".join(parts), *table])
