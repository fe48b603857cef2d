"""The same checks in nbgrader and in otter-grader, which are installed through uv into build/peers on first use."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import textwrap
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from parts import in_process
from parts.measuring import ROOT, Cost, measured

from grader import assignment
from grader.checks.declare import ATTRIBUTE

PEERS = ROOT / "build" / "peers"
NAME = "resnet50"


def peers() -> Path:
    """The commands of nbgrader and otter-grader, in an environment of their own."""
    folder = PEERS / "bin"
    if not (folder / "otter").exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(PEERS)], check=True)
        pinned = PEERS / "requirements.txt"
        lines = [line.split(" ")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
        pinned.write_text("\n".join(line for line in lines if line.startswith(("torch", "hypothesis", "msgspec"))))
        needed = ["-r", str(pinned), "-e", str(ROOT), "nbgrader", "otter-grader"]
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(folder / "python"), *needed], check=True)
    return folder


def _cell(source: str, kind: str = "code", **nbgrader: Any) -> dict[str, Any]:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    metadata = {"nbgrader": {**base, **nbgrader}} if nbgrader else {}
    cell = {"cell_type": kind, "id": nbgrader.get("grade_id", "start"), "metadata": metadata, "source": source}
    return cell | {"outputs": [], "execution_count": None}


PLAIN = f"""
import torch
from pathlib import Path
from torch.utils.data import DataLoader, TensorDataset
from grader import datasets
from grader.judge.context import load_weights
data = datasets.find(Path(DATA))
loader = DataLoader(TensorDataset(datasets.normalise(data.images).contiguous(), data.labels), batch_size=100)
model = ResNet50_layer4()
model.load_state_dict(load_weights(Path({str(ROOT)!r}) / "assignments/{NAME}/{NAME}.safetensors"))
model.eval()
correct = 0
with torch.no_grad():
    for images, labels in loader:
        correct += (model(images).argmax(1) == labels).sum().item()
assert correct / len(data) >= 0.8
"""


def _cells(data: str, plain: bool) -> list[dict[str, Any]]:
    """The assignment as a notebook: the solution, and one grade cell for each check."""
    chosen = assignment.load(NAME, ROOT)
    solution = (ROOT / "solutions" / NAME / chosen.settings.files[0]).read_text()
    start = f"""
        import sys
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "benchmarks")!r}]
        from parts import in_process
        DATA = {data!r}
        notebook = in_process.Notebook({NAME!r}, DATA, globals())
    """
    cells = [_cell(solution, grade_id="solution", solution=True), _cell(textwrap.dedent(start))]
    for name, points in _points().items():
        source = PLAIN if plain and name == "accuracy" else f"notebook.check({name!r})"
        cells.append(_cell(source, grade_id=name, grade=True, locked=True, points=points))
    return cells


def _points() -> dict[str, float]:
    found = {}
    for folder in assignment.load(NAME, ROOT).check_folders:
        for path in sorted(folder.glob("test_*.py")):
            for function in vars(in_process.imported(path)).values():
                spec = getattr(function, ATTRIBUTE, None)
                if spec is not None:
                    found[spec.name] = spec.points
    return found


def _notebook(cells: list[dict[str, Any]]) -> str:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})


def nbgrader(scratch: Path, sample: list[Path], data: str, plain: bool) -> Cost:
    """`nbgrader autograde` of the sample, which must all get full points."""
    commands = peers()
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    course = scratch / ("plain" if plain else "checks")
    source = course / "source" / NAME
    source.mkdir(parents=True)
    (course / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.course_id = "bench"\nc.ExecutePreprocessor.timeout = 1800\n'
    )
    cells = _cells(data, plain)
    (source / f"{NAME}.ipynb").write_text(_notebook(cells))
    generate = [str(commands / "nbgrader"), "generate_assignment", NAME]
    subprocess.run(generate, cwd=course, env=environment, check=True, capture_output=True)
    released = json.loads((course / "release" / NAME / f"{NAME}.ipynb").read_text())
    for number, path in enumerate(sample):
        solution = next(cell for cell in released["cells"] if cell["metadata"]["nbgrader"]["grade_id"] == "solution")
        solution["source"] = decode_source(path.read_bytes())
        folder = course / "submitted" / f"s{number}" / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_text(json.dumps(released))
    what = f"nbgrader autograde, {'all test images' if plain else 'our accuracy check'}"
    command = [str(commands / "nbgrader"), "autograde", NAME]
    cost, _ = measured(what, command, len(sample), cwd=course, env=environment)
    subprocess.run([str(commands / "nbgrader"), "export"], cwd=course, env=environment, check=True, capture_output=True)
    with (course / "grades.csv").open() as file:
        for row in csv.DictReader(file):
            assert float(row["score"]) == float(row["max_score"]) == sum(_points().values()), row
    return cost


def otter(scratch: Path, sample: list[Path], data: str) -> Cost:
    """`otter run` of each of the sample, which must all get full points."""
    commands = peers()
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    folder = scratch / "otter"
    (folder / "tests").mkdir(parents=True)
    for name, points in _points().items():
        (folder / "tests" / f"{name}.py").write_text(
            f"from otter.test_files import test_case\nOK_FORMAT = False\nname = {name!r}\npoints = {points}\n\n"
            f"@test_case()\ndef test_it(env):\n    env['notebook'].check({name!r})\n"
        )
    generate = [str(commands / "otter"), "generate", "-t", "tests", "--no-environment", "--no-requirements"]
    subprocess.run(generate, cwd=folder, env=environment, check=True, capture_output=True)
    seconds, memory = 0.0, 0.0
    cells = [_cell("import otter\ngrader = otter.Notebook()"), *_cells(data, False)[:2]]
    cells += [_cell(f"grader.check({name!r})") for name in _points()]
    for number, cell in enumerate(cells):
        cell["metadata"], cell["id"] = {}, f"cell{number}"
    for path in sample:
        cells[1]["source"] = decode_source(path.read_bytes())
        (folder / f"{NAME}.ipynb").write_text(_notebook(cells))
        command = [str(commands / "otter"), "run", "--no-logo", "-a", "autograder.zip", f"{NAME}.ipynb"]
        cost, printed = measured("", command, 1, cwd=folder, env=environment)
        result = json.loads((folder / "results.json").read_text())
        score = sum(test.get("score", 0) for test in result["tests"])
        assert score == sum(_points().values()), (score, printed[-2_000:])
        seconds, memory = seconds + cost.seconds, max(memory, cost.memory)
    return Cost("otter run", len(sample), seconds, memory)
