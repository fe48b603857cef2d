"""Train the reference checkpoints: recipe, resumable loop, widening, model card."""
