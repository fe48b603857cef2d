"""What the reference answers is remembered from one submission to the next, and is what it would answer anew."""

import shutil
from pathlib import Path

import pytest
import torch
from bank import ROOT
from torch import nn

from grader import assignment
from grader.assignment import AssignmentError
from grader.checks.answers import Answers, Known
from grader.checks.weights import calibrate
from grader.datasets import Dataset
from grader.judge.context import Context, Kept
from grader.judge.grade import grade
from grader.judge.workers import Workers
from grader.submission import Submission


class Counting(nn.Sequential):
    """A network that counts its runs."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 2))
        self.runs = 0

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return super().forward(input)


def made() -> Counting:
    model = Counting()
    calibrate(model, noise(4, salt=9), seed=1)
    model.runs = 0
    return model


def noise(count: int = 2, salt: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 5, 5, generator=torch.Generator().manual_seed(salt))


def asked(answers: Answers) -> list[torch.Tensor]:
    """Both modes, in and out of order, gradients, and the statistics they leave."""
    found = [answers.output(noise()), answers.output(noise(), True), answers.output(noise())]
    found += [answers.output(noise(3, 1), True), answers.output(noise())]
    for training in (True, False):
        gradient = answers.gradient(noise(2, 2), training)
        gradient.finish()
        found += [gradient.output, gradient.cotangent, gradient.input]
        found += [each.sample for each in gradient.parameters.values() if each.sample is not None]
    return [*found, *(each.clone() for each in answers.module().buffers())]


def test_remembered_answers_are_those_of_the_network() -> None:
    wanted = asked(Answers(made()))
    known, model = Known(), made()
    first = asked(known.of("it", lambda: model))
    runs = model.runs
    again = asked(known.of("it", made))
    assert len(wanted) == len(first) == len(again)
    for one, two, three in zip(wanted, first, again, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
    assert model.runs == runs == 7


def test_what_is_asked_after_something_remembered_has_its_statistics() -> None:
    known, plain = Known(), Answers(made())
    known.of("it", made).output(noise(), True)
    answers = known.of("it", made)
    for each in (answers, plain):
        each.output(noise(), True)  # remembered by one of them
    assert torch.equal(answers.output(noise(3, 4)), plain.output(noise(3, 4)))


def test_the_module_may_be_run_by_others() -> None:
    known, plain = Known(), Answers(made())
    answers = known.of("it", made)
    answers.module(True)(noise(3, 5))
    assert torch.equal(answers.output(noise()), plain.output(noise()))
    answers.output(noise(), True)
    plain.output(noise(), True)
    answers.module(True)(noise(3, 5))
    assert torch.equal(answers.output(noise(3, 4)), plain.output(noise(3, 4)))


def test_a_run_that_stops_half_way_changes_no_answer() -> None:
    known, plain = Known(), Answers(made())
    answers = known.of("it", made)
    with pytest.raises(RuntimeError):
        answers.output(torch.ones(2, 3, 6, 6), True)  # too large for the last layer: batch norm has run by then
    assert torch.equal(answers.output(noise()), plain.output(noise()))


def test_the_oldest_are_forgotten() -> None:
    size = Answers(made(), keep=True).size
    known = Known(most=3 * size)
    for number in range(5):
        known.of(number, made)
    assert len(known) == 3
    one = known.of(4, made)
    assert known.of(4, made) is one


def test_a_damaged_checkpoint_is_said_by_the_check_that_needs_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "assignments" / "cnn_basics", tmp_path / "assignments" / "cnn_basics")
    chosen = assignment.load("cnn_basics", tmp_path)
    assert chosen.checkpoint_path is not None
    chosen.checkpoint_path.write_bytes(b"no tensors")
    for kept in (None, Kept(chosen)):
        context = Context(chosen, Submission(Path("x.py"), {"x.py": b""}), no_data, seed=1, kept=kept)
        context.prepare()  # beside the worker: nothing is said yet
        with pytest.raises(AssignmentError, match="cannot be read"):
            _ = context.weights


def test_answers_are_worked_out_anew_when_others_have_changed_the_weights() -> None:
    """A part of a network that is kept, and the whole of it trained for another check."""
    chosen = assignment.load("cnn_basics", ROOT)
    kept = Kept(chosen)
    context = Context(chosen, Submission(Path("x.py"), {"x.py": b""}), no_data, seed=1, kept=kept)
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(1))

    def answer() -> torch.Tensor:
        return context.known("it", make=lambda: calibrate(context.built_reference("LeNet5"), x, 1)).output(x)

    before = answer()
    trained = context.trained_reference("LeNet5")
    with torch.no_grad():
        assert not torch.equal(trained(x), before)
    assert torch.equal(answer(), before)
    known = context.known("it", make=lambda: nn.Linear(1, 1))  # it is there
    assert torch.equal(known.output(x), before)
    with torch.no_grad():
        torch.testing.assert_close(known.module(False)(x), before)


def no_data() -> Dataset:
    raise AssertionError("weights need no data")


@pytest.mark.parametrize("name", ["resnet50", "vgg16"])
def test_a_submission_is_judged_the_same_after_others(name: str) -> None:
    chosen = assignment.load(name, ROOT)
    checks = {
        "resnet50": ["block_function", "layer1_function", "resnet50_function"],
        "vgg16": ["make_layers_function", "make_layers_gradient", "vgg_function", "vgg_training"],
    }[name]
    folder = ROOT / "solutions" / name
    wrong = {"resnet50": "stem_no_relu", "vgg16": "relu_missing"}[name]
    files = [folder / f"{name}.py", *sorted(folder.glob(f"mistakes/{wrong}.py")), folder / f"{name}.py"]
    assert len(files) == 3
    kept = Kept(chosen)
    with Workers() as workers:

        def told(path: Path, **options: Kept) -> list[tuple[str, float, str, str]]:
            submission = Submission(path, {chosen.settings.files[0]: path.read_bytes()})
            result = grade(chosen, submission, workers, data=Path("digits"), only=checks, **options)  # type: ignore[arg-type]
            return [
                (test.extra_data.check, test.score, test.extra_data.status, test.extra_data.message)
                for test in result.tests
            ]

        apart = [told(path) for path in files]
        together = [told(path, kept=kept) for path in files]
    assert together == apart
    assert together[0] == together[2] != together[1]
