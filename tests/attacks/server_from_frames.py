# Walks up the stack to the grader's server, and makes its descriptions of the model and its traces lies.
# expect: architecture=failed|crashed|error function=failed|crashed|error
import sys


def owner():
    frame = sys._getframe()
    while frame is not None:
        if type(frame.f_locals.get("self")).__name__ == "Server":
            return frame.f_locals["self"]
        frame = frame.f_back


SERVER = owner()
print("found the server", SERVER is not None)
SERVER.operations["state"] = lambda target: {
    "parameters": [["first.weight", [-43], "torch.float32", True], ["x", "abc", 5, None]],
    "buffers": "none",
}
SERVER.operations["layers"] = lambda target: {"a": 1}
SERVER.operations["trace"] = lambda **_: {"entries": [["", "Net", [3, 4], [3, 3], "no"]], "error": {"text": 5}}
