"""How good is it? Labelled tasks, what is measured on them, and a benchmark of a library."""
