"""
The settings of the site that the browser looks at, which runs in a process of its own.

``BROWSER_DATABASE`` is its SQLite file; ``BROWSER_UNFOLD`` puts django-unfold before Django's admin, and leaves the
strict Content-Security-Policy out, which unfold's own pages break.
"""

import os

HAS_UNFOLD = bool(os.environ.get("BROWSER_UNFOLD"))

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BROWSER_DATABASE"],
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    *(["unfold"] if HAS_UNFOLD else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_clean_timestamps",
    "tests.browser.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    *([] if HAS_UNFOLD else ["tests.browser.policy.strict_policy"]),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Handlers of ours fail on purpose.
LOGGING = {"version": 1, "loggers": {"django_clean_timestamps": {"level": "CRITICAL"}}}

ALLOWED_HOSTS = ["127.0.0.1"]
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ar", "العربية")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ROOT_URLCONF = "tests.browser.site"
SECRET_KEY = "tests"
STATIC_URL = "/static/"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
