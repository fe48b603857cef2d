# Describes its parameters with numbers so large that the judge's own arithmetic would take minutes.
# expect: architecture=crashed|failed function=crashed|failed shape=crashed|passed
import gc

SIZE = 2**63 - 1
for each in gc.get_objects():
    if type(each).__name__ == "Server":
        each.operations["state"] = lambda target: {
            "parameters": [["first.weight", [SIZE] * 150_000, "torch.float32", True]],
            "buffers": [],
        }
