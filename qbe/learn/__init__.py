"""Training: the only part of qbe that imports torch."""
