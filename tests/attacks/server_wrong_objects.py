# Hands out handles of objects that do not exist, of other types, and modules that are none.
# expect: *=failed|crashed|error|blocked
import gc

from grader.protocol import Handle

for each in gc.get_objects():
    if type(each).__name__ == "Server":
        each.operations["call"] = lambda **_: {
            "result": [Handle(2**63 - 1, "Net" * 100_000, True), Handle(-5, "\x1b[2J<script>", False)],
            "mutated": [],
        }
