"""Publication: catalogue tables, TAP_SCHEMA, and files for people and archives."""
