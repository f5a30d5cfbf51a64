"""Run blocks in one namespace: arguments FILE PAGE LINE LANGUAGE for each; what fails is traced to the page's line."""

import ast
import asyncio
import doctest
import inspect
import linecache
import sys
from pathlib import Path
from typing import Any

import django


def main(arguments: list[str]) -> int:
    django.setup()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for file, page, line, language in quads(arguments):
        code = Path(file).read_text(encoding="utf-8")
        if language == "pycon":
            if not run_examples(code, namespace, page=page, line=int(line)):
                return 1
        else:
            run_statements(code, namespace, page=page, line=int(line))
    return 0


def quads(arguments: list[str]) -> list[tuple[str, ...]]:
    return [tuple(arguments[start : start + 4]) for start in range(0, len(arguments), 4)]


def run_statements(code: str, namespace: dict[str, Any], *, page: str, line: int) -> None:
    padded = "\n" * (line - 1) + code
    linecache.cache[page] = (len(padded), None, padded.splitlines(keepends=True), page)
    compiled = compile(padded, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(compiled, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def run_examples(code: str, namespace: dict[str, Any], *, page: str, line: int) -> bool:
    test = doctest.DocTestParser().get_doctest(code, namespace, page, page, line - 1)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, clear_globs=False)
    # A doctest works on a copy of the namespace; the next block goes on with what it made.
    namespace.update(test.globs)
    return bool(test.examples) and not runner.summarize(verbose=False).failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
