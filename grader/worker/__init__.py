"""The only process that imports student code. It answers the judge's requests and knows nothing of checks."""
