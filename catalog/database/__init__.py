"""Reaching PostgreSQL: the embedded server, connections, COPY, queries as files, the ledger."""
