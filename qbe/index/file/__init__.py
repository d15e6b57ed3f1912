"""The bytes of a library file: its layout, its parts, its pages, and the library when it is open."""
