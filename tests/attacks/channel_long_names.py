# Nests 100,000 handles below a key of 600 kB: were each to be named by its whole path, the judge would need 60 GB.
# expect: double=crashed|failed
import gc

from grader.protocol import Handle

OBJECT = object()


def double(x):
    for each in gc.get_objects():
        if type(each).__name__ == "Server":
            each.to_handle = lambda value: Handle(1, "object", False)
    return {"k" * 600_000: [OBJECT] * 100_000}
