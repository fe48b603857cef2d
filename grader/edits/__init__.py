"""Edits of a source: the single mistakes that students make, and what undoes them."""
