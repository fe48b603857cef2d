# Makes torch's comparisons say yes, and modules return what looks right everywhere.
# expect: double=failed|error|crashed shape=* architecture=* function=failed|error|crashed|blocked
import torch
from torch import nn


class Everything:
    def __call__(self, *args, **kwargs):
        return True


for owner, methods in (
    (torch, ("equal", "allclose", "isclose", "isfinite", "all", "any")),
    (torch.Tensor, ("__eq__", "__ne__", "equal", "allclose", "abs", "max", "item", "all", "any", "std")),
    (torch.testing, ("assert_close",)),
):
    for method in methods:
        setattr(owner, method, Everything())
nn.Module.__call__ = lambda self, x: torch.ones(len(x), 3)
nn.Module.load_state_dict = lambda self, state, **_: None
