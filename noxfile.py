"""The matrix of interpreters and Django versions; `nox --list` shows it, `nox -k 6.1` picks from it."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

# Django 6.0 and 6.1 ask for Python 3.12.
MATRIX = [
    ("3.11", "5.2"),
    ("3.12", "5.2"),
    ("3.12", "6.0"),
    ("3.12", "6.1"),
    ("3.13", "5.2"),
    ("3.13", "6.0"),
    ("3.13", "6.1"),
]


@nox.session
@nox.parametrize(
    ("python", "django"),
    [nox.param(python, django, id=f"python{python}-django{django}") for python, django in MATRIX],
)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite on every database that answers, or on those named after ``--``."""
    session.install("--editable", ".[test,postgres]", f"Django~={django}.0")
    databases = session.posargs or ("sqlite", "postgresql", "mariadb")
    session.run("python", "tools/check.py", *databases)
