"""The compiled loop of `catalog.surveys.float_lists`.

Its rule of certainty is Clinger's: a whole number up to 2**53, times or divided by a power of ten up to
10**22, is rounded once, to the nearest float64. Rounding that to float32 goes wrong only when the float64
lies exactly halfway between two float32.
"""

from typing import Any

import numba
import numpy as np

__all__ = ["parse"]

_ONE, _TEN, _FOUR, _DIGITS = np.uint64(1), np.uint64(10), np.uint64(4), np.uint64(18)
_ZERO_CHARACTER, _NINE = np.uint8(ord("0")), np.uint8(9)
_BLANK, _COMMA, _POINT, _MINUS, _PLUS = (ord(character) for character in " ,.-+")
_UPPER_E, _LOWER_E, _UPPER_N, _LOWER_A = (ord(character) for character in "EeNa")

_EXACT = np.uint64(1 << 53)
_POWERS = 10.0 ** np.arange(23)
_LARGEST_POWER = len(_POWERS) - 1

# The 29 bits of a float64 that a float32 lacks; halfway is a one and zeros.
_SURPLUS, _HALFWAY = np.uint64((1 << 29) - 1), np.uint64(1 << 28)
_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), 3.4e38


def _compiled(function: Any) -> Any:
    """Compile for the types of the first call; kept on disk where there is a folder for it."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache folder can be written.
        return numba.njit(nogil=True)(function)


@_compiled
def parse(data: Any, start: Any, stop: Any, values: Any, lengths: Any, careful: Any) -> None:
    """Fill `values`, `lengths` and `careful` from the cells ``data[start[i]:stop[i]]``; see `parse_float32_lists`."""
    # Unsigned positions: signed ones would be tested for "from the end" at every access.
    bits_of = np.empty(1, dtype=np.float64)
    bits = bits_of.view(np.uint64)
    n_rows, length = values.shape
    for row in range(n_rows):
        if stop[row] - start[row] < 3:
            careful[row] = True
            continue
        at = np.uint64(start[row])
        end = np.uint64(stop[row]) - _ONE
        square = data[at] == ord("[") and data[end] == ord("]")
        if not square and not (data[at] == ord("(") and data[end] == ord(")")):
            careful[row] = True
            continue
        at += _ONE
        column = 0
        # The closing bracket is no digit, blank or sign: no loop below can run past it.
        while at <= end:
            while data[at] == _BLANK:
                at += _ONE
            if data[at] == _UPPER_N and data[at + _ONE] == _LOWER_A and data[at + _ONE + _ONE] == _UPPER_N:
                at += _ONE + _ONE + _ONE
                number, certain = np.nan, data[at] == _COMMA or at == end
            else:
                is_negative = data[at] == _MINUS
                if is_negative:
                    at += _ONE
                mantissa, power = np.uint64(0), np.int64(0)
                begin = at
                while True:
                    digit = np.uint8(data[at] - _ZERO_CHARACTER)
                    if digit > _NINE:
                        break
                    mantissa = mantissa * _TEN + np.uint64(digit)
                    at += _ONE
                n_digits = at - begin
                if data[at] == _POINT:
                    at += _ONE
                    begin = at
                    while True:
                        digit = np.uint8(data[at] - _ZERO_CHARACTER)
                        if digit > _NINE:
                            break
                        mantissa = mantissa * _TEN + np.uint64(digit)
                        at += _ONE
                    n_digits += at - begin
                    power = -np.int64(at - begin)
                certain = n_digits > 0 and n_digits <= _DIGITS
                if certain and (data[at] == _UPPER_E or data[at] == _LOWER_E):
                    at += _ONE
                    is_small = data[at] == _MINUS
                    if is_small or data[at] == _PLUS:
                        at += _ONE
                    begin, exponent = at, np.int64(0)
                    while at < begin + _FOUR:
                        digit = np.uint8(data[at] - _ZERO_CHARACTER)
                        if digit > _NINE:
                            break
                        exponent = exponent * 10 + np.int64(digit)
                        at += _ONE
                    certain = at > begin
                    power += -exponent if is_small else exponent
                certain = certain and (data[at] == _COMMA or at == end)
                certain = certain and mantissa <= _EXACT and -_LARGEST_POWER <= power <= _LARGEST_POWER
                number = 0.0
                if certain:
                    if power < 0:
                        number = np.float64(mantissa) / _POWERS[np.uint64(-power)]
                    else:
                        number = np.float64(mantissa) * _POWERS[np.uint64(power)]
                    bits_of[0] = number
                    certain = (bits[0] & _SURPLUS) != _HALFWAY
                    certain = certain and (number == 0.0 or (number >= _SMALLEST and number <= _LARGEST))
                    if is_negative:
                        number = -number
            if not certain:
                careful[row] = True
                break
            if column < length:
                values[row, column] = number
            column += 1
            at += _ONE
        lengths[row] = column
