"""Errors, checks, seeds and trees of tensors: what every layer above stands on."""
