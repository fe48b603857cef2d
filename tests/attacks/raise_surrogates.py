# Raises exceptions whose text, class and notes cannot be encoded.
# expect: double=error names=error
def double(x):
    raise ValueError("\ud800" * 10)


def names(count):
    error = type("\udc80", (Exception,), {})("\udfff")
    error.__notes__ = ["\udc00"]
    raise error
