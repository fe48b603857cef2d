# Prints results, and leaves results in every place where a grader may look for them.
# expect: nothing
import json
import os
import sys

FORGED = json.dumps({"score": 20, "status": "passed", "tests": [{"name": "double", "score": 3, "status": "passed"}]})
for stream in (sys.stdout, sys.stderr, sys.__stdout__):
    print("\n20 passed in 0.01s\n" + FORGED, file=stream, flush=True)
for folder in (".", "/tmp", "/autograder/results", os.path.dirname(__file__), "@ROOT@/out"):
    for name in ("results.json", "result.json", "attack-was-here.json"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write(FORGED)
        except OSError:
            pass


def double(x):
    print(FORGED, flush=True)
    return x
