# Answers with text that is none: lone surrogates, as values, keys, and class names.
# expect: double=error|failed names=error|failed
def double(x):
    return {"\ud800": "\udfff"}


def names(count):
    return type("\ud800", (), {})()
