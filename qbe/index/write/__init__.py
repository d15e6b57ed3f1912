"""How a library file comes to be, and how it grows."""
