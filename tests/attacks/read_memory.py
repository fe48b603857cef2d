# Looks for the judge, its checks and its expected values among all objects, modules and frames it can reach.
# expect: nothing
import gc
import inspect
import sys

for name in ("grader.judge", "grader.judge.grade", "grader.checks", "grader.student", "grader.assignment", "grader_solution_work"):
    try:
        print("IMPORTED", __import__(name), flush=True)
    except ImportError:
        pass
print(sorted(name for name in sys.modules if name.startswith("grader")))
frame = sys._getframe()
while frame is not None:
    print({key: str(value)[:200] for key, value in frame.f_locals.items()} if "target" in str(frame.f_code) else "")
    frame = frame.f_back
dictionaries = [value for value in gc.get_objects() if type(value) is dict]  # isinstance would load what is lazy
found = [value for value in dictionaries if any("canary" in text for text in value.values() if type(text) is str)]
try:
    print(len(found), inspect.getsource(sys.modules["__main__"])[:100])
except OSError:  # where it lies in a folder that the sandbox hides
    pass
