"""The store that is one file."""
