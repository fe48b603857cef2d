# Patches the worker's own protocol: every answer becomes the one that is hoped for.
# expect: double=failed|crashed names=failed|crashed function=failed|error|crashed|blocked shape=* architecture=*
import msgspec

from grader import protocol

send = protocol.send


def lying(stream, number, kind, body, to_handle=None):
    if kind == "error" or (isinstance(body, dict) and "result" in body):
        body = {"result": True, "mutated": [], "passed": True, "status": "passed", "score": 20}
    send(stream, number, "value", body, to_handle)


protocol.send = lying
protocol._bytes_of = lambda info: 0
msgspec.json.encode = lambda value: b'{"score": 20}'
