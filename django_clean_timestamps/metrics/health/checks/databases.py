"""Whether databases answer, and have what this package needs."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from django_clean_timestamps.delivery.failures import one_line
from django_clean_timestamps.metrics.health.probing import ANSWER_SECONDS, Answer
from django_clean_timestamps.metrics.health.values import CheckResult, Figure, Level
from django_clean_timestamps.metrics.health.words import listed

__all__ = ["check_database", "check_log_tables", "check_tables", "could_not_ask", "no_log", "not_asked"]


def check_database(alias: str, answer: Answer) -> CheckResult:
    """Say whether a database answered."""
    if answer.error is None:
        return CheckResult(name="database", subject=alias, level=Level.OK, text=_("It answers."))
    is_late = isinstance(answer.error, TimeoutError)
    return CheckResult(
        name="database",
        subject=alias,
        level=Level.CRITICAL,
        text=(_("It did not answer within %(count)s s.") if is_late else _("It cannot be reached: %(error)s."))
        % {"count": f"{ANSWER_SECONDS:g}", "error": type(answer.error).__name__},
        remedy=_("See whether its server runs, and whether DATABASES[%(alias)r] is right.") % {"alias": alias},
        detail=one_line(answer.error),
    )


def check_log_tables(alias: str, missing: Sequence[str], unapplied: Sequence[str]) -> CheckResult:
    """Say whether the log of a database has its tables and all migrations."""
    return check_tables("log", alias, alias, missing, unapplied)


def check_tables(
    name: str, subject: str, alias: str, missing: Sequence[str], unapplied: Sequence[str] = ()
) -> CheckResult:
    """
    Say whether tables are there, and all migrations applied.

    Args:
        name: Of the check.
        subject: Of the check.
        alias: The tables' database.
        missing: The names of the tables that are not there.
        unapplied: Those of the migrations that are not applied.
    """
    texts = []
    if missing:
        texts.append(_("Tables are missing: %(names)s.") % {"names": listed(missing)})
    if unapplied:
        texts.append(_("Migrations are not applied: %(names)s.") % {"names": listed(unapplied)})
    return CheckResult(
        name=name,
        subject=subject,
        level=Level.CRITICAL if texts else Level.OK,
        text=" ".join(texts) or _("The tables are there, and all migrations applied."),
        remedy=_migrate(alias) if texts else "",
        figures=(
            Figure("missing", "tables", len(missing)),
            Figure("unapplied", "migrations", len(unapplied)),
        ),
    )


def no_log(*, has_entities: bool) -> CheckResult:
    """
    Say that there is no log at all.

    Args:
        has_entities: Whether there ought to be one: the project has entities, and routers let them be somewhere.
    """
    if not has_entities:
        text = _("The project has no entity yet, so there is nothing to log.")
        return CheckResult(name="log", level=Level.OK, text=text)
    return CheckResult(
        name="log",
        level=Level.CRITICAL,
        text=_("No database holds a log, nor the table of an entity."),
        remedy=_("Run 'manage.py migrate'."),
    )


def not_asked(name: str, subject: str) -> CheckResult:
    """Say that something was not asked, since its database did not answer."""
    text = _("Not known, since the database does not answer.")
    return CheckResult(name=name, subject=subject, level=Level.UNKNOWN, text=text)


def could_not_ask(name: str, subject: str, error: Exception) -> CheckResult:
    """Say that something could not be asked, and of which kind the error was."""
    return CheckResult(
        name=name,
        subject=subject,
        level=Level.UNKNOWN,
        text=_("It could not be asked: %(error)s.") % {"error": type(error).__name__},
        remedy=_("'manage.py timestamps_health' shows what the error says."),
        detail=one_line(error),
    )


def _migrate(alias: str) -> str:
    return _("Run 'manage.py migrate clean_timestamps --database %(alias)s'.") % {"alias": alias}
