"""Memory that is freed stays at hand: handed back to the kernel, it is zeroed and mapped anew page by page."""

from __future__ import annotations

import ctypes
import sys

# malloc.h; the largest threshold that glibc takes on 64 bits, above which every block is mapped by itself.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
MAPPED_FROM = 32 << 20
KEPT = 1 << 30
STEP = 64 << 20


def keep_freed() -> None:
    """Let malloc keep up to `KEPT` bytes of what this process frees, and ask the kernel for `STEP` bytes at a time.

    Networks come and go in every check; without this, all of vgg_functional's take a sixth longer. glibc alone offers
    it: elsewhere nothing is done.

    >>> keep_freed()
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM)
    mallopt(_M_TRIM_THRESHOLD, KEPT)
    mallopt(_M_TOP_PAD, STEP)
