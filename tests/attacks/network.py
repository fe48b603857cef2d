# Talks to the outside: TCP and UDP to the host, its addresses and names; sockets in files and abstract ones.
# expect: nothing
import socket
import urllib.request

print("TALKING")
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", @PORT@)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", @PORT@)),
    (socket.AF_INET, socket.SOCK_STREAM, ("@HOST@", @PORT@)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("::1", @PORT@)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("8.8.8.8", 53)),
    (socket.AF_UNIX, socket.SOCK_STREAM, "@TEMP@/canary.socket"),
    (socket.AF_UNIX, socket.SOCK_STREAM, "\0@ABSTRACT@"),
    (socket.AF_UNIX, socket.SOCK_DGRAM, "/dev/log"),
    (socket.AF_UNIX, socket.SOCK_STREAM, "/var/run/docker.sock"),
):
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(0.5)
            sock.connect(address)
            sock.send(b"attack")
            print("REACHED", address, flush=True)
    except OSError:
        pass
try:
    print("REACHED", urllib.request.urlopen("http://@HOST@:@PORT@", timeout=0.5).read(), flush=True)
except OSError:
    pass
