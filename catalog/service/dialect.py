"""ADQL as a dialect of sqlglot: only what the language has is a keyword or a function here.

sqlglot knows hundreds of functions and the literals of many databases. This dialect forgets them: every function
is a name with arguments, to be found in `catalog.service.functions` or refused.
"""

import logging
from typing import Any, ClassVar

from sqlglot import parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokenizer_core import TokenType

__all__ = ["ADQL"]

# Its warnings concern queries that are refused, and would stand between the lines of an answer.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class ADQL(Dialect):
    """Astronomical Data Query Language 2.1 (IVOA recommendation of 15 December 2023)."""

    # As in PostgreSQL, so that no ORDER BY or division is rewritten.
    NULL_ORDERING = "nulls_are_large"
    TYPED_DIVISION = True

    class Tokenizer(tokens.Tokenizer):
        """Two dashes begin a comment and nothing else does."""

        KEYWORDS: ClassVar = {**tokens.Tokenizer.KEYWORDS, "TOP": TokenType.TOP}
        COMMENTS: ClassVar = ["--"]

    class Parser(parser.Parser):
        """All functions but CAST are plain names; CASE is the only one without parentheses.

        A point is the only operator on names: no ``::``, no JSON arrows.
        """

        # TOP belongs to its own SELECT, what follows the last one to the whole.
        SET_OP_MODIFIERS: ClassVar = {"order", "offset"}
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar = {"CAST": parser.Parser.FUNCTION_PARSERS["CAST"]}
        COLUMN_OPERATORS: ClassVar[dict[TokenType, Any]] = {TokenType.DOT: None}
        NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {"CASE": parser.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}

        def _warn_unsupported(self) -> None:
            # sqlglot would keep what it cannot parse as a command, with a warning in the log.
            self.raise_error("This is no ADQL query")
