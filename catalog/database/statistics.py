"""Statistics of tables that were filled a moment ago: the planner would not wait for them."""

from psycopg import Connection

__all__ = ["renew_statistics"]


def renew_statistics(connection: Connection, *tables: str) -> None:
    """Have statistics of tables collected, as their owner does it: roles of ours own no table that they fill.

    Parameters
    ----------
    connection : psycopg.Connection
    *tables : str
        ``schema.table`` of the schemas ``survey`` and ``production``.
    """
    connection.execute("SELECT production.renew_statistics(VARIADIC %s)", (list(tables),))
