"""Entities of every shape that the tests write."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from model_utils import FieldTracker

from django_clean_timestamps.models import (
    BaseTimestampEntity,
    CreatedAtField,
    TimestampManager,
    TimestampQuerySet,
    UpdatedAtField,
)


class Note(BaseTimestampEntity):
    """The plainest entity; nothing refers to it, so it is deleted fast."""

    title = models.CharField(max_length=100, default="")
    amount = models.IntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    day = models.DateField(null=True)


class Project(BaseTimestampEntity):
    name = models.CharField(max_length=100, default="")


class Task(BaseTimestampEntity):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="tasks")
    title = models.CharField(max_length=100, default="")
    tags = models.ManyToManyField("Tag", through="Tagging", related_name="tasks")

    touches = ("project",)


class Comment(BaseTimestampEntity):
    task = models.ForeignKey(Task, on_delete=models.CASCADE, null=True, related_name="comments")
    text = models.TextField(default="")

    touches = ("task",)


class Tag(BaseTimestampEntity):
    name = models.CharField(max_length=50, unique=True)


class Tagging(BaseTimestampEntity):
    """A through model that is an entity itself."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "tag"], name="one_tagging")]


class Attachment(BaseTimestampEntity):
    """Survives its project."""

    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, related_name="attachments")


class Category(BaseTimestampEntity):
    """A tree whose branches touch each other upwards, and in a ring where the data has one."""

    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="children")
    name = models.CharField(max_length=50, default="")

    touches = ("parent",)


class Country(BaseTimestampEntity):
    code = models.CharField(max_length=2, unique=True)


class City(BaseTimestampEntity):
    """Refers to its country by another field than the primary key."""

    country = models.ForeignKey(Country, to_field="code", on_delete=models.CASCADE, db_column="country_code")
    name = models.CharField(max_length=50)

    touches = ("country",)


class Box(models.Model):
    """No entity."""

    name = models.CharField(max_length=50, default="")


class Item(BaseTimestampEntity):
    """Cascades from a model that is no entity, and has dependents, so it is deleted slowly."""

    box = models.ForeignKey(Box, on_delete=models.CASCADE)


class Part(BaseTimestampEntity):
    """Cascades fast."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)


class Sticker(BaseTimestampEntity):
    """Cascades fast from a model that is no entity."""

    box = models.ForeignKey(Box, on_delete=models.CASCADE)


class Animal(BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")


class Dog(Animal):
    breed = models.CharField(max_length=50, default="")


class Puppy(Dog):
    weeks = models.IntegerField(default=0)


class Kennel(models.Model):
    pass


class Guard(Animal):
    """A multi-table child that cascades from elsewhere."""

    kennel = models.ForeignKey(Kennel, on_delete=models.CASCADE)


class NoteProxy(Note):
    class Meta:
        proxy = True


class Token(BaseTimestampEntity):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    label = models.CharField(max_length=50, default="")


class Currency(BaseTimestampEntity):
    """A natural key: Django tries an UPDATE before each INSERT."""

    code = models.CharField(max_length=3, primary_key=True)
    name = models.CharField(max_length=50, default="")


class Seat(BaseTimestampEntity):
    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()
    guest = models.CharField(max_length=50, default="")


class Product(BaseTimestampEntity):
    """Has an identity of its own."""

    sku = models.CharField(max_length=20, unique=True)
    price = models.IntegerField(default=0)

    def _get_entity_id(self):
        return f"sku-{self.sku}"


class Careful(BaseTimestampEntity):
    """Writes only what changes, and nothing that is forbidden."""

    name = models.CharField(max_length=50, default="")
    amount = models.IntegerField(default=0)
    file = models.FileField(blank=True)
    checked_at = models.DateTimeField(auto_now=True)

    skip_unchanged = True

    def _validate_entity(self):
        if self.name == "forbidden":
            raise ValidationError("this name is forbidden")


class CarefulChild(Careful):
    extra = models.CharField(max_length=50, default="")


class ActiveQuerySet(models.QuerySet):
    def active(self):
        return self.filter(active=True)


class ActiveManager(models.Manager):
    """Knows nothing of this package."""

    def get_queryset(self):
        return ActiveQuerySet(self.model, using=self._db).filter(active=True)


class Flagged(models.Model):
    """A mixin with a manager of its own."""

    active = models.BooleanField(default=True)

    objects = ActiveManager()

    class Meta:
        abstract = True


class FlaggedFirst(Flagged, BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")


class FlaggedLast(BaseTimestampEntity, Flagged):
    name = models.CharField(max_length=50, default="")


class OwnQuerySet(TimestampQuerySet):
    def named(self, name):
        return self.filter(name=name)


class OverridingManager(TimestampManager.from_queryset(OwnQuerySet)):
    """Goes back to a plain queryset behind our back."""

    use_in_migrations = True

    def get_queryset(self):
        return ActiveQuerySet(self.model, using=self._db)


class Managed(BaseTimestampEntity):
    name = models.CharField(max_length=50, default="")
    active = models.BooleanField(default=True)

    objects = OwnQuerySet.as_manager()
    overriding = OverridingManager()


class Abstract(BaseTimestampEntity):
    label = models.CharField(max_length=50, default="")
    updated_at = UpdatedAtField(db_index=True)

    class Meta:
        abstract = True


class AbstractAgain(Abstract):
    class Meta:
        abstract = True


class Chained(AbstractAgain):
    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(label="refused"), name="label_not_refused")]


class Legacy(models.Model):
    """What this package replaces."""

    title = models.CharField(max_length=100, default="")
    amount = models.IntegerField(default=0)
    seen_at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)


class Numbered(BaseTimestampEntity):
    """Its numbers can be shifted in one UPDATE, in the right order."""

    number = models.IntegerField(unique=True)


class Tracked(BaseTimestampEntity):
    """Tracked by django-model-utils."""

    title = models.CharField(max_length=50, default="")
    seen_at = models.DateTimeField(null=True)

    tracker = FieldTracker()


class NoteHistory(models.Model):
    """A history model that copies the fields of an entity and is none itself."""

    title = models.CharField(max_length=100, default="")
    created_at = CreatedAtField()
    updated_at = UpdatedAtField()


class LongKey(BaseTimestampEntity):
    """Its key can be longer than an entity id may be."""

    code = models.CharField(max_length=250, primary_key=True)


class Spelled(BaseTimestampEntity):
    """Has an identity of its own, of any length."""

    name = models.CharField(max_length=250, default="")

    def _get_entity_id(self):
        return self.name


class Asking(BaseTimestampEntity):
    """Asks whether the row is there before it updates it."""

    name = models.CharField(max_length=50, default="")

    class Meta:
        select_on_save = True


class Document(BaseTimestampEntity):
    """Writes only what changes, in fields that are hard to compare."""

    data = models.JSONField(default=dict, null=True)
    number = models.IntegerField(default=0)
    doubled = models.GeneratedField(expression=F("number") * 2, output_field=models.IntegerField(), db_persist=True)

    skip_unchanged = True


class Crate(Box, BaseTimestampEntity):
    """A multi-table child whose parent is no entity, so that the child's table holds the stamps."""

    weight = models.IntegerField(default=0)


class Membership(BaseTimestampEntity):
    """Unique over two fields, one of them the parent that it touches."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    user = models.CharField(max_length=50)
    role = models.CharField(max_length=50, default="")
    number = models.IntegerField(null=True, unique=True)

    touches = ("project",)

    class Meta:
        unique_together = [("project", "user")]


class Sheep(BaseTimestampEntity):
    counted_at = models.DateTimeField(null=True)


class Lamb(Sheep):
    """Has times in two tables."""

    shorn_at = models.DateTimeField(null=True)


class Ticket(BaseTimestampEntity):
    """Touches one parent, cascades from another, and has replies, so it is deleted slowly."""

    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, related_name="tickets")
    box = models.ForeignKey(Box, on_delete=models.CASCADE, null=True)
    code = models.CharField(max_length=20, default="")

    touches = ("project",)

    def _get_entity_id(self):
        return f"ticket-{self.code}"


class Reply(BaseTimestampEntity):
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="replies")


class Labelled(BaseTimestampEntity):
    """Takes its generic labels along."""

    name = models.CharField(max_length=50, default="")
    labels = GenericRelation("testapp.Label")


class Label(BaseTimestampEntity):
    content_type = models.ForeignKey("contenttypes.ContentType", on_delete=models.CASCADE, db_constraint=False)
    object_id = models.BigIntegerField()
    target = GenericForeignKey("content_type", "object_id")


class Embassy(BaseTimestampEntity):
    """Holds its country back."""

    country = models.ForeignKey(Country, on_delete=models.PROTECT)
