# Uses up the disk and its inodes: huge files, sparse files, hundreds of thousands of small ones, deep folders.
# expect: double=failed|error|timeout
import os


def double(x):
    got = 0
    try:
        with open("huge", "wb") as file:
            while True:
                got += file.write(bytes(1 << 20))
                file.flush()
    except OSError:
        pass
    for number in range(100_000):
        try:
            os.mkdir(f"d{number}")
            open(f"f{number}", "w").close()
        except OSError:
            break
        got += 2 * 4096
    if got > 400 << 20:
        print("GOT", got >> 20, "MB", flush=True)
    try:
        for _ in range(2_000):
            os.mkdir("d")
            os.chdir("d")
    except OSError:
        pass
    return x
