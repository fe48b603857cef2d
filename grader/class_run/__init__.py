"""Grades a whole class: in parallel, resumable, each distinct submission once."""
