"""ADQL as a dialect of sqlglot: only what the language has is a keyword or a function here.

sqlglot knows hundreds of functions and the literals of many databases. This dialect forgets them: every function
is a name with arguments, to be found in `catalog.service.functions` or refused.
"""

import logging
import re
from typing import Any, ClassVar

from sqlglot import parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokenizer_core import Token, TokenType

from catalog.errors import QueryError

__all__ = ["ADQL", "join_numbers"]

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


def join_numbers(tokens: list[Token]) -> list[Token]:
    """Read hexadecimal numbers, which sqlglot takes for a zero and a name: ``SELECT 0xFF`` as ``SELECT 0 AS xFF``.

    Raises
    ------
    QueryError
        A name follows a number without a space.
    """
    joined: list[Token] = []
    for token in tokens:
        before = joined[-1] if joined else None
        if before is None or before.token_type != TokenType.NUMBER or token.start != before.end + 1:
            joined.append(token)
        elif before.text == "0" and re.fullmatch("[xX][0-9a-fA-F]{1,15}", token.text):
            text = str(int(token.text[1:], 16))
            joined[-1] = Token(TokenType.NUMBER, text, before.line, before.col, before.start, token.end)
        elif re.match(r"\w", token.text):
            raise QueryError(f"{before.text}{token.text[:20]} is neither a number nor a name.")
        else:
            joined.append(token)
    return joined
