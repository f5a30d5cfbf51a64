import re
from pathlib import Path

import pytest

from tests.flows.documentation import DocumentationError, read_blocks, run_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]

# The pages' projects are on SQLite whatever the tests run on, so once is enough.
pytestmark = pytest.mark.sqlite

FENCED_MODELS = """\
<!-- file: shop/models.py -->
```python
from django.db import models


class Order(models.Model):
    number = models.IntegerField()
```
"""


@pytest.mark.parametrize("name", PAGES)
def test_every_code_block_runs(name, tmp_path):
    run_page(ROOT / name, name=name, directory=tmp_path)


def run(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    run_page(page, name="page.md", directory=tmp_path / "site")


def test_blocks_share_models_and_one_namespace(tmp_path):
    run(
        f"""{FENCED_MODELS}
<!-- run -->
```python
from shop.models import Order

order = Order.objects.create(number=7)
```

Then, with the output compared:

<!-- run -->
```pycon
>>> order.number
7
>>> doubled = order.number * 2
```

<!-- run -->
```python
assert doubled == 14
assert await Order.objects.acount() == 1
```

```console
$ python manage.py shell -v0 -c "from shop.models import Order; assert Order.objects.get().number == 7"
```
""",
        tmp_path,
    )


def test_settings_and_appended_files_reach_the_project(tmp_path):
    run(
        """
<!-- settings -->
```python
ANSWER = 42
```

<!-- file: shop/prices.py -->
```python
PRICE = 1
```

<!-- append: shop/prices.py -->
```python
VAT = 2
```

<!-- run -->
```python
from django.conf import settings
from shop import prices

assert (settings.ANSWER, prices.PRICE, prices.VAT) == (42, 1, 2)
```
""",
        tmp_path,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Text.\n\n<!-- run -->\n```python\nx = 1\nassert x == 2\n```\n", 'File "page.md", line 6'),
        ("<!-- run -->\n```pycon\n>>> 1 + 1\n3\n```\n", "Got:\n    2"),
        ("<!-- run -->\n```pycon\n1 + 1\n```\n", "exited with 1"),
        ("```console\n$ python manage.py no_such_command\n```\n", "Unknown command"),
        (FENCED_MODELS.replace("IntegerField()", "ForeignKey('shop.Lost', models.CASCADE)"), "shop.Lost"),
        (FENCED_MODELS.replace("shop/models.py", "../models.py"), "outside the page's project"),
    ],
    ids=["assertion", "output", "no example", "command", "system check", "path"],
)
def test_a_block_that_fails_fails_its_page(text, message, tmp_path):
    with pytest.raises(DocumentationError) as caught:
        run(text, tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nx = 1\n```\n", "says nothing about itself"),
        ("1. An item:\n\n   ```bash\n   make\n   ```\n", "says nothing about itself"),
        ("```console\n$ make demo\n```\n", "only 'python manage.py"),
        ("```console\nmake demo\n```\n", "begins with '$ '"),
        ("<!-- run -->\n```sql\nSELECT 1\n```\n", "only python and pycon"),
        ("<!-- illustration -->\n```python\nx\n```\n", "needs a reason"),
        ("<!-- file: -->\n```python\nx\n```\n", "needs a path"),
        ("<!-- run -->\nText.\n", "has no code block after it"),
        ("<!-- run -->\n```python\nx = 1\n", "has no end"),
    ],
)
def test_a_block_that_does_not_say_what_it_is_fails_its_page(text, message, tmp_path):
    with pytest.raises(DocumentationError, match=re.escape(message)):
        run(text, tmp_path)


def test_illustrations_and_plain_text_are_left_alone(tmp_path):
    text = "<!-- illustration: needs a broker -->\n```python\n1 / 0\n```\n\n```text\nplain\n```\n\n```\nplain\n```\n"
    assert [block.kind for block in read_blocks(text, page="page.md")] == ["illustration"]
    run(text, tmp_path)
