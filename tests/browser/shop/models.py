from django.db import models

from django_clean_timestamps.models import BaseTimestampEntity


class Customer(BaseTimestampEntity):
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Order(BaseTimestampEntity):
    customer = models.ForeignKey(Customer, models.CASCADE)
    number = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"Order {self.number}"
