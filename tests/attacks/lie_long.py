# Answers with a million numbers, a million handles, and a string of a hundred million letters.
# expect: double=crashed|error|timeout names=crashed|error|timeout function=crashed|error|timeout|out_of_memory
def double(x):
    return list(range(1_000_000))


def names(count):
    return ["x" * 100_000_000]


class Net(Net):
    def forward(self, x):
        return [object() for _ in range(1_000_000)] if x.any() else super().forward(x)
