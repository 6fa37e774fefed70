"""Prefect flows: thin, over the stage functions of `catalog`."""
