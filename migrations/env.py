"""Alembic's entry point: runs the revisions on the connection that rvscat hands over."""

from alembic import context

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("Run migrations with `rvscat db upgrade`, which knows where the database is.")

context.configure(connection=connection, version_table="alembic_version", version_table_schema="public")
with context.begin_transaction():
    context.run_migrations()
