"""Runs one story."""

import json
import sys

import django

from tests.faults import stories

if __name__ == "__main__":
    django.setup()
    stories.load()
    stories.say(json.dumps(stories.STORIES[sys.argv[1]](**json.loads(sys.argv[2]))))
