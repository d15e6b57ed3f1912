"""Find sounds by example."""

__version__ = "0.1.0"
