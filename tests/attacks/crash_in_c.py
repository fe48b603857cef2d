# Crashes the interpreter: a null pointer, abort, an illegal instruction.
# expect: double=crashed names=crashed
import ctypes
import os


def double(x):
    ctypes.string_at(0)


def names(count):
    os.abort()
