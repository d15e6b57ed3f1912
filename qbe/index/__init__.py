"""The library: one file that holds the index, its building and its searching."""
