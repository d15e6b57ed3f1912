"""Which rows of a library file are near a query."""
