"""What flows between two subcommands: records, their msgpack framing, NPY blocks."""
