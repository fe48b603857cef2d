# Enters the kernel by its old door for 32-bit programs, where system calls have other numbers.
# expect: double=crashed
import ctypes
import mmap


def double(x):
    code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    print("ESCAPED", ctypes.CFUNCTYPE(ctypes.c_int)(address)(), flush=True)
    return x
