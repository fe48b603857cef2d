"""The grader's own error: single wrong edits and right rewrites of a solution, and a bank of both, put to the judge."""
