"""The store that is a Milvus server's or cluster's.

Of a library the server holds two collections: `segments`, a row for each segment, and `files`, a row for each file.
The library's name is an alias of its `files`, whose properties hold all else (`catalog`). So a library is replaced when
its alias is switched, and appended to when those properties change: both happen at once, or not at all.
"""
