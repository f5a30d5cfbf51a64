#!/bin/sh
# Make the virtual environment $VENV from the interpreter $PYTHON, or say what is missing.
set -eu

if ! command -v "$PYTHON" >/dev/null 2>&1; then
    echo "error: there is no '$PYTHON' here; install Python 3.11 or later, or name one: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: '$PYTHON' is $("$PYTHON" --version 2>&1), and Python 3.11 or later is needed; name one: make PYTHON=python3.11" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "error: '$PYTHON' cannot make virtual environments; on Debian and Ubuntu install the package python3-venv" >&2
    exit 1
fi
"$PYTHON" -m venv --clear "$VENV"
