# Leaves traps for whoever is graded next: files, settings, caches, shared memory, modules.
# expect: architecture=error double=* shape=error function=blocked
import os
import random
import resource
import sys
import types

import torch

HOME = os.path.expanduser("~")
for folder in ("/tmp", "/dev/shm", HOME, HOME + "/.cache/torch/hub", HOME + "/.local/lib/python3.11/site-packages", "."):
    for name in ("torch.py", "work.py", "usercustomize.py", "grader.py", "attack-was-here"):
        try:
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/{name}", "w") as file:
                file.write("raise SystemExit")
        except OSError:
            pass
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.set_flush_denormal(True)
torch.manual_seed(0)
random.seed(0)
torch.hub.set_dir("/dev/shm/hub")
sys.path[:] = ["/dev/shm", *sys.path]
sys.modules["torch.nn"] = types.ModuleType("torch.nn")
os.environ.update(PYTHONPATH="/dev/shm", LD_PRELOAD="/dev/shm/x.so", OMP_NUM_THREADS="64", TORCH_HOME="/dev/shm")
os.umask(0o777)
os.nice(19)
os.sched_setaffinity(0, {0})
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
try:
    from multiprocessing import shared_memory

    shared_memory.SharedMemory("attack-was-here", create=True, size=4096)
except Exception:
    pass
