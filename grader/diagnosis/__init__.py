"""Where and why a model differs from the reference: made of what both say of themselves, without running any code."""
