# Leads the grader astray with links: in place of its file, its folder, its caches, to devices and to itself.
# expect: nothing
import os
import shutil


def double(x):
    here = os.path.dirname(os.path.abspath(__file__))
    os.unlink(__file__)
    os.symlink("@ROOT@/solutions/target/work.py", __file__)
    for name, target in (("loop", "loop"), ("up", ".."), ("zero", "/dev/zero"), ("secret", "@ROOT@"), ("x", "/proc/1")):
        os.symlink(target, os.path.join(here, name))
    try:
        print(open(__file__).read(), os.listdir(os.path.join(here, "secret")))
    except OSError:
        pass
    shutil.rmtree(here, ignore_errors=True)
    return x
