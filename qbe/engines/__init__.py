"""Stores that are a server's, each in a room of its own, whose client is loaded when a library there is named."""
