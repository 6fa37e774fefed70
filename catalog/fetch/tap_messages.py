"""What archives say when they refuse: VOTable, HTML or plain text, and what a person can do about it."""

import html
import re
from http import HTTPStatus

import requests
import urllib3

from catalog.fetch.errors import FetchError
from catalog.fetch.session import GO_ON, attempts_of

__all__ = ["is_too_slow", "refusal", "refused", "remedy_for", "service_words"]

_LONGEST = 600
_LARGEST = 1 << 16
"""Bytes in which a message is looked for."""


def service_words(body: bytes) -> str:
    """Return the message in an archive's answer.

    Parameters
    ----------
    body : bytes
        A VOTable with ``QUERY_STATUS`` (DALI 1.1, section 4.4), an HTML page, or text; the first kilobytes are enough.

    Returns
    -------
    str
        One line; empty if there is none.
    """
    text = body.decode("utf-8", errors="replace").strip()
    # By pattern and not by parser: such answers are often cut, or no proper XML.
    status = re.search(r"<INFO\b[^>]*\bname=[\"']QUERY_STATUS[\"'][^>]*>(.*?)</(?:\w+:)?INFO>", text, re.S | re.I)
    if status is not None:
        text = status[1]
    elif re.match(r"(<\?xml|<!doctype|<html|<votable)", text, re.I):
        # Gaia's HTML errors have a "Message:" entry; others at least a title.
        found = (
            re.search(r"<b>\s*Message:?\s*</b>(.*?)</", text, re.S | re.I)
            or re.search(r"<h1[^>]*>(.*?)</h1>", text, re.S | re.I)
            or re.search(r"<title[^>]*>(.*?)</title>", text, re.S | re.I)
        )
        text = found[1] if found else ""
    text = re.sub(r"<!\[CDATA\[(.*?)\]\]>", r"\1", text, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]+>", " ", text))
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else words[:_LONGEST] + " …"


def remedy_for(words: str) -> str:
    """Return what to do about an archive's message; empty for an unknown one."""
    if re.search(r"quota|allowance|disk space", words, re.I):
        return (
            "The archive's quota for this user is used up, and anonymous users share one: wait some hours and give the "
            "same command, which goes on from here; or give another service with --endpoint, or another --via."
        )
    if re.search(r"too many (\w+ )?(jobs|requests|queries)|(jobs|requests|queries) .*limit|rate limit", words, re.I):
        return "The archive runs no more jobs for this user now. The same command goes on from here later."
    if is_too_slow(words):
        return "The query takes the archive too long: raise `level` of the source in the release file: smaller parts."
    many = r"\b5,?000 (ids|identifiers|sources)|(maximum|max|limit|too many).*\b(ids|identifiers|sources)"
    if re.search(many, words, re.I):
        return "Lower `chunk` of the source in the release file: fewer identifiers a call."
    if re.search(r"formatter|retrieval.?type|data.?structure", words, re.I):
        return (
            "Compare `format`, `retrieval_type` and `data_structure` of the source in the release file with the "
            "archive's documentation: archives change these words."
        )
    if re.search(r"unknown (column|table)|unresolved|does not exist|not found|cannot parse", words, re.I):
        return "Compare table and column names of the source in the release file with the archive's."
    return ""


def is_too_slow(words: str) -> bool:
    """Tell whether an archive ended a query because it took too long."""
    return re.search(r"timed? ?-?out|time limit|execution ?duration|cancel", words, re.I) is not None


def refusal(url: str, response: requests.Response) -> FetchError:
    """Return what to tell of an answer with a status from 400 up.

    Parameters
    ----------
    url : str
        What was asked for.
    response : requests.Response
        Its body is read as far as a message may reach.

    Returns
    -------
    FetchError
        With the status, how often it was asked, and the archive's own words.
    """
    try:
        body = next(response.iter_content(_LARGEST), b"")
    except (requests.RequestException, urllib3.exceptions.HTTPError, RuntimeError):
        # Broken off, or read before: the status has to do.
        body = b""
    finally:
        response.close()
    return refused(url, response, service_words(body))


def refused(url: str, response: requests.Response, words: str) -> FetchError:
    """Return what to tell of an answer that is a refusal in these words."""
    status, attempts = response.status_code, attempts_of(response)
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    answer = f"{url}: the archive answered {status} {phrase}".rstrip()
    tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    if status >= 400:
        answer += f" ({tried})"
    return FetchError(f"{answer}: {words}" if words else f"{answer}.", _remedy(response, words))


def _remedy(response: requests.Response, words: str) -> str:
    status = response.status_code
    if status in (401, 403):
        return "The archive refuses access to this address."
    if status in (404, 405, 410):
        return "Has the archive moved it? Another address can be given with --endpoint NAME=URL."
    if known := remedy_for(words):
        return known
    if after := response.headers.get("Retry-After"):
        return f"The archive asks to wait {after} s. {GO_ON}"
    return f"The archive is busy or down. {GO_ON}" if status < 400 or status == 429 or status >= 500 else ""
