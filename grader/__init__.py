"""torch-grader: an autograder for PyTorch architecture assignments."""

__version__ = "0.1.0"
