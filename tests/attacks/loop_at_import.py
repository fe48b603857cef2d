# Never finishes its import.
# expect: import=timeout
while True:
    pass
