# Replaces what the grader may use of Python: assert's exception, comparisons, isinstance, open, print, time.
# expect: *=error|crashed|failed|blocked
import builtins
import time

builtins.AssertionError = type("Quiet", (Exception,), {})
builtins.all = builtins.any = lambda *_: True
builtins.max = builtins.min = builtins.abs = lambda *_, **__: 0
builtins.sorted = lambda *_, **__: []
time.monotonic = time.time = time.perf_counter = lambda: 0.0
time.sleep = lambda _: None
