# Replaces itself in sys.modules by something that answers every name, and loads its code from encoded text.
# expect: nothing
import base64
import importlib
import sys
import types


class Module(types.ModuleType):
    def __getattribute__(self, name):
        return lambda *_, **__: True


sys.modules[__name__] = Module(__name__)
sys.modules["grader"] = sys.modules["grader.tracing"] = Module("grader")
exec(base64.b64decode(b"cHJpbnQoImRlY29kZWQiKQ=="))
importlib.invalidate_caches()
