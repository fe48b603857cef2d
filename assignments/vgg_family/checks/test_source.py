"""Public checks of vgg_family: what may be used."""

from grader.checks import check
from grader.checks.source import expect_unused


@check(points=4, hint="Build the networks from torch.nn yourself.", requires=["family_parameters"])
def test_own_work(context):
    """Nothing is taken from torchvision.models"""
    expect_unused(context.source, ["torchvision.models"])
