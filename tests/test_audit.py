"""The audit: an oracle that does without the checks, and the command on a tiny course."""

from __future__ import annotations

import json
from pathlib import Path

import course
import msgspec
import pytest
import torch
from torch import nn

from grader import assignment
from grader.assignment import AssignmentError
from grader.audit import bank, oracle, report
from grader.audit.observe import Drawn, behaviour, fill, noise, same
from grader.audit.oracle import Oracle
from grader.audit.report import Audit
from grader.audit.run import Case, Verdict, cases, examine
from grader.audit.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
INTERFACE = """
def observe(module):
    for number in (0, 1, 7, 1.5):
        yield f"double({number})", module.double(number)
        yield f"triple({number})", module.triple(number)
"""
MISTAKE = '''"""I added two.

Caught by: double
"""
def double(x):
    return x + 2


def triple(x):
    return 3 * x
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The course of `course`, with a bank and an interface.py."""
    secret = course.make(tmp_path / "course") / "solutions" / "multiples"
    (secret / "interface.py").write_text(INTERFACE)
    for folder in ("mistakes", "variants"):
        (secret / folder).mkdir()
    (secret / "mistakes" / "adds.py").write_text(MISTAKE)
    (secret / "mistakes" / "topics.toml").write_text('double = ["double", "double_float"]\n')
    (secret / "variants" / "sums.py").write_text(course.RIGHT)
    return tmp_path / "course"


def test_the_oracle_names_what_differs() -> None:
    known = Oracle("def f(x): return 2 * x", lambda module: [("f(1)", module.f(1)), ("f(2)", module.f(2))])
    assert known.difference("def f(x): return x + x") == ""
    assert known.difference("def f(x): return x ** 2 + 1") == "f(2)"
    assert known.difference("def f(x): return g(x)") == "raises NameError"
    assert known.difference("raise SystemExit") == "raises SystemExit"
    assert known.difference("print('noise')\ndef f(x): return 2 * x") == ""


def test_a_loop_without_end_is_a_difference() -> None:
    known = Oracle("def f(x): return x", lambda module: [("f(1)", module.f(1))], seconds=0.3)
    assert known.difference("def f(x):\n    while True: pass") == "takes too long"


def test_a_solution_that_cannot_be_observed_is_said() -> None:
    with pytest.raises(
        AssignmentError, match=r"The solution cannot be observed by its interface\.py: raises NameError"
    ):
        Oracle("def f(x): return g(x)", lambda module: [("f(1)", module.f(1))])


def test_numbers_drawn_from_one_distribution_agree() -> None:
    normal, again = noise(5000, seed=1), noise(5000, seed=2)
    assert same(Drawn(normal), Drawn(again))
    assert not same(Drawn(normal), Drawn(1.4 * again))
    assert not same(Drawn(normal), Drawn(again + 0.2))
    assert not same(normal, again)


def net(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *layers)


@pytest.mark.parametrize(
    ("layers", "differs"),
    [
        ([nn.BatchNorm2d(4), nn.ReLU(inplace=True)], None),
        ([nn.BatchNorm2d(4, eps=1.1e-5), nn.ReLU()], "output on (2, 3, 5, 5)"),
        ([nn.BatchNorm2d(4, momentum=0.2), nn.ReLU()], "1.running_mean after a run in train mode"),
        ([nn.BatchNorm2d(4, affine=False), nn.ReLU()], "state_dict"),
        ([nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout()], "output in train mode"),
    ],
)
def test_behaviour_tells_models_apart(layers: list[nn.Module], differs: str | None) -> None:
    images = noise(2, 3, 5, 5)
    known = list(behaviour(net(nn.BatchNorm2d(4), nn.ReLU()), images))
    found = list(behaviour(net(*layers), images))
    assert next((one[0] for one, other in zip(known, found, strict=False) if not same(one, other)), None) == differs


def test_weights_follow_from_the_keys() -> None:
    one, other = fill(nn.Linear(3, 4)), fill(nn.Linear(3, 4))
    assert torch.equal(one.weight, other.weight)
    assert not torch.equal(fill(nn.Sequential(nn.Linear(3, 4)))[0].weight, one.weight)  # another key


def test_cases_follow_from_the_seed(root: Path) -> None:
    chosen = assignment.load("multiples", root)
    assert cases(chosen, 1, 3) == cases(chosen, 1, 3) != cases(chosen, 2, 3)
    everything = cases(chosen, 0, None)
    assert [case.name for case in everything[:2]] == ["sums", "adds"]
    assert everything[1].what == "I added two."
    assert everything[1].caught_by == ["double", "double_float"]


def test_a_mistake_without_a_known_topic_is_said(root: Path) -> None:
    path = root / "solutions" / "multiples" / "mistakes" / "adds.py"
    path.write_text(MISTAKE.replace("Caught by: double", "Caught by: nobody"))
    with pytest.raises(AssignmentError, match=r"adds.py: its header needs one line .Caught by: .*with one of double"):
        bank.catchers(path)


@pytest.mark.parametrize("name", assignment.names(ROOT))
def test_each_mistake_of_the_shipped_banks_names_a_topic(name: str) -> None:
    for path in bank.files(assignment.load(name, ROOT), "mistakes"):
        assert bank.catchers(path), path.name


def test_verdicts_that_are_false(root: Path) -> None:
    """A check that looks at too little, and one that looks at what does not matter."""
    hidden = root / "solutions" / "multiples" / "checks" / "test_hidden.py"
    hidden.write_text(
        "from grader.checks import CheckFailed, check\n\n\n@check(points=6, requires=['double'])\n"
        "def test_triple(student, context):\n    'triple of 0 is 0'\n"
        "    if student.triple(0) or b'total' in context.source:\n        raise CheckFailed('No.')\n"
    )
    chosen = assignment.load("multiples", root)
    source = course.SOLUTION
    accepted = examine(chosen, Case("mutant", "m", "", source.replace("3 * x", "4 * x").encode()), True)
    assert (accepted.right, accepted.accepted, accepted.difference) == (False, True, "triple(1)")
    assert accepted.false_accept
    assert "+    return 4 * x" in accepted.diff
    rejected = examine(chosen, Case("rewrite", "r", "", (source + "total = 0\n").encode()), True)
    assert rejected.false_reject
    assert rejected.caught == {"triple": "failed"}
    # `triple` waits for `double`, and is run all the same.
    both = examine(chosen, Case("mutant", "b", "", source.replace("2 * x", "3 * x + total").encode()), True)
    assert list(both.caught) == ["double", "double_float", "triple"]
    first = examine(chosen, Case("mutant", "b", "", source.replace("2 * x", "3 * x + total").encode()), False)
    assert len(first.caught) == 1
    assert both.told == ["double", "double_float"]
    not_python = examine(chosen, Case("mistake", "s", "", b"def double(x:\n"), True)
    assert (not_python.caught, not_python.false_accept) == ({"(import)": "error"}, False)


def test_the_checks_that_promise_most_come_first(root: Path) -> None:
    """What has caught much in little time; the order in which they stand says nothing then."""
    source = course.SOLUTION.replace("3 * x", "4 * x").encode()
    chosen = assignment.load("multiples", root)
    for number in range(8):
        found = examine(chosen, Case("mutant", str(number), "", source), False)
        assert list(found.caught) == ["triple"]
    assert Warm.of(chosen).promising()[0] == "triple"
    assert Warm.of(chosen).tried["double"].runs < 8


def test_the_command(root: Path) -> None:
    page = root / "audit.html"
    done = course.run(root, "audit", "--limit", 2, "--jobs", 1, "--json", root / "audit.json", "--html", page)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("multiples: 0 false accepts, 0 false rejects\n  Variants: 1\n  Mistakes: 1\n")
    assert "<h2>multiples: Multiples</h2>" in page.read_text()
    found = msgspec.json.decode((root / "audit.json").read_bytes(), type=Audit)
    assert found.checks == ["double", "double_float", "triple"]
    assert len(found.verdicts) == 6
    document = json.loads((root / "audit.json").read_text())
    assert (document["seed"], document["false_accepts"], document["catches"][0]["check"]) == (0, [], "double")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "mutants"], "There is no kind 'mutants'"),
        (["multiple"], "There is no assignment 'multiple'"),
        (["--html", "nowhere/audit.html"], "Give --html the name of a file"),
        ([], "has an interface.py, so none can be audited"),
    ],
)
def test_what_cannot_be_audited_is_said(root: Path, arguments: list[str], sentence: str) -> None:
    if not arguments:
        (root / "solutions" / "multiples" / "interface.py").unlink()
    done = course.run(root, "audit", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert sentence in done.stderr


def verdict(name: str, right: bool, *caught: str, blocked: tuple[str, ...] = ()) -> Verdict:
    return Verdict(
        "mutant",
        name,
        "0 became 1",
        "number",
        [],
        right,
        accepted=not caught,
        caught=dict.fromkeys([*caught, *blocked], "failed"),
        told=list(caught),
    )


def test_which_check_caught_what() -> None:
    found = Audit(
        "add",
        "Add",
        0,
        None,
        True,
        ["a", "b", "c", "d"],
        [
            verdict("1", False, "a", "b"),
            verdict("2", False, "a", "b", "c"),
            verdict("3", False, "c"),
            verdict("4", True),
            verdict("5", False, "d", blocked=("c",)),
        ],
    )
    assert [(each.check, each.caught, each.first, each.alone) for each in found.catches()] == [
        ("a", 2, 2, 0),
        ("b", 2, 0, 0),
        ("c", 3, 1, 1),
        ("d", 1, 1, 1),
    ]
    assert found.never_alone() == ["a", "b"]
    assert found.together() == [["a", "b"]]
    shown = report.text(found)
    assert "Always together: a, b" in shown
    assert "Never alone: a, b" in shown
    assert "Mutants: 5, of which 4 compute something else and 1 the same" in shown


def test_what_is_false_is_shown() -> None:
    found = Audit("add", "Add", 0, None, False, ["a"], [verdict("1", False), verdict("2", True, "a")])
    shown = report.text(found)
    assert shown.startswith("add: 1 false accept, 1 false reject\n")
    assert "mutant 1: 0 became 1\n    full points" in shown
    assert "it is right, but loses points: a (failed)" in shown
    assert not found.is_clean
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", assignment.names(Path(__file__).resolve().parent.parent))
def test_shipped_assignments_have_an_interface(name: str) -> None:
    """It is observed in the audit itself; here it is enough that it can be read."""
    chosen = assignment.load(name, Path(__file__).resolve().parent.parent)
    assert chosen.secret is not None
    assert (chosen.secret / "interface.py").is_file()
    assert {check for checks in bank.topics(chosen.secret / "mistakes").values() for check in checks}
    hidden = assignment.Assignment(chosen.name, chosen.settings, chosen.folder, None)
    with pytest.raises(AssignmentError, match=r"has no solutions/\w+/interface.py"):
        oracle.load(hidden)
