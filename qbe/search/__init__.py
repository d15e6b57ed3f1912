"""What answers? Queries, the store they are asked of, the ranking of files and places, duplicates."""
