"""Registry: what an ensemble is on disk and in the database, and what makes two of them the same."""
