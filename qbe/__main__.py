"""`python -m qbe`."""

from qbe.cli import main

main()
