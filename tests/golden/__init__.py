"""Numbers that were published or follow from theory, and what ravine measures for them."""

from golden.table import CHECKS, Check

__all__ = ["CHECKS", "Check"]
