"""Handlers of which one fails: on some orders at once and for good, on others until somebody mends it."""

from django_clean_timestamps.delivery import on_timestamp
from tests.browser.shop.models import Customer, Order

UNPAYABLE = 4
"""Of every so many orders one cannot be billed."""


@on_timestamp(sender=[Order, Customer], name="search.index")
def index(event):
    pass


@on_timestamp(sender=Order, name="billing.invoice", max_attempts=1)
def invoice(event):
    if int(event.entity_id) % UNPAYABLE == 0:
        raise ValueError("The card was refused: <insufficient funds>")


@on_timestamp(sender=Order, name="mail.receipt")
def send_receipt(event):
    if int(event.entity_id) % UNPAYABLE == 1:
        raise ConnectionError("smtp.example.org does not answer")
