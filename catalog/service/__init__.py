"""Answers about what is in the database: ADQL on the published tables, one star's story."""
