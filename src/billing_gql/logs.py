"""How log lines look: readable on a terminal, JSON elsewhere; always on stderr."""

import logging
import sys

import msgspec
import structlog

from billing_gql.observe.scope import add_scope


def configure_logs(log_format: str, level: str = "info") -> None:
    """Sets up structlog and the standard library's logging, once, at start.

    Of libraries, warnings and what is worse are shown, in the same shape.
    """
    least = getattr(logging, level.upper())
    shown: list[structlog.typing.Processor] = (
        [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
        if log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    )
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_scope,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*common, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[handler])


def _json(line: object, **_: object) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()
