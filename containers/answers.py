#!/usr/bin/env python3
"""Health check: the address given answers with status 200."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=8) as answer:  # noqa: S310  (an address of the container itself)
    sys.exit(answer.status != 200)
