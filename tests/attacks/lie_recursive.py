# Answers with a list that contains itself, and with one that is nested a hundred thousand deep.
# expect: double=error|crashed names=error|crashed
def double(x):
    endless = []
    endless.append(endless)
    return endless


def names(count):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    return deep
