# Finds the grader's server among all objects, and answers everything itself.
# expect: *=failed|crashed|error|blocked
import gc

for each in gc.get_objects():
    if type(each).__name__ == "Server":
        for kind in each.operations:
            each.operations[kind] = lambda **_: {"result": ["a", "b", "c", 1], "mutated": (), "status": "passed"}
