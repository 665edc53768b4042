"""The lab: a local web app that trains real optimisers side by side; its server process imports no torch."""

from ravine.lab.serving import Address, serve

__all__ = ["Address", "serve"]
