"""grader.checks.source: what is forbidden is found under every alias, and nowhere else."""

from __future__ import annotations

import pytest

from grader.checks.source import uses

FORBIDDEN = ["torchvision.models"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("import torchvision.models", [1]),
        ("import torchvision.models as m\nm.vgg16()", [1, 2]),
        ("import torchvision.models.vgg", [1]),
        ("import torch, torchvision.models.resnet as r", [1]),
        ("from torchvision import models", [1]),
        ("from torchvision import models as layers", [1]),
        ("from torchvision.models import *", [1]),
        ("from torchvision.models.vgg import VGG", [1]),
        ("import torchvision\nnet = torchvision.models.vgg16()", [2]),
        ("import torchvision as tv\nnet = tv.models.vgg16()", [2]),
        ("import torchvision.transforms\ntorchvision.models", [2]),
        ("import torchvision\ntv = torchvision\nm = tv.models", [3]),
        ("import torchvision\na = b = torchvision\nb.models", [3]),
        ("import torchvision\ngetattr(torchvision, 'models').vgg16()", [2]),
        ("import torchvision\nm = getattr(torchvision, 'models', None)\nm.vgg16()", [2, 3]),
        ("__import__('torchvision.models')", [1]),
        ("__import__('torchvision').models.vgg16()", [1]),
        ("__import__(name='torchvision.models')", [1]),
        ("import importlib\nimportlib.import_module('torchvision.models.vgg')", [2]),
        ("import importlib\nimportlib.import_module('.models', 'torchvision')", [2]),
        ("import importlib\nimportlib.import_module(name='.models', package='torchvision')", [2]),
        ("from importlib import import_module\ntv = import_module('torchvision')\ntv.models", [3]),
        ("exec('import torchvision.models as m')", [1]),
        ("x = 1\neval('__import__(\"torchvision\").models')", [2]),
        ("exec(\"exec('from torchvision import models')\")", [1]),
        ("from torchvision import *\nmodels.vgg16()", [2]),
        ("def f():\n    from torchvision import models\n    return models", [2, 3]),
        ("def f():\n    return tv.models\n\nimport torchvision as tv", [2]),
        ("class Net:\n    import torchvision\n    base = torchvision.models.VGG", [3]),
        (f"import torchvision\nx = {'+'.join(['1'] * 1500)}\ntorchvision.models", [3]),  # nested 1,500 deep
    ],
    ids=lambda value: str(value)[:50].replace("\n", "; "),
)
def test_found(text: str, lines: list[int]) -> None:
    assert uses(text, FORBIDDEN) == [(line, "torchvision.models") for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import torch\nfrom torch import nn",
        "import torchvision\nfrom torchvision import transforms",
        "from torchvision import *\ntransforms.ToTensor()",
        "from torchvision import *\nmodels = []\nmodels.append(1)",
        '"""Like torchvision.models.vgg16."""',
        "# import torchvision.models",
        "print('from torchvision import models')",
        "models = 1\nmodels",
        "torchvision = None\nself.torchvision.models",
        "from .models import vgg16",
        "from models import vgg16",
        "import torchvision.models_of_mine",
        "def torchvision(models):\n    return models",
        "import torchvision\ntorchvision = make()\ntorchvision.models",
        "getattr(self, name, 'torchvision.models')",
        "eval('models')",
        "net.eval()\nexec(text)",
        "import torchvision.models as",  # a syntax error: the import says so
        "\0",
        "(" * 5000,
    ],
    ids=lambda text: text[:50].replace("\n", "; "),
)
def test_innocent(text: str) -> None:
    assert uses(text, FORBIDDEN) == []


def test_several_names_in_the_order_of_lines() -> None:
    text = "import timm\nx = torch.hub.load\nimport torch\ny = torch.hub.load"
    assert uses(text, ["torch.hub", "timm"]) == [(1, "timm"), (2, "torch.hub"), (4, "torch.hub")]
