"""The local web page: a library to be seen and heard."""
