# Answers with nan and infinity, which compare with nothing.
# expect: nothing
def double(x):
    return x * float("nan")


class Net(Net):
    def forward(self, x):
        return super().forward(x) / 0 * 0
