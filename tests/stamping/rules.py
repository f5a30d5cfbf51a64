"""Rules of a project's own, by their dotted paths."""

from django_clean_timestamps.events.validation import Rule

NO_SECRETS = Rule(
    name="no_secrets",
    check=lambda proposal: "the reason tells a secret; leave it out" if "secret" in proposal.reason else "",
)
NO_NOTES = Rule(
    name="no_notes", check=lambda proposal: "notes are closed" if proposal.subject == "testapp.Note" else ""
)
NO_RULE = "this is no rule"
