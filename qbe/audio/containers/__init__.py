"""Where in a file is its sound? What headers say, checked against what is there."""
