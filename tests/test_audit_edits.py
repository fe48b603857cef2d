"""What the audit does to a solution: wrong edits, each with its sentence, and rewrites that change nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from grader.audit.rewrites import REWRITES, rewritten
from grader.audit.run import mutants
from grader.edits.operators import dumped, edits

ROOT = Path(__file__).resolve().parent.parent
VGG = (ROOT / "solutions" / "vgg16" / "vgg16.py").read_text(encoding="utf-8")
MODEL = '''
class Model(nn.Module):
    def __init__(self, widths, bias=True):
        super().__init__()
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(8, 4))
        self.tail = nn.Conv2d(3, widths, 3, padding=1)

    def forward(self, x):
        """Logits."""
        if x.dim() == 3:
            x = x[None]
        x = self.tail(x)
        return self.head(x)
'''


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("padding=1 became padding=0 in line 6", "padding=0)"),
        ("in_channels=3 became in_channels=4 in line 6", "Conv2d(4,"),
        ("kernel_size=3 became kernel_size=5 in line 6", "widths, 5,"),
        ("bias=True left out in line 3", None),
        ("padding=1 left out in line 6", "nn.Conv2d(3, widths, 3)"),
        ("True became False in line 3", "bias=False"),
        ("bias lost its default value in line 3", "widths, bias)"),
        ("nn.Dropout() left out in line 5", "nn.Sequential(nn.Linear(8, 4))"),
        ("nn.Dropout() is there twice in line 5", "nn.Dropout(), nn.Dropout(), nn"),
        ("nn.Dropout() and nn.Linear(8, 4) are the other way round in line 5", "nn.Linear(8, 4), nn.Dropout())"),
        ("8 and 4 are the other way round in line 5", "Linear(4, 8)"),
        ("Dropout became Identity in line 5", "nn.Identity()"),
        ("Linear is not trained in line 5", "nn.Linear(8, 4).requires_grad_(False)"),
        ("Sequential became a list in line 5", "self.head = [nn.Dropout(), nn.Linear(8, 4)]"),
        ("Conv2d has bias=False in line 6", "padding=1, bias=False)"),
        ("Dropout has p=0.2 in line 5", "nn.Dropout(p=0.2)"),
        ("super().__init__() left out in line 4", "        pass\n        self.head"),
        ("the condition x.dim() == 3 became not (x.dim() == 3) in line 10", "if not (x.dim() == 3):"),
        ("x.dim() == 3 has != instead of == in line 10", "x.dim() != 3"),
        ("x = self.tail(x) left out in line 12", "pass\n        return"),
        ("x = self.tail(x) is there twice in line 12", "x = self.tail(x)\n        x = self.tail(x)"),
        ("the call of self.head left out in line 13", "return x\n"),
        ("self.head is called twice in line 13", "self.head(self.head(x))"),
        ("self.head became self.tail in line 13", "return self.tail(x)"),
        ("return self.tail(x), too early, in line 12", "return self.tail(x)\n        return"),
        (".softmax(1) after the result in line 13", "(self.head(x)).softmax(1)"),
        ("x = x.relu_() before line 10", "x = x.relu_()\n        if"),
        ("no_grad above line 8", "@torch.no_grad()\n    def forward"),
    ],
)
def test_an_edit_and_its_sentence(what: str, left: str | None) -> None:
    found = [edit.apply(MODEL) for edit in edits(MODEL) if edit.what == what]
    assert len(found) == (left is not None), [edit.what for edit in edits(MODEL)]
    assert left is None or left in found[0]


def test_edits_are_distinct_programs_that_differ_from_the_source() -> None:
    texts = [edit.apply(VGG) for edit in edits(VGG)]
    trees = {dumped(text) for text in texts}
    assert len(trees) == len(texts) > 300
    assert not trees & {None, dumped(VGG)}


@pytest.mark.parametrize(
    "what", ["padding=1 became padding=0", "nn.Dropout() and nn.Linear(8, 4)", "True became False"]
)
def test_some_edits_of_a_mistake_lead_back(what: str) -> None:
    wrong = next(edit.apply(MODEL) for edit in edits(MODEL) if edit.what.startswith(what))
    assert dumped(MODEL) in {dumped(edit.apply(wrong)) for edit in edits(wrong)}


def test_pairs_come_after_single_edits_and_follow_from_the_seed() -> None:
    one, again, other = (mutants(MODEL, seed, 400) for seed in (1, 1, 2))
    assert one == again != other
    assert len(one) == 400
    single = len(edits(MODEL))
    assert [";" in case.what for case in one] == [False] * single + [True] * (400 - single)


def test_text_that_is_not_ascii_is_edited_in_the_right_place() -> None:
    source = '글 = "가나다"; pool = nn.MaxPool2d(2)  # 풀링\n'
    assert '글 = "가나다"; pool = nn.MaxPool2d(3)  # 풀링\n' in {edit.apply(source) for edit in edits(source)}


SMALL = '''"""Told."""
def total(numbers, start=8):
    result = start
    for number in numbers:
        if number < 0:
            continue
        result = result + number
    for place in range(3):
        result = result + place
    return result if result else -result


def twice(numbers):
    return total(numbers, 10)
'''


def test_rewrites_change_the_text_and_not_what_it_computes() -> None:
    found = rewritten(SMALL, 40, 0)
    assert len(found) > 20
    for each in found:
        names: dict[str, object] = {}
        exec(each.text, names)
        assert names["total"]([1, -2, 5]) == 17  # type: ignore[operator]
        assert names["twice"]([]) == 13, each.what  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (
            "keyword arguments",
            "nn.Conv2d(3, v, 3, padding=1)",
            "in_channels=3, out_channels=v, kernel_size=3, padding=1",
        ),
        ("positional arguments", "nn.Linear(8, out_features=4)", "nn.Linear(8, 4)"),
        ("loops unrolled", "for i in [5, 'M']:\n    f(i)", "i = 5\nf(i)\ni = 'M'\nf(i)"),
        ("OrderedDict", "nn.Sequential(a, b)", "OrderedDict([('0', a), ('1', b)])"),
        ("nested Sequential", "nn.Sequential(a, b, c)", "nn.Sequential(*nn.Sequential(a, b), c)"),
        ("view", "y = torch.flatten(x, 1)", "y = x.view(x.size(0), -1)"),
        ("own ReLU", "nn.ReLU(inplace=True)", "OwnReLU(inplace=True)"),
        ("pairs of numbers", "nn.MaxPool2d(2, stride=2)", "nn.MaxPool2d((2, 2), stride=(2, 2))"),
        ("nothing in place", "nn.ReLU(inplace=True)", "nn.ReLU()"),
        ("super with arguments", "class A:\n    def f(self):\n        super().f()", "super(A, self).f()"),
        ("full names", "nn.ReLU()", "torch.nn.ReLU()"),
        ("conditions turned round", "x = 1 if a else 2", "x = 2 if not a else 1"),
    ],
)
def test_a_rewrite(name: str, before: str, after: str) -> None:
    tree = ast.parse(before)
    assert REWRITES[name](tree)
    assert after in ast.unparse(ast.fix_missing_locations(tree))


def test_a_rewrite_says_where_there_is_nothing_to_rewrite() -> None:
    assert not any(rewrite(ast.parse("pass")) for name, rewrite in REWRITES.items() if name not in ALWAYS)


ALWAYS = ("other format", "dead code")
