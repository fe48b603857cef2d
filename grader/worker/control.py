"""What judge and template say to each other about starting workers. Imports no torch: the judge reads it at once."""

from __future__ import annotations

import socket
import struct

REQUEST = struct.Struct(">cIH")  # b"F", memory limit in MB, length of the folder's name; or b"W", pid, 0
REPLY = struct.Struct(">i")  # of "F" the worker's pid, of "W" its wait status
HELLO = b"\x01"  # the first byte in a sandboxed worker's channel; who wrote it, the kernel tells
BUFFER = 1 << 16  # bytes in which a channel's ends collect what is small; what is larger goes past it
CREDENTIALS = struct.Struct("3i")  # struct ucred: pid (as the receiver counts), uid, gid


def exactly(control: socket.socket, size: int) -> bytes:
    """Receive ``size`` bytes.

    Raises:
        EOFError: the other side has hung up.
    """
    received = b""
    while len(received) < size:
        chunk = control.recv(size - len(received))
        if not chunk:
            raise EOFError
        received += chunk
    return received
