"""Which words does a sound bear? Those that its user or its name says, and those of the sounds that are like it."""
