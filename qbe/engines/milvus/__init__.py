"""The store that is a Milvus server's or cluster's.

Of a library the server holds two collections: `segments`, a row for each segment, and `files`, a row for each file. The
library's name is an alias of a third one, which only says what there is (`catalog`). When a library is written that
alias is switched to another: so all that was written is seen at once, or nothing of it.
"""
