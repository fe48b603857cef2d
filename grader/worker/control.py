"""What judge and template say to each other about starting workers. Imports no torch: the judge reads it at once."""

from __future__ import annotations

import struct

REQUEST = struct.Struct(">cIH")  # b"F", memory limit in MB, length of the folder's name; or b"W", pid, 0
REPLY = struct.Struct(">i")  # of "F" the worker's pid, of "W" its wait status
