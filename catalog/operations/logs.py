"""What happened, as JSON lines in ``logs/`` of the data folder: one file a process, no secrets."""

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from catalog.operations.secrets import mask
from catalog.settings import Settings

__all__ = ["FIELDS", "Masking", "start_log"]

LOGGERS = ("catalog", "rvscat", "flows")
"""Whose records are written: those of all modules below."""

FIELDS = ("run_id", "stage", "counts", "duration_s", "skipped", "remedy")
"""What a record may carry beside its message, by ``extra``."""

_BYTES, _FILES = 10_000_000, 3
"""Size of a file, and earlier ones of the same process that are kept."""
_DAYS = 30.0
"""After which files of other processes are removed."""


class Masking(logging.Filter):
    """Masks passwords in messages, extras and tracebacks; whoever handles the record later sees it masked."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record in place, and let it pass."""
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask(record.exc_text)
        for name in FIELDS:
            if hasattr(record, name):
                setattr(record, name, _masked(getattr(record, name)))
        return True


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each) for each in value]
    return value


class _Lines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None}
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, default=str, ensure_ascii=False)


class _LogFile(RotatingFileHandler):
    """The file of this process; a disk that is full, or a folder that cannot be written, ends the log, not the work."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name that logging calls
        del record
        error = sys.exc_info()[1]
        logging.getLogger(LOGGERS[0]).removeHandler(self)
        for name in LOGGERS[1:]:
            logging.getLogger(name).removeHandler(self)
        sys.stderr.write(f"rvscat: the log {self.baseFilename} cannot be written ({error}); going on without it.\n")

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return super()._open()


class _LastResort(logging.Handler):
    """Shows warnings on stderr where nobody else shows them, as without a log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(not isinstance(handler, _LogFile | _LastResort) for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        if logging.lastResort is not None and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)


def start_log(settings: Settings) -> Path | None:
    """Write the records of this process to ``logs/`` from now on; a second call changes nothing.

    The file is made by the first record.

    Parameters
    ----------
    settings : Settings
        ``log_level`` is the least level that is written; ``OFF`` writes nothing.

    Returns
    -------
    Path or None
        The file; None when nothing is written.
    """
    if settings.log_level == "OFF":
        return None
    for handler in logging.getLogger(LOGGERS[0]).handlers:
        if isinstance(handler, _LogFile):
            return Path(handler.baseFilename)
    folder = settings.home / "logs"
    _remove_old(folder)
    file = folder / f"{datetime.now(tz=UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
    log = _LogFile(file, maxBytes=_BYTES, backupCount=_FILES, encoding="utf-8", delay=True)
    log.addFilter(Masking())
    log.setFormatter(_Lines())
    shown = _LastResort()
    shown.addFilter(Masking())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(settings.log_level)
        logger.addHandler(log)
        logger.addHandler(shown)
    return file


def _remove_old(folder: Path) -> None:
    for file in folder.glob("*.jsonl*") if folder.is_dir() else []:
        try:
            if time.time() - file.stat().st_mtime > _DAYS * 86_400:
                file.unlink()
        except FileNotFoundError:
            continue  # another process removed it
