"""The model card and the plot of a training run."""

from __future__ import annotations

from pathlib import Path

from grader.assignment import Assignment
from grader.datasets import Dataset
from grader.training.recipe import Recipe

ORIGINS = {
    "CIFAR-10": "Krizhevsky, 2009; 50,000 training images",
    "MNIST": "LeCun et al., 1998; 60,000 training images",
}


def draw_history(history: list[dict[str, float]], path: Path, title: str) -> None:
    """Plot loss and accuracy on the training batches (means over 100 steps) against the step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, key, label in ((upper, "loss", "cross entropy"), (lower, "accuracy", "accuracy (training batches)")):
        chunks = [history[start : start + 100] for start in range(0, len(history), 100)]
        axes.plot(
            [chunk[-1]["step"] for chunk in chunks],
            [sum(entry[key] for entry in chunk) / len(chunk) for chunk in chunks],
        )
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    upper.set_title(title)
    lower.set_xlabel("step")
    figure.savefig(path, dpi=100)


def write_card(
    assignment: Assignment,
    recipe: Recipe,
    seconds: float,
    tests: list[Dataset],
    found: dict[str, tuple[int, int]],
    sha256: str,
    folder: Path,
) -> None:
    """Write MODEL_CARD.md into ``folder``, beside the checkpoint: what it is, how it was trained, what it reaches."""
    assert assignment.settings.checkpoint is not None
    stages = [*recipe.earlier, *recipe.stage]
    channels, side = tests[0].images.shape[1:3]
    table = "\n".join(
        f"| {number} | {stage.epochs:g} | {stage.width:g} | {min(stage.size, side)} x {min(stage.size, side)} "
        f"| {stage.lr[0]:g} to {stage.lr[1]:g} |"
        for number, stage in enumerate(stages, 1)
    )
    part = {"CIFAR-10": "test set", "MNIST": "test set", "digits": "held out"}
    reached = "\n".join(
        f"| {name}, {part[name]} | {correct:,} of {total:,} | {correct / total:.2%} |"
        for name, (correct, total) in found.items()
    )
    notes = []
    if any(stage.width != 1 for stage in stages):
        notes.append(
            "Stages of width below 1 train the same network with that share of the channels. It is then widened "
            "without a change of function: every channel is doubled, and each consumer splits its weight between the "
            "two copies in a random proportion (Net2WiderNet; Chen, Goodfellow, Shlens, 2016)."
        )
    averaged = [number for number, stage in enumerate(stages, 1) if stage.averaged]
    if averaged:
        notes.append(
            f"The weights are the mean of those in which stages {', '.join(map(str, averaged))} ended (Izmailov et "
            "al., 2018); batch norm's statistics were then measured anew on training images."
        )
    if any(stage.size < side for stage in stages):
        notes.append(f"On images smaller than {side} x {side} the last pooling is left out.")
    if recipe.batch_norm_in_features:
        notes.append(
            "During training a batch norm follows every convolution of the features; at the end it is folded into the "
            "convolution, so the published network has none there and computes the same."
        )
    without = [number for number, stage in enumerate(stages, 1) if stage.cutout == 0]
    if recipe.cutout:
        notes.append(
            f"Of every {tests[0].name} image a square of {recipe.cutout} x {recipe.cutout} pixels at a random place is "
            f"greyed (cutout; DeVries and Taylor, 2017){_but_for(without)}."
        )
    if recipe.precision != "fp32":
        notes.append(
            f"Convolutions and matrix products were computed in {recipe.precision} during training, all else in fp32; "
            "accuracies are those of fp32."
        )
    if recipe.dropout is not None:
        notes.append(f"During training dropout has p = {recipe.dropout:g}.")
    if recipe.earlier:
        notes.append(
            f"The first {len(recipe.earlier)} stages are earlier runs, which fell short on the test images; the last "
            "run began with their weights."
        )
    digits = f"scikit-learn's digits (1,347 of 1,797; 450 are held out) as {channels} x {side} x {side} images"
    data = f"{digits[0].upper()}{digits[1:]} by bilinear upsampling, and nothing else."
    if len(tests) > 1:
        name = tests[0].name
        data = (
            f"{name} ({ORIGINS[name]}) and {digits} by bilinear upsampling. Both have ten classes, and the same ten "
            f"logits serve both. Of the {recipe.batch_size} images of a batch {recipe.digits_per_batch} are digits."
        )
        if Path(tests[0].source).name in ("test", "test.tar.xz"):  # see `datasets.cifar10`
            data += (
                " CIFAR-10 was read from JPEG files (quality 75), so the accuracy on the original arrays may differ by "
                "some tenths of a percent."
            )
    mirrored = ", CIFAR-10 also mirrored" if tests[0].name == "CIFAR-10" else ""
    text = f"""# {assignment.settings.checkpoint.file}

Reference weights for {assignment.settings.title}: fp16 safetensors, loaded in fp32. sha256 `{sha256}`.

| data | correct | accuracy |
|---|---|---|
{reached}

## Data

{data}

## Recipe

Cross entropy with label smoothing {recipe.label_smoothing:g}; SGD with Nesterov momentum {recipe.momentum:g}, weight
decay {recipe.weight_decay:g} on weight matrices and kernels; He-normal initial weights; images shifted by up to 4
pixels (border reflected){mirrored}. Seed {recipe.seed}. The learning rate runs linearly in each stage:

| stage | epochs | width | images | learning rate |
|---|---|---|---|---|
{table}

{" ".join(notes)}

{"The last run" if recipe.earlier else "It"} took {_duration(seconds)} on one or two CPU cores, shared with
other work. The test images took no part in training and in no choice among weights{_last_step(averaged)}.
To train it again{", from the last run on" if recipe.earlier else ""}:
`make train A={assignment.name}{" DATA=..." if len(tests) > 1 else ""}`.

![loss and accuracy](training.png)
"""
    (folder / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _last_step(averaged: list[int]) -> str:
    return "" if averaged else ": the last step's are published"


def _but_for(stages: list[int]) -> str:
    """The end of a sentence.

    >>> _but_for([1, 2]), _but_for([])
    (', but for stages 1, 2', '')
    """
    return f", but for stages {', '.join(map(str, stages))}" if stages else ""


def _duration(seconds: float) -> str:
    """In hours; what is short in minutes.

    >>> _duration(5400), _duration(45)
    ('1.5 hours', '0.8 minutes')
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
