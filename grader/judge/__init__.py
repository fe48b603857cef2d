"""Runs the checks of an assignment against a submission. Never imports student code."""
