"""Blazon: gives every device an identity, decides what it may do, and records everything that happens."""

__all__ = ["__version__"]

__version__ = "0.1.0"
