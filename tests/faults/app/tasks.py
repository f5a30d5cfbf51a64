from celery import shared_task


@shared_task
def save() -> None:
    """Save a row."""
    from tests.faults.app.models import Counter
    from tests.faults.writes import new_name

    Counter.objects.create(name=new_name())
