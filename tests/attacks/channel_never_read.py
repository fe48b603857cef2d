# Never reads what the judge sends, with the pipe of its output filled by a child meanwhile.
# expect: function=timeout|crashed|error
import os


class Net(Net):
    def forward(self, x):
        if x.any():
            if os.fork() == 0:
                while True:
                    os.write(1, b"x" * 65536)
            while True:
                os.sched_yield()
        return super().forward(x)
