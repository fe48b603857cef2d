# Patches pytest, unittest and hypothesis, and plants a conftest.py and a sitecustomize.py.
# expect: nothing
import sys
import types
import unittest

for name in ("pytest", "_pytest.runner", "_pytest.python", "hypothesis"):
    sys.modules[name] = types.ModuleType(name)
try:
    import _pytest.assertion.rewrite as rewrite

    rewrite.AssertionRewritingHook.exec_module = lambda self, module: None
except (ImportError, AttributeError):
    pass
unittest.TestCase.run = lambda self, result=None: None
for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.ini", "attack-was-here.pth"):
    for folder in (".", "/tmp", "@ROOT@", "@ROOT@/assignments/target/checks", sys.prefix):
        try:
            with open(f"{folder}/{name}", "w") as file:
                file.write("import pytest\npytest.skip = pytest.fail = lambda *a, **k: None\n")
        except OSError:
            pass
